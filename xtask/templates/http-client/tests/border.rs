//! The built library, through the plugin host of a real siphon.

use siphon_testkit::pipe::{PlainRequest, call, client, findings, loaded, named};

fn request(method: &str, path: &str, body: &str) -> PlainRequest {
    let (method, url) = (method.to_owned(), format!("http://folder{path}"));
    PlainRequest { method, url, body: body.as_bytes().to_vec(), ..PlainRequest::default() }
}

#[tokio::test]
async fn what_is_written_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!("{{\"folder\": {:?}}}", folder.path().join("replies"));
    let client = client(&loaded(env!("CARGO_MANIFEST_DIR")), "{name}", &config);
    let status = |answer: &siphon_testkit::pipe::Changes| answer.status;
    let missing = call(&client, &request("GET", "/a.json?q=1", "")).await.expect("an answer");
    assert_eq!(status(&missing), Some(404));
    let written = call(&client, &request("POST", "/x/a.json", "{\"id\": 1}")).await.expect("an answer");
    assert_eq!(status(&written), Some(201));
    let read = call(&client, &request("GET", "/a.json", "")).await.expect("an answer");
    assert_eq!((status(&read), read.body.as_deref()), (Some(200), Some(&b"{\"id\": 1}"[..])));
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let client = client(&loaded(env!("CARGO_MANIFEST_DIR")), "{name}", r#"{"folder": "nowhere"}"#);
    for path in ["/", "/..", "/a/."] {
        let refused = call(&client, &request("GET", path, "")).await.expect_err(path);
        assert_eq!(refused.status, Some(400), "{refused}");
    }
}

#[test]
fn a_configuration_without_a_folder_is_refused() {
    let registry = loaded(env!("CARGO_MANIFEST_DIR"));
    let plugin = named(&registry, siphon_testkit::pipe::Kind::HTTP_CLIENT, "{name}");
    assert_eq!(findings(&plugin, "{}"), [(String::new(), "missing field `folder`".to_owned())]);
}
