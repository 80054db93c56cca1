use std::sync::atomic::{AtomicUsize, Ordering};

use siphon_config::model::Backend;

use super::*;
use crate::components::aws::credentials::Credentials;
use crate::components::aws::testing::{KEYS, environment, is_signed};
use crate::components::testing;
use crate::server::{Server, json, reply};
use crate::{FailureKind, fixture};

fn built(settings: &str, variables: &[(&str, &str)]) -> Checked<Box<dyn Stage>> {
    let component = testing::component(ENTRY.namespaces[0], settings);
    let backend =
        Backend { group: "g".into(), encoding: Encoding::Xml, ..fixture::backend("http://unused", "/unused") };
    testing::with_backend(&backend, |site| build_in(&component, site, &environment(variables)))
}

/// A stage that calls `server`; `more` are further settings.
fn of(server: &Server, more: &str) -> Box<dyn Stage> {
    built(&format!(r#"{{"endpoint": "{}/base/"{more}}}"#, server.url()), &KEYS).expect("a stage")
}

async fn run(stage: &dyn Stage, payload: &'static str) -> Result<String, PipeError> {
    let mut request = Request::new(payload);
    Arc::make_mut(&mut request.params).insert("topic", "fn:live");
    let reply = testing::run(stage, request).await;
    match reply.error {
        None => Ok(reply.response.expect("a response").data.to_string()),
        Some(error) => Err(error),
    }
}

#[tokio::test]
async fn the_function_gets_the_event_signed_and_its_result_is_the_data() {
    let server = Server::start(|_| json("{\"n\":12345678901234567890}")).await;
    let stage = of(&server, r#", "function_name": "arn:aws:lambda:eu-west-1:1:function:f""#);
    assert_eq!(run(stage.as_ref(), "plain words").await.expect("data"), "{\"g\":{\"n\":12345678901234567890}}");
    let seen = server.seen().remove(0);
    let path = "/base/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Af/invocations";
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body.as_str()), ("POST", path, "plain words"));
    assert_eq!(seen.header("x-amz-invocation-type"), Some("RequestResponse"));
    let by = Credentials { access_key: "A".into(), secret_key: "S".into(), session_token: None };
    let scope = Scope { region: "eu-west-1".into(), service: "lambda".into() };
    assert!(is_signed(&seen, &server.address.to_string(), &by, &scope), "{seen:?}");
}

#[tokio::test]
async fn the_message_may_name_the_function() {
    let server = Server::start(|_| json("{}")).await;
    let stage = of(&server, r#", "function_param_name": "topic""#);
    assert!(run(stage.as_ref(), "{}").await.is_ok());
    assert_eq!(server.seen()[0].target, "/base/2015-03-31/functions/fn%3Alive/invocations");
    let unnamed = of(&server, "");
    let error = run(unnamed.as_ref(), "{}").await.expect_err("no function");
    assert_eq!(error.to_string(), "backend/lambda: nothing says which function: Function has no value");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_function_that_fails_fails_the_event() {
    let failed = |_: &crate::server::Seen| {
        reply(200, &["X-Amz-Function-Error: Unhandled"], r#"{"errorMessage":"bad","errorType":"E"}"#)
    };
    let server = Server::start(failed).await;
    let error =
        run(of(&server, r#", "function_name": "f", "max_retries": 3"#).as_ref(), "{}").await.expect_err("failed");
    assert_eq!(error.to_string(), "aws lambda: the function failed: Unhandled: E: bad");
    assert_eq!((error.kind(), server.seen().len()), (FailureKind::Other, 1));
}

#[tokio::test]
async fn a_result_that_is_no_object_fails_the_event() {
    for (body, start) in
        [("[1,2]", "json: cannot unmarshal array"), ("{", "unexpected EOF"), ("text", "invalid character")]
    {
        let server = Server::start(move |_| json(body)).await;
        let error = run(of(&server, r#", "function_name": "f""#).as_ref(), "{}").await.expect_err(body);
        assert!(error.to_string().starts_with(start), "{error}");
    }
}

#[tokio::test]
async fn only_what_may_pass_is_repeated_and_only_as_often_as_wanted() {
    for (status, retries, calls) in [(500, 2, 3), (429, 1, 2), (503, 0, 1), (404, 2, 1)] {
        let server = Server::start(move |_| reply(status, &["Retry-After: 7"], r#"{"Message":"no"}"#)).await;
        let stage = of(&server, &format!(r#", "function_name": "f", "max_retries": {retries}"#));
        let error = run(stage.as_ref(), "{}").await.expect_err("refused");
        assert_eq!((error.kind(), server.seen().len()), (FailureKind::Status(status), calls));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }
}

#[tokio::test]
async fn a_repetition_that_succeeds_is_a_success() {
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => reply(502, &[], ""),
        _ => json("{\"a\":1}"),
    })
    .await;
    let stage = of(&server, r#", "function_name": "f", "max_retries": 2"#);
    assert_eq!(run(stage.as_ref(), "{}").await.expect("data"), "{\"g\":{\"a\":1}}");
    assert_eq!(server.seen().len(), 2);
}

#[track_caller]
fn refused(settings: &str, variables: &[(&str, &str)], path: &str, message: &str) {
    let problems = built(settings, variables).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
}

#[test]
fn what_could_never_be_called_is_refused_at_load() {
    let named = r#"{"function_name": "f"}"#;
    refused(named, &KEYS[..2], "b.region", "MissingRegion: could not find region configuration");
    refused(named, &[("AWS_REGION", "r"), ("AWS_EC2_METADATA_DISABLED", "true")], "b", "no AWS credentials");
    refused(r#"{"endpoint": "localhost"}"#, &KEYS, "b.endpoint", "is no http or https URL");
    refused(r#"{"endpoint": "http://h/?x=1"}"#, &KEYS, "b.endpoint", "without a query");
    refused(r#"{"function_param_name": ""}"#, &KEYS, "b.function_param_name", "is empty");
    refused(r#"{"max_retries": 10}"#, &KEYS, "b.max_retries", "10 is more than 9");
    refused(r#"{"function_name": 7}"#, &KEYS, "b.function_name", "invalid type");
}
