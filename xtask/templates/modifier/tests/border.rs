//! The built library, through the plugin host of a real siphon.

use siphon_testkit::pipe::{PlainReply, PlainRequest, change_reply, change_request, findings, loaded, modifier, named};

const CONFIG: &str = r#"{"field": "customer"}"#;

fn request(body: &str) -> PlainRequest {
    PlainRequest { body: body.as_bytes().to_vec(), ..PlainRequest::default() }
}

#[tokio::test]
async fn the_backend_hears_for_whom_an_event_is() {
    let modifier = modifier(&loaded(env!("CARGO_MANIFEST_DIR")), "{name}", CONFIG);
    let changes = change_request(&modifier, &request(r#"{"customer": "acme"}"#)).await.expect("it passes");
    let headers = changes.expect("it is changed").headers.expect("with a header");
    assert_eq!(headers, [(b"X-Tenant".to_vec(), b"acme".to_vec())]);
}

#[tokio::test]
async fn an_event_of_nobody_fails() {
    let modifier = modifier(&loaded(env!("CARGO_MANIFEST_DIR")), "{name}", CONFIG);
    for body in ["{}", "no json", r#"{"customer": 7}"#] {
        let refused = change_request(&modifier, &request(body)).await.expect_err(body);
        assert_eq!((refused.message.as_str(), refused.status), ("the payload has no text \"customer\"", Some(422)));
    }
}

#[tokio::test]
async fn what_is_internal_is_taken_out_and_the_rest_left_alone() {
    let modifier = modifier(&loaded(env!("CARGO_MANIFEST_DIR")), "{name}", CONFIG);
    let reply = |data: &str| PlainReply { data: data.to_owned(), ..PlainReply::default() };
    let changed = change_reply(&modifier, &request(""), &reply(r#"{"id": 1, "internal": 2}"#)).await;
    assert_eq!(changed.expect("it passes").and_then(|changes| changes.data).as_deref(), Some(&br#"{"id":1}"#[..]));
    assert_eq!(change_reply(&modifier, &request(""), &reply(r#"{"id": 1}"#)).await, Ok(None));
}

#[test]
fn a_configuration_without_a_field_is_refused() {
    let registry = loaded(env!("CARGO_MANIFEST_DIR"));
    let plugin = named(&registry, siphon_testkit::pipe::Kind::MODIFIER, "{name}");
    assert_eq!(findings(&plugin, r#"{"field": ""}"#), [("field".to_owned(), "must not be empty".to_owned())]);
    assert_eq!(findings(&plugin, "{}"), [(String::new(), "missing field `field`".to_owned())]);
}
