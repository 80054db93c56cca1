use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::components::testing;
use crate::error::{FailureKind, PipeError};
use crate::http::{Client, ClientSettings, Outgoing};
use crate::server::{Action, Seen, Server, reply};
use crate::stage::Context;

const PEM: &str = include_str!("../../../tests/keys/service-account.pem");

fn built(settings: &str, variables: &[(&str, &str)]) -> Checked<Box<dyn Exchange>> {
    let component = testing::component(ENTRY.namespaces[0], settings);
    let below = Client::new(ClientSettings::from(&crate::fixture::http()));
    let environment =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    testing::with_site(|site| build_in(&component, site, Box::new(below), &environment))
}

fn account(token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "client_email": "caller@project.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": PEM,
        "token_uri": token_uri
    })
}

fn settings(server: &Server) -> Value {
    let credentials = account(&format!("{}/token", server.url()));
    json!({"audience": "https://orders.example", "credentials_json": credentials, "custom_claims": {"team": "a"}})
}

/// An ID token for the test: its signature is for the backend to judge.
fn token(number: usize, lifetime: Duration) -> String {
    let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time") + lifetime;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(json!({"exp": end.as_secs(), "n": number})))
}

const HOUR: Duration = Duration::from_secs(3_600);

fn granted(number: usize, lifetime: Duration) -> Action {
    let body = json!({"id_token": token(number, lifetime)}).to_string();
    reply(200, &["Content-Type: application/json"], body)
}

/// Status of a call of `/api`.
async fn call(server: &Server, layer: &dyn Exchange) -> Result<u16, PipeError> {
    let url = format!("{}/api", server.url()).parse().expect("a URL");
    let call = Outgoing::new(Method::POST, url, Arc::new(HeaderMap::new()), "{}".into());
    let context = Context { deadline: Instant::now() + Duration::from_secs(60) };
    Ok(layer.exchange(call, &context).await?.status.as_u16())
}

/// Number of the token in each call of `/api`, under a header.
fn shown(server: &Server, header: &str) -> Vec<i64> {
    let calls = server.seen().into_iter().filter(|seen| seen.target == "/api");
    calls.filter_map(|seen| claims(seen.header(header)?.strip_prefix("Bearer ")?)["n"].as_i64()).collect()
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

fn claims(token: &str) -> Value {
    decoded(token.split('.').nth(1).expect("three parts"))
}

/// Header and claims of the assertion in a token request, once its signature was found to fit the account's key.
fn verified(seen: &Seen) -> (Value, Value) {
    let fields: Vec<_> = form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
    assert_eq!(fields[0], ("grant_type".into(), "urn:ietf:params:oauth:grant-type:jwt-bearer".into()));
    let assertion = &fields[1].1;
    let (text, signature) = assertion.rsplit_once('.').expect("three parts");
    let key = PrivatePkcs8KeyDer::from_pem_slice(PEM.as_bytes()).expect("a key");
    let pair = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).expect("a key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    public.verify(text.as_bytes(), &signature).expect("the account's signature");
    (decoded(text.split('.').next().expect("a header")), claims(assertion))
}

#[tokio::test]
async fn an_account_signs_for_a_token_which_is_kept_and_shown_with_each_call() {
    let server =
        Server::start(|seen| if seen.target == "/token" { granted(1, HOUR) } else { reply(200, &[], "") }).await;
    let layer = built(&settings(&server).to_string(), &[]).expect("a layer");
    for _ in 0..3 {
        assert_eq!(call(&server, layer.as_ref()).await.expect("an answer"), 200);
    }
    assert_eq!((server.seen().len(), shown(&server, "authorization")), (4, vec![1, 1, 1]));
    let (header, claims) = verified(&server.seen()[0]);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let named = ["iss", "sub", "aud", "target_audience", "team"].map(|name| claims[name].as_str().unwrap_or_default());
    let email = "caller@project.iam.gserviceaccount.com";
    assert_eq!(named, [email, email, &format!("{}/token", server.url()), "https://orders.example", "a"]);
    assert_eq!(claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(end, begin)| end - begin), Some(3_600));
}

#[tokio::test]
async fn many_calls_at_once_share_one_token_request() {
    let server =
        Server::start(|seen| if seen.target == "/token" { granted(1, HOUR) } else { reply(200, &[], "") }).await;
    let layer = built(&settings(&server).to_string(), &[]).expect("a layer");
    let all = futures_util::future::join_all((0..8).map(|_| call(&server, layer.as_ref()))).await;
    assert!(all.iter().all(|status| matches!(status, Ok(200))), "{all:?}");
    assert_eq!(server.seen().iter().filter(|seen| seen.target == "/token").count(), 1);
}

