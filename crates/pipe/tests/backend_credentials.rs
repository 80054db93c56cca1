//! User and password, and keys, for backends that are there.

mod support;

use siphon_config::model::Backend;
use support::component::with;
use support::loaded;
use support::model::backend;
use support::server::{json, reply};
use support::{Action, Server, error, pipe, run};

/// What the backend saw of one event: target and the header's value.
async fn seen(namespace: &str, settings: &str, header: &str) -> (String, String) {
    let server = Server::start(|_| json("{}")).await;
    let one = with(backend(&server.url(), "/a?x=1"), namespace, settings);
    assert!(run(&pipe(vec![one]), "{}").await.is_complete());
    let seen = server.seen().remove(0);
    (seen.target.clone(), seen.header(header).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn user_and_password_go_in_the_authorization() {
    let settings = r#"{"user": "siphon", "password": "p:ä"}"#;
    let (target, login) = seen("auth/basic", settings, "authorization").await;
    assert_eq!((target.as_str(), login.as_str()), ("/a?x=1", "Basic c2lwaG9uOnA6w6Q="));
}

#[tokio::test]
async fn a_key_goes_where_it_belongs() {
    let cases = [
        (r#"{"key": "k1"}"#, "x-api-key", "/a?x=1", "k1"),
        (r#"{"key": "k1", "name": "X-Token"}"#, "x-token", "/a?x=1", "k1"),
        (r#"{"key": "k1", "prefix": "Token"}"#, "authorization", "/a?x=1", "Token k1"),
        (r#"{"key": "k 1", "in": "query"}"#, "x-api-key", "/a?x=1&api_key=k%201", ""),
        (r#"{"key": "k1", "in": "query", "name": "x"}"#, "x-api-key", "/a?x=k1", ""),
    ];
    for (settings, header, target, value) in cases {
        assert_eq!(seen("auth/api-key", settings, header).await, (target.to_owned(), value.to_owned()), "{settings}");
    }
}

const SECRETS: [(&str, &str); 3] = [
    ("auth/basic", r#"{"user": "u", "password": "hunter2"}"#),
    ("auth/api-key", r#"{"key": "hunter2"}"#),
    ("auth/api-key", r#"{"key": "hunter2", "in": "query", "name": "k"}"#),
];

fn secured(server: &Server, (namespace, settings): (&str, &str)) -> Backend {
    with(backend(&server.url(), "/a"), namespace, settings)
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let packed = || reply(200, &["Content-Encoding: gzip"], "no gzip");
    let answers = [reply(500, &[], "no"), Action::HangUp, packed(), reply(302, &["Location: ftp://h/"], "")];
    for secret in SECRETS {
        for answer in answers.clone() {
            let server = Server::start(move |_| answer.clone()).await;
            let error = error(&run(&pipe(vec![secured(&server, secret)]), "").await);
            assert!(error.contains("/a") && !error.contains("hunter2"), "{secret:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_secret_does_not_go_to_another_host() {
    for secret in SECRETS {
        let abroad = Server::start(|_| json("{}")).await;
        let location = format!("Location: http://localhost:{}/elsewhere", abroad.address.port());
        let server = Server::start(move |_| reply(307, &[&location], "")).await;
        let one = with(secured(&server, secret), "backend/http/client", r#"{"send_body_on_redirect": true}"#);
        assert!(run(&pipe(vec![one]), "{}").await.is_complete());
        let seen = abroad.seen().remove(0);
        let values = seen.headers.iter().map(|(_, value)| value).chain([&seen.target]);
        assert!(values.into_iter().all(|value| !value.contains("hunter2") && !value.contains("Basic")), "{seen:?}");
    }
}

#[test]
fn keys_that_are_unknown_are_refused_and_values_are_not_shown() {
    let said = |namespace: &str, settings: &str| {
        let extra = format!(r#"{{"{namespace}": {settings}}}"#);
        let backend =
            format!(r#"{{"host": ["http://h:80"], "url_pattern": "/", "method": "POST", "extra_config": {extra}}}"#);
        let (_, problems) = loaded::checked(&loaded::file("", &backend));
        let place = format!(".extra_config.{namespace}");
        let at = |path: &str| path.rsplit_once(&place).map_or("", |(_, rest)| rest).to_owned();
        problems.iter().map(|problem| format!("{}: {}", at(&problem.path), problem.message)).collect::<Vec<_>>()
    };
    assert_eq!(
        said("auth/basic", r#"{"user": "a", "password": "b", "pasword": "c"}"#),
        [".pasword: unknown key, remove it; did you mean \"password\"?"]
    );
    let number = said("auth/api-key", r#"{"key": 31337}"#);
    assert!(number.len() == 1 && number[0].starts_with(".key: ") && !number[0].contains("31337"), "{number:?}");
}
