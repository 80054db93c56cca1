//! What each modifier changes.

use super::*;

#[tokio::test]
async fn headers_are_set_added_taken_away_and_copied() {
    let set = r#"{"header.Modifier": {"scope": ["request"], "name": "x-foo", "value": "bar"}}"#;
    check(Run::asking(&[("x-foo", "a")]), set, &["x-foo: bar"], &[]).await;
    let add = r#"{"header.Append": {"scope": ["request"], "name": "x-multi", "value": "b"}}"#;
    check(Run::asking(&[("x-multi", "a")]), add, &["x-multi: a", "x-multi: b"], &[]).await;
    let take = r#"{"header.Blacklist": {"names": ["X-A", "x-none"]}}"#;
    let run = Run { answered: headers(&[("x-a", "2")]), ..Run::asking(&[("x-a", "1"), ("x-b", "1")]) };
    check(run, take, &["x-b: 1"], &[]).await;
    let copy = |from: &str| format!(r#"{{"header.Copy": {{"scope": ["request"], "from": "{from}", "to": "X-To"}}}}"#);
    check(Run::default(), &copy("X-Nope"), &["x-to: "], &[]).await;
    check(Run::default(), &copy("Host"), &["x-to: h:81"], &[]).await;
    check(Run::default(), &copy("Content-Length"), &["x-to: 4"], &[]).await;
}

#[tokio::test]
async fn without_a_scope_a_modifier_acts_on_both_sides_and_with_an_empty_one_on_none() {
    let with = |scope: &str| format!(r#"{{"header.Modifier": {{{scope} "name": "X-A", "value": "1"}}}}"#);
    check(Run::default(), &with(""), &["x-a: 1"], &["x-a: 1"]).await;
    check(Run::default(), &with(r#""scope": null,"#), &["x-a: 1"], &["x-a: 1"]).await;
    check(Run::default(), &with(r#""scope": ["response"],"#), &[], &["x-a: 1"]).await;
    check(Run::default(), &with(r#""scope": [],"#), &[], &[]).await;
}

#[tokio::test]
async fn host_is_a_header_that_does_not_move_the_call() {
    let host = |run: Run, settings: &'static str| async move {
        let call = run.through(settings).await.expect(settings).call.expect("called");
        (call.url.to_string(), call.host.map(|host| host.to_str().expect("text").to_owned()), call.headers.len())
    };
    let named = r#"{"header.Modifier": {"scope": ["request"], "name": "host", "value": "example.com"}}"#;
    let at = |url: &str| url.to_owned();
    let usual = at("http://u:p@h:81/x?a=1&b=2");
    assert_eq!(host(Run::default(), named).await, (usual.clone(), Some(at("example.com")), 0));
    let cleared = r#"{"fifo.Group": {"modifiers": [
        {"header.Modifier": {"scope": ["request"], "name": "Host", "value": "example.com"}},
        {"header.Blacklist": {"scope": ["request"], "names": ["Host"]}}]}}"#;
    assert_eq!(host(Run::default(), cleared).await, (usual, None, 0));
    let moved = r#"{"url.Modifier": {"host": "other:82", "scheme": "http"}}"#;
    let elsewhere = (at("http://other:82/x?a=1&b=2"), Some(at("h:81")), 0);
    assert_eq!(host(Run::default(), moved).await, elsewhere, "the password is not for the other host");
}

#[tokio::test]
async fn a_body_replaces_the_one_of_the_call_and_of_its_answer() {
    let settings = r#"{"body.Modifier": {"body": "eyJtc2ciOiJ5b3Ugcm9jayEifQ==", "contentType": "application/json"}}"#;
    let run = Run { answered: headers(&[("etag", "1")]), ..Run::asking(&[("content-encoding", "gzip")]) };
    let ran = run.through(settings).await.expect(settings);
    let call = ran.call.expect("called");
    assert_eq!(
        (call.body.as_ref(), ran.body.as_ref()),
        (&b"{\"msg\":\"you rock!\"}"[..], &b"{\"msg\":\"you rock!\"}"[..])
    );
    assert_eq!(lines(&call.headers), ["content-type: application/json"]);
    assert_eq!(lines(&ran.headers), ["content-length: 19", "content-type: application/json", "etag: 1"]);
    let blank = r#"{"body.Modifier": {"scope": ["request"], "body": "eA=="}}"#;
    check(Run::asking(&[("content-type", "text/x")]), blank, &["content-type: "], &[]).await;
}

#[tokio::test]
async fn a_range_of_the_call_takes_a_part_of_the_new_body() {
    let settings =
        r#"{"body.Modifier": {"scope": ["response"], "body": "MDEyMzQ1Njc4OQ==", "contentType": "text/plain"}}"#;
    for (range, status, expected, body) in [
        ("bytes=2-4", 206, vec!["content-length: 3", "content-range: bytes 2-4/10", "content-type: text/plain"], "234"),
        ("bytes=7-2", 416, vec!["content-length: 0", "content-type: text/plain"], ""),
    ] {
        let ran = Run::asking(&[("range", range)]).through(settings).await.expect(range);
        assert_eq!((ran.status, lines(&ran.headers), &ran.body[..]), (status, as_text(&expected), body.as_bytes()));
    }
    let ran = Run::asking(&[("range", "bytes=0-0,9-9")]).through(settings).await.expect("parts");
    let kind = ran.headers["content-type"].to_str().expect("text");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect(kind);
    assert_eq!(ran.body.windows(60).filter(|part| *part == boundary.as_bytes()).count(), 3);
}

#[tokio::test]
async fn a_length_that_is_not_the_body_s_fails_the_call() {
    let with = |value: &str| format!(r#"{{"header.Modifier": {{"name": "Content-Length", "value": "{value}"}}}}"#);
    assert!(Run::default().through(&with("4")).await.is_ok());
    let error = Run::default().through(&with("3")).await.err();
    let expected = "Post \"http://u:***@h:81/x?a=1&b=2\": http: ContentLength=3 with Body length 4";
    assert_eq!(error.as_deref(), Some(expected));
}

#[tokio::test]
async fn urls_change_in_parts() {
    let url = |run: Run, settings: &'static str| async move {
        run.through(settings).await.expect(settings).call.expect("called").url.to_string()
    };
    let at = |url: &'static str| Run { url, ..Run::default() };
    let cases = [
        (Run::default(), r#"{"url.Modifier": {"path": "/y z", "query": "q=9"}}"#, "http://u:p@h:81/y%20z?q=9"),
        (
            at("http://h/x?b=2&a=1&b=3"),
            r#"{"querystring.Modifier": {"name": "b", "value": "9 z"}}"#,
            "http://h/x?a=1&b=9+z",
        ),
        (at("http://h/x"), r#"{"querystring.Modifier": {"name": "b", "value": "ü"}}"#, "http://h/x?b=%C3%BC"),
        (Run::default(), r#"{"port.Modifier": {"port": 8080}}"#, "http://u:p@h:8080/x?a=1&b=2"),
        (Run::default(), r#"{"port.Modifier": {"defaultForScheme": true}}"#, "http://u:p@h:80/x?a=1&b=2"),
        (at("http://[::1]:81/"), r#"{"port.Modifier": {"remove": true}}"#, "http://[::1]/"),
    ];
    for (run, settings, expected) in cases {
        assert_eq!(url(run, settings).await, expected, "{settings}");
    }
}

#[tokio::test]
async fn the_url_is_stashed_in_a_header_of_call_and_answer() {
    let settings = r#"{"stash.Modifier": {"scope": ["request", "response"], "headerName": "x-stash"}}"#;
    let expected = &["x-stash: http://h:81/x?a=1&b=2"];
    check(Run::default(), settings, expected, expected).await;
}

#[tokio::test]
async fn an_empty_id_gets_a_random_one() {
    let settings = r#"{"header.Id": {}}"#;
    let id = |run: Run| async move {
        let call = run.through(settings).await.expect("run").call.expect("called");
        call.headers["x-krakend-id"].to_str().expect("text").to_owned()
    };
    let (first, second) = (id(Run::default()).await, id(Run::default()).await);
    assert!(first.len() == 36 && first != second, "{first} {second}");
    assert_eq!(id(Run::asking(&[("x-krakend-id", "mine")])).await, "mine");
}

#[tokio::test]
async fn cookies_go_out_joined_and_come_back_with_attributes() {
    let settings = r#"{"cookie.Modifier": {"name": "c", "value": "v w", "path": "/p", "domain": ".e.com",
        "expires": "2025-04-12T23:20:50.52Z", "secure": true, "httpOnly": true, "maxAge": 5}}"#;
    let given = "set-cookie: c=\"v w\"; Path=/p; Domain=e.com; Expires=Sat, 12 Apr 2025 23:20:50 GMT; Max-Age=5; HttpOnly; Secure";
    check(Run::asking(&[("cookie", "t=0")]), settings, &["cookie: t=0; c=\"v w\""], &[given]).await;
    let ended = r#"{"cookie.Modifier": {"scope": ["response"], "name": "c", "maxAge": -1}}"#;
    check(Run::default(), ended, &[], &["set-cookie: c=; Max-Age=0"]).await;
}

#[tokio::test]
async fn a_status_is_replaced() {
    for (came, settings, expected) in [
        (200, r#"{"status.Modifier": {"statusCode": 404}}"#, 404),
        (500, r#"{"status.Modifier": {"statusCode": 200}}"#, 200),
    ] {
        let ran = Run { status: came, ..Run::default() }.through(settings).await.expect(settings);
        assert_eq!((ran.status, &ran.body[..]), (expected, &b"{\"k\":1}"[..]));
    }
}

#[tokio::test]
async fn files_answer_instead_of_a_backend_and_nothing_leads_out_of_their_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let public = folder.path().join("public");
    std::fs::create_dir(&public).expect("made");
    std::fs::write(folder.path().join("secret"), "secret").expect("written");
    std::fs::write(public.join("f.json"), "{\"f\":1}").expect("written");
    let root = public.display().to_string();
    let settings = format!(r#"{{"static.Modifier": {{"rootPath": {root:?}, "explicitPaths": {{"/x": "/f.json"}}}}}}"#);
    for (url, status, body) in [
        ("http://h/x", 200, "{\"f\":1}"),
        ("http://h/f.json?q", 200, "{\"f\":1}"),
        ("http://h/nope", 404, ""),
        ("http://h/../secret", 404, ""),
        ("http://h/%2e%2e/secret", 404, ""),
    ] {
        let ran = Run { url, ..Run::default() }.through(&settings).await.expect(url);
        assert_eq!((ran.status, &ran.body[..], ran.call.is_some()), (status, body.as_bytes(), false), "{url}");
    }
    let ran = Run::default().through(&settings).await.expect("run");
    assert_eq!(lines(&ran.headers), ["content-length: 7", "content-type: application/json"]);
    let leading_out = settings.replace("/f.json", "/../secret");
    refused(&leading_out, r#"b.static.Modifier.explicitPaths./x"#, "leads out of the folder");
}

#[tokio::test]
async fn comments_and_verifiers_change_nothing() {
    let settings = r#"{"@comment": "why", "header.Modifier": {"name": "X-A", "value": "1", "scope": ["request"]}}"#;
    check(Run::default(), settings, &["x-a: 1"], &[]).await;
    check(Run::default(), r#"{"header.Verifier": {"name": "X-A"}}"#, &[], &[]).await;
}