#[tokio::test]
async fn a_token_about_to_end_is_not_used_and_a_401_to_a_kept_one_renews_it_once() {
    let (given, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let server = Server::start(move |seen| match seen.target.as_str() {
        // The first is over soon; the others are not.
        "/token" => match given.fetch_add(1, Ordering::SeqCst) + 1 {
            1 => granted(1, Duration::from_secs(5)),
            number => granted(number, HOUR),
        },
        // The third call finds its token revoked.
        _ if calls.fetch_add(1, Ordering::SeqCst) == 2 => reply(401, &[], "revoked"),
        _ => reply(200, &[], ""),
    })
    .await;
    let layer = built(&settings(&server).to_string(), &[]).expect("a layer");
    for _ in 0..3 {
        assert_eq!(call(&server, layer.as_ref()).await.expect("an answer"), 200);
    }
    assert_eq!(shown(&server, "authorization"), [1, 2, 2, 3]);
}

#[tokio::test]
async fn the_metadata_service_gives_a_token_for_the_audience() {
    let server = Server::start(|seen| match seen.header("metadata-flavor") {
        Some("Google") => reply(200, &[], format!("{}\n", token(7, HOUR))),
        _ => reply(200, &[], ""),
    })
    .await;
    let host = server.address.to_string();
    let settings = r#"{"audience": "https://a.example/b", "s2s_auth_header": "X-Serverless-Authorization"}"#;
    let layer = built(settings, &[("GCE_METADATA_HOST", &host)]).expect("a layer");
    assert_eq!(call(&server, layer.as_ref()).await.expect("an answer"), 200);
    let asked = "/computeMetadata/v1/instance/service-accounts/default/identity\
                 ?audience=https%3A%2F%2Fa.example%2Fb&format=full";
    assert_eq!((server.seen()[0].target.as_str(), shown(&server, "x-serverless-authorization")), (asked, vec![7]));
}

#[tokio::test]
async fn credentials_come_from_the_configuration_first_and_then_from_the_environment() {
    let server =
        Server::start(|seen| if seen.target == "/token" { granted(1, HOUR) } else { reply(200, &[], "") }).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.json").display().to_string();
    std::fs::write(&file, account(&format!("{}/token", server.url())).to_string()).expect("written");
    let named = json!({"audience": "x", "credentials_file": file}).to_string();
    let nowhere = [("GOOGLE_APPLICATION_CREDENTIALS", "/no/such")];
    let here = [("GOOGLE_APPLICATION_CREDENTIALS", file.as_str()), ("GCE_METADATA_HOST", "127.0.0.1:9")];
    for (settings, variables) in [(named.as_str(), &nowhere[..]), (r#"{"audience": "x"}"#, &here[..])] {
        let layer = built(settings, variables).expect("a layer");
        assert_eq!(call(&server, layer.as_ref()).await.expect("an answer"), 200);
    }
    assert_eq!(shown(&server, "authorization"), [1, 1]);
}

#[tokio::test]
async fn without_a_token_the_backend_is_not_called_and_the_error_says_why() {
    let refusal = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    let server = Server::start(move |_| reply(400, &["Content-Type: application/json"], refusal)).await;
    let layer = built(&settings(&server).to_string(), &[]).expect("a layer");
    let error = call(&server, layer.as_ref()).await.expect_err("no token");
    let expected = format!("Post \"{}/api\": oauth2: \"invalid_grant\" \"Invalid JWT Signature.\"", server.url());
    assert_eq!(error.to_string(), expected);
    assert!(server.seen().iter().all(|seen| seen.target == "/token"));
    let layer = built(r#"{"audience": "x"}"#, &[("GCE_METADATA_HOST", "127.0.0.1:9")]).expect("a layer");
    assert_eq!(call(&server, layer.as_ref()).await.expect_err("no token").kind(), FailureKind::Connect);
}

#[track_caller]
fn refused(settings: &str, variables: &[(&str, &str)], path: &str, message: &str) {
    let problems = built(settings, variables).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    assert!(!said[0].1.contains("hunter2"), "{said:?}");
}

#[test]
fn what_would_fail_every_event_is_refused_at_load() {
    refused("{}", &[], "b", "missing field `audience`");
    refused(r#"{"audience": ""}"#, &[], "b.audience", "is empty");
    refused(r#"{"audience": "x", "s2s_auth_header": "a b"}"#, &[], "b.s2s_auth_header", "no name of a header");
    refused(r#"{"audience": "x", "credentials_file": "/no/such"}"#, &[], "b.credentials_file", "cannot be read");
    let both = r#"{"audience": "x", "credentials_file": "f", "credentials_json": {}}"#;
    refused(both, &[], "b.credentials_file", "keep one");
    refused(r#"{"audience": "x", "custom_claims": {"a": 1}}"#, &[], "b.custom_claims", "name a service account's key");
    refused(r#"{"audience": "x"}"#, &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/such")], "b", "/no/such cannot be read");
    refused(r#"{"audience": "x"}"#, &[("GCE_METADATA_HOST", "a b")], "b", "GCE_METADATA_HOST is no host");
}

#[test]
fn an_account_that_cannot_sign_is_refused_without_showing_it() {
    let cases = [
        ("{}", "has no type"),
        (
            r#"{"type": "authorized_user"}"#,
            "is of type \"authorized_user\"; the key of a \"service_account\" is needed",
        ),
        (r#"{"type": "service_account"}"#, "lacks client_email or private_key"),
        (r#"{"type": "service_account", "client_email": 5}"#, "has a value that is no text"),
        (r#"{"type": "service_account", "client_email": "a", "private_key": "hunter2"}"#, "is no PEM"),
        (
            r#"{"type": "service_account", "client_email": "a", "private_key": "hunter2", "token_uri": "ftp://h"}"#,
            "token_uri that cannot be called",
        ),
    ];
    for (document, message) in cases {
        let settings = format!(r#"{{"audience": "x", "credentials_json": {document}}}"#);
        refused(&settings, &[], "b.credentials_json", message);
    }
}
