use ::http::{HeaderMap, Method};
use tokio::time::Instant;

use super::*;
use crate::components::aws::credentials::Credentials;
use crate::components::aws::testing::{KEYS, environment, is_signed, role_reply};
use crate::components::testing;
use crate::http::{Client, ClientSettings};
use crate::server::{Seen, Server, json, reply};

fn built(settings: &str, variables: &[(&str, &str)]) -> Checked<Box<dyn Exchange>> {
    let component = testing::component(ENTRY.namespaces[0], settings);
    let below = Client::new(ClientSettings::from(&crate::fixture::http()));
    testing::with_site(|site| build_in(&component, site, Box::new(below), &environment(variables)))
}

/// Calls `/path?b=2&a=1` of the server with a payload.
async fn call(server: &Server, signing: &dyn Exchange, is_abroad: bool) -> Result<u16, PipeError> {
    let url = format!("{}/path?b=2&a=1", server.url()).parse().expect("a URL");
    let call = Outgoing::new(Method::POST, url, Arc::new(HeaderMap::new()), "{}".into());
    let context = Context { deadline: Instant::now() + std::time::Duration::from_secs(60) };
    let answer = signing.exchange(Outgoing { is_abroad, ..call }, &context).await?;
    Ok(answer.status.as_u16())
}

const SETTINGS: &str = r#"{"region": "eu-west-1", "service": "execute-api"}"#;

fn scope() -> Scope {
    Scope { region: "eu-west-1".into(), service: "execute-api".into() }
}

fn keys(access: &str, secret: &str, token: Option<&str>) -> Credentials {
    Credentials { access_key: access.into(), secret_key: secret.into(), session_token: token.map(str::to_owned) }
}

#[tokio::test]
async fn what_arrives_carries_a_signature_that_fits() {
    let server = Server::start(|_| json("{}")).await;
    let signing = built(SETTINGS, &KEYS).expect("a layer");
    assert_eq!(call(&server, signing.as_ref(), false).await.expect("an answer"), 200);
    let (seen, host) = (server.seen().remove(0), server.address.to_string());
    assert!(is_signed(&seen, &host, &keys("A", "S", None), &scope()), "{seen:?}");
    assert!(!is_signed(&seen, &host, &keys("A", "other", None), &scope()));
    assert!(!is_signed(&Seen { body: "{ }".into(), ..seen }, &host, &keys("A", "S", None), &scope()));
}

#[tokio::test]
async fn a_call_abroad_is_not_signed() {
    let server = Server::start(|_| json("{}")).await;
    let signing = built(SETTINGS, &KEYS).expect("a layer");
    assert!(call(&server, signing.as_ref(), true).await.is_ok());
    assert_eq!(server.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_role_is_taken_on_first_and_kept() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/" => reply(200, &["Content-Type: text/xml"], role_reply("AssumeRole", "2999-01-01T00:00:00Z")),
        _ => json("{}"),
    })
    .await;
    let url = server.url();
    let variables = [&KEYS[..], &[("AWS_ENDPOINT_URL_STS", url.as_str())]].concat();
    let settings = r#"{"region": "eu-west-1", "service": "execute-api", "assume_role_arn": "arn:aws:iam::1:role/r"}"#;
    let signing = built(settings, &variables).expect("a layer");
    for _ in 0..2 {
        assert!(call(&server, signing.as_ref(), false).await.is_ok());
    }
    let (seen, host) = (server.seen(), server.address.to_string());
    assert_eq!(
        seen.iter().map(|seen| seen.target.as_str()).collect::<Vec<_>>(),
        ["/", "/path?b=2&a=1", "/path?b=2&a=1"]
    );
    assert!(seen[0].body.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"), "{:?}", seen[0]);
    let sts = Scope { region: "eu-west-1".into(), service: "sts".into() };
    assert!(is_signed(&seen[0], &host, &keys("A", "S", None), &sts));
    assert!(is_signed(&seen[2], &host, &keys("R", "RS", Some("RT")), &scope()), "{:?}", seen[2]);
}

