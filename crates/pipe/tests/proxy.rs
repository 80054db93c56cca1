//! `proxy`: sequential calls, static data, rearranged data and shadows, over real connections.

mod support;

use std::time::Duration;

use support::server::{json, reply};
use support::settings::pipe_with_proxy;
use support::{Action, Server, data, error, event, run};
use tokio::time::Instant;

async fn server() -> Server {
    Server::start(|seen| match seen.target.as_str() {
        "/a" => json(r#"{"id":1,"s":"A","arr":[1,"x",2.5],"o":{"p":{"q":"deep"}},"path":"x/y?z=1"}"#),
        "/b" => json(r#"{"id":2,"only":"B"}"#),
        "/text" => reply(200, &["Content-Type: text/plain"], "a b"),
        "/stall" => Action::Stall,
        target if target.starts_with("/n") => reply(404, &[], "no"),
        _ => json("{}"),
    })
    .await
}

/// The calls that a sequential agent makes, after its `backends`.
async fn calls(backends: &str, proxy: &str) -> Vec<String> {
    let server = server().await;
    let reply = run(&pipe_with_proxy(&server.url(), backends, proxy), "{\"e\":1}").await;
    assert!(reply.is_complete(), "{}", error(&reply));
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.body == "{\"e\":1}"), "every backend gets the payload: {seen:?}");
    seen.into_iter().map(|seen| seen.target).collect()
}

