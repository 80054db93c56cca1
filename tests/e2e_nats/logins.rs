//! Every way to log in, on servers that let nobody else in.

use async_nats::ConnectOptions;
use serde_json::{Value, json};
use siphon_testkit::HttpBackend;

use crate::jwt::Operator;
use crate::lab::{bare, driver, lab};
use crate::server::Server;
use crate::stream::{Client, unique};

/// Expects that an event comes through with these settings of the driver.
#[track_caller]
fn check(server: &Server, settings: Value, login: ConnectOptions) {
    let (topic, backend) = (unique("login"), HttpBackend::start());
    let client = Client::with(&server.url(), login);
    let agent = siphon_tests::with(bare(&topic, &backend.url()), driver(json!({"servers": server.url()})));
    let mut siphon = lab(agent, driver(settings)).start();
    siphon.wait_for_agent("orders", |agent| agent["state"] == "running");
    client.tell(&topic, "event-1");
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

/// Expects that the server refuses these settings, in one line with these parts and without `secret`.
#[track_caller]
fn check_refused(server: &Server, settings: Value, parts: &[&str], secret: &str) {
    let agent = siphon_tests::with(bare("t", "http://127.0.0.1:1"), driver(json!({"servers": server.url()})));
    let siphon = lab(agent, driver(settings)).start();
    let line = siphon.wait_for_log(&[&["[ASYNC: orders][NATS]", "trying again", "refuses"], parts].concat());
    assert!(!siphon.log().iter().any(|line| line.contains(secret)), "{line}");
}

#[test]
fn user_and_password() {
    let server = Server::with("authorization { user: svc, password: \"s@cret\" }");
    let login = || ConnectOptions::new().user_and_password("svc".into(), "s@cret".into());
    check(&server, json!({"username": "svc", "password": "s@cret"}), login());
    check(&server, json!({"servers": format!("nats://svc:s%40cret@{}", server.address())}), login());
    let wrong = json!({"username": "svc", "password": "hunter2"});
    check_refused(&server, wrong, &["user \\\"svc\\\"", "correct the login"], "hunter2");
    check_refused(&server, json!({}), &["a client without a login"], "s@cret");
}

#[test]
fn token() {
    let server = Server::with("authorization { token: t0ken }");
    check(&server, json!({"token": "t0ken"}), ConnectOptions::with_token("t0ken".into()));
    let servers = json!({"servers": format!("nats://t0ken@{}", server.address())});
    check(&server, servers, ConnectOptions::with_token("t0ken".into()));
    check_refused(&server, json!({"token": "hunter2"}), &["the token"], "hunter2");
}

#[test]
fn nkey() {
    let (own, other) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let server = Server::with(&format!("authorization {{ users: [{{ nkey: {} }}] }}", own.public_key()));
    let seed = own.seed().expect("a seed");
    check(&server, json!({"nkey_seed": seed}), ConnectOptions::with_nkey(seed.clone()));
    let seed = other.seed().expect("a seed");
    check_refused(&server, json!({"nkey_seed": seed}), &["NKey", &other.public_key()], &seed);
}

#[test]
fn credentials_file() {
    let operator = Operator::new();
    let server = Server::of(&operator.settings());
    let (file, stranger) = (operator.credentials(), Operator::new().credentials());
    let login = ConnectOptions::with_credentials(&file).expect("credentials");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    check(&server, json!({"credentials_file": write("own.creds", &file)}), login);
    let settings = json!({"credentials_file": write("stranger.creds", &stranger)});
    check_refused(&server, settings, &["the credentials of", "stranger.creds"], "SUA");
}