#[tokio::test]
async fn a_web_identity_s_token_is_read_from_its_file() {
    let server = Server::start(|seen| match seen.target.as_str() {
        "/" => reply(200, &[], role_reply("AssumeRoleWithWebIdentity", "2999-01-01T00:00:00Z")),
        _ => json("{}"),
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "jwt\n").expect("written");
    let url = server.url();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().expect("text")),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod"),
        ("AWS_ENDPOINT_URL_STS", &url),
    ];
    let signing = built(SETTINGS, &variables).expect("a layer");
    assert!(call(&server, signing.as_ref(), false).await.is_ok());
    let (seen, host) = (server.seen(), server.address.to_string());
    assert!(seen[0].body.ends_with("&WebIdentityToken=jwt"), "{:?}", seen[0]);
    assert!(is_signed(&seen[1], &host, &keys("R", "RS", Some("RT")), &scope()));
}

const DOCUMENT: &str = r#"{"AccessKeyId":"C","SecretAccessKey":"CS","Token":"CT","Expiration":"2999-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_container_and_an_instance_hand_out_their_keys() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("GET", "/creds") if seen.header("authorization") == Some("Z") => json(DOCUMENT),
        ("PUT", "/latest/api/token") => reply(200, &[], "session"),
        ("GET", path) if path.starts_with("/latest") && seen.header("x-aws-ec2-metadata-token") != Some("session") => {
            reply(401, &[], "")
        }
        ("GET", "/latest/meta-data/iam/security-credentials/") => reply(200, &[], "my-role\n"),
        ("GET", "/latest/meta-data/iam/security-credentials/my-role") => json(DOCUMENT),
        ("POST", _) => json("{}"),
        _ => reply(404, &[], ""),
    })
    .await;
    let (url, container) = (server.url(), format!("{}/creds", server.url()));
    let of_container =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Z")];
    for variables in [&of_container[..], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]] {
        let signing = built(SETTINGS, variables).expect("a layer");
        assert_eq!(call(&server, signing.as_ref(), false).await.expect("an answer"), 200, "{variables:?}");
        let seen = server.seen().pop().expect("a call");
        assert!(is_signed(&seen, &server.address.to_string(), &keys("C", "CS", Some("CT")), &scope()), "{seen:?}");
    }
}

#[tokio::test]
async fn without_keys_the_backend_is_not_called_and_the_event_says_why() {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>";
    let server = Server::start(move |_| reply(403, &[], denied)).await;
    let url = server.url();
    let variables = [&KEYS[..], &[("AWS_ENDPOINT_URL_STS", url.as_str())]].concat();
    let settings = r#"{"region": "eu-west-1", "service": "execute-api", "assume_role_arn": "arn:aws:iam::1:role/r"}"#;
    let signing = built(settings, &variables).expect("a layer");
    let error = call(&server, signing.as_ref(), false).await.expect_err("no keys");
    let expected = format!(
        "Post \"{url}/path?b=2&a=1\": aws credentials: Post \"{url}/\" answered 403 Forbidden: AccessDenied: not you"
    );
    assert_eq!((error.to_string(), error.kind()), (expected, crate::FailureKind::Other));
    assert_eq!(server.seen().len(), 1);
}

#[track_caller]
fn refused(settings: &str, variables: &[(&str, &str)], path: &str, message: &str) {
    let problems = built(settings, variables).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
}

#[test]
fn what_could_never_sign_is_refused_at_load() {
    refused("{}", &KEYS, "b", "missing field `region`");
    refused(r#"{"region": "", "service": "s3"}"#, &KEYS, "b.region", "no region of AWS");
    refused(r#"{"region": "eu-west-1", "service": "a/b"}"#, &KEYS, "b.service", "no service of AWS");
    refused(SETTINGS, &[("AWS_EC2_METADATA_DISABLED", "true")], "b", "there are no AWS credentials");
    refused(SETTINGS, &KEYS[..1], "b", "AWS_SECRET_ACCESS_KEY is not");
    let role = r#"{"region": "eu-west-1", "service": "s3", "assume_role_arn": "admin"}"#;
    refused(role, &KEYS, "b.assume_role_arn", "is no ARN");
}