#[tokio::test]
async fn values_of_earlier_replies_stand_in_paths_and_queries() {
    let cases = [
        ("/x/{resp0_id}", "/x/1"),
        ("/x/{{.Resp0_id}}", "/x/1"),
        ("/x?v={resp0_arr}", "/x?v=1,x,2.5"),
        ("/x?v={resp0_o.p.q}&w={resp0_o.p}", "/x?v=deep&w=map[q:deep]"),
        ("/x?v={resp0_arr.1}", "/x?v=x"),
        ("/x?v={resp0_missing}", "/x?v=%7BResp0_missing%7D"),
        ("/x/{resp0_path}", "/x/x/y?z=1"),
    ];
    for (pattern, target) in cases {
        let backends = format!(r#"[{{"url_pattern": "/a"}}, {{"url_pattern": "{pattern}", "method": "POST"}}]"#);
        assert_eq!(calls(&backends, r#"{"sequential": true}"#).await, ["/a", target]);
    }
}

#[tokio::test]
async fn values_are_those_after_the_filters() {
    let backends =
        r#"[{"url_pattern": "/a", "mapping": {"id": "key"}, "group": "g"}, {"url_pattern": "/x/{resp0_g.key}"}]"#;
    assert_eq!(calls(backends, r#"{"strategy": "sequential"}"#).await, ["/a", "/x/1"]);
}

#[tokio::test]
async fn the_whole_text_of_a_no_op_reply_can_be_used() {
    let backends = r#"[{"url_pattern": "/text", "encoding": "no-op"}, {"url_pattern": "/x?all={resp0}"}]"#;
    assert_eq!(calls(backends, r#"{"sequential": true}"#).await, ["/text", "/x?all=a%20b"]);
}

#[tokio::test]
async fn a_third_backend_uses_both() {
    let backends =
        r#"[{"url_pattern": "/a"}, {"url_pattern": "/b"}, {"url_pattern": "/x?v={resp1_only}&w={resp0_s}"}]"#;
    assert_eq!(calls(backends, r#"{"sequential": true}"#).await, ["/a", "/b", "/x?v=B&w=A"]);
}

/// `expected`: data, whether complete, error with `$B` for the server's URL, how many calls.
async fn check(backends: &str, proxy: &str, expected: (Option<&str>, bool, &str, usize)) {
    let server = server().await;
    let reply = run(&pipe_with_proxy(&server.url(), backends, proxy), "{}").await;
    let complete = reply.response.as_ref().is_some_and(|response| response.complete);
    let text = expected.2.replace("$B", &server.url());
    assert_eq!((data(&reply).as_deref(), complete, error(&reply)), (expected.0, expected.1, text), "{backends}");
    assert_eq!(server.seen().len(), expected.3, "{backends}");
}

#[tokio::test]
async fn a_failed_step_ends_the_chain() {
    let lost = "invalid status code 404 [POST /n]: $B/n";
    check(
        r#"[{"url_pattern": "/n", "method": "POST"}, {"url_pattern": "/b"}]"#,
        r#"{"sequential": true}"#,
        (None, false, lost, 1),
    )
    .await;
    let backends = r#"[{"url_pattern": "/b"}, {"url_pattern": "/n", "method": "POST"}, {"url_pattern": "/a"}]"#;
    check(backends, r#"{"sequential": true}"#, (Some(r#"{"id":2,"only":"B"}"#), false, lost, 2)).await;
}

#[tokio::test]
async fn static_data_comes_with_a_timeout_too() {
    let server = server().await;
    for backends in [r#"[{"url_pattern": "/stall"}]"#, r#"[{"url_pattern": "/stall"}, {"url_pattern": "/stall"}]"#] {
        let pipe =
            pipe_with_proxy(&server.url(), backends, r#"{"static": {"strategy": "errored", "data": {"why": 1.50}}}"#);
        let reply = pipe.run(event("{}"), Instant::now() + Duration::from_millis(60)).await;
        assert_eq!(data(&reply).as_deref(), Some("{\"why\":1.50}"));
        assert!(error(&reply).contains("context deadline exceeded"));
    }
}

#[tokio::test]
async fn data_is_rearranged_on_one_backend_on_several_and_not_after_a_failure() {
    let del = r#"{"flatmap_filter": [{"type": "del", "args": ["id"]}]}"#;
    check(r#"[{"url_pattern": "/b"}]"#, del, (Some(r#"{"only":"B"}"#), true, "", 1)).await;
    check(r#"[{"url_pattern": "/b"}, {"url_pattern": "/b"}]"#, del, (Some(r#"{"only":"B"}"#), true, "", 2)).await;
    let lost = "invalid status code 404 [GET /n]: $B/n";
    check(r#"[{"url_pattern": "/b"}, {"url_pattern": "/n"}]"#, del, (Some(r#"{"id":2,"only":"B"}"#), false, lost, 2))
        .await;
}

#[tokio::test]
async fn operations_of_a_backend_stand_between_target_and_group() {
    let proxy = r#"{"flatmap_filter": [{"type": "move", "args": ["p", "z"]}]}"#;
    let backend = format!(
        r#"[{{"url_pattern": "/a", "target": "o", "group": "g", "allow": ["x"], "extra_config": {{"proxy": {proxy}}}}}]"#
    );
    check(&backend, "{}", (Some(r#"{"g":{"z":{"q":"deep"}}}"#), true, "", 1)).await;
}

const SHADOWED: &str = r#"[{"url_pattern": "/b"},
    {"url_pattern": "/PATH", "method": "POST", "extra_config": {"proxy": {"shadow": true, "shadow_timeout": "LIMIT"}}}]"#;

fn shadowed(server: &Server, path: &str, limit: &str) -> siphon_pipe::Pipe {
    pipe_with_proxy(&server.url(), &SHADOWED.replace("PATH", path).replace("LIMIT", limit), "{}")
}

#[tokio::test]
async fn a_shadow_gets_the_event_and_its_answer_does_not_count() {
    for path in ["a", "nowhere"] {
        let server = server().await;
        let pipe = shadowed(&server, path, "20s");
        let reply = run(&pipe, "{\"e\":1}").await;
        assert_eq!((data(&reply).as_deref(), reply.is_complete()), (Some(r#"{"id":2,"only":"B"}"#), true));
        pipe.finish().await;
        let mut seen: Vec<_> = server.seen().into_iter().map(|seen| (seen.target, seen.body)).collect();
        seen.sort();
        let mut expected = [format!("/{path}"), "/b".into()].map(|target| (target, "{\"e\":1}".to_owned()));
        expected.sort();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn an_event_does_not_wait_for_a_shadow_that_never_answers() {
    let server = server().await;
    let pipe = shadowed(&server, "stall", "20s");
    assert!(run(&pipe, "{}").await.is_complete());
    server.called(2).await;
    drop(pipe);
    server.closed(2).await;
}

#[tokio::test]
async fn a_shadow_outlives_the_event_that_is_given_up_and_ends_by_its_own_time() {
    let server = server().await;
    let backends = SHADOWED.replace("/b", "/stall").replace("PATH", "stall").replace("LIMIT", "200ms");
    let pipe = pipe_with_proxy(&server.url(), &backends, "{}");
    let reply = pipe.run(event("{}"), Instant::now() + Duration::from_millis(20)).await;
    assert_eq!(error(&reply), "context deadline exceeded");
    pipe.finish().await;
    assert_eq!(server.seen().len(), 2);
    server.closed(2).await;
}

#[tokio::test]
async fn a_chain_of_shadows_hands_values_on() {
    let server = server().await;
    let shadow = r#""method": "POST", "extra_config": {"proxy": {"shadow": true}}"#;
    let backends = format!(
        r#"[{{"url_pattern": "/b"}}, {{"url_pattern": "/a", {shadow}}}, {{"url_pattern": "/x/{{resp1_s}}", {shadow}}}]"#
    );
    let pipe = pipe_with_proxy(&server.url(), &backends, r#"{"sequential": true}"#);
    assert!(run(&pipe, "{}").await.is_complete());
    pipe.finish().await;
    let mut seen: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    seen.sort();
    assert_eq!(seen, ["/a", "/b", "/x/A"]);
}

#[test]
fn the_description_tells_shadows_and_chains() {
    let backends = SHADOWED.replace("PATH", "s").replace("LIMIT", "1s");
    let pipe = pipe_with_proxy("http://h", &backends, r#"{"sequential": true}"#);
    let described = pipe.describe();
    assert!(described.is_sequential);
    assert_eq!(described.backends.iter().map(|backend| backend.is_shadow).collect::<Vec<_>>(), [false, true]);
}
