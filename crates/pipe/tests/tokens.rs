//! OAuth2 client credentials against a token server and a backend that are there.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use siphon_config::model::Backend;
use siphon_pipe::{FailureKind, Pipe, Request};
use support::component::with;
use support::model::backend;
use support::server::{json, reply};
use support::{Action, PATIENCE, Seen, Server, data, error, pipe, run};
use tokio::time::Instant;

/// Gives `T1`, `T2`, … at `/token`, each good for `lifetime` seconds; takes `accepts` at `/api`.
async fn server(lifetime: u32, accepts: &'static str) -> Server {
    let given = AtomicUsize::new(0);
    Server::start(move |seen| match seen.target.as_str() {
        "/token" => {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            json(&format!("{{\"access_token\":\"T{number}\",\"expires_in\":{lifetime}}}"))
        }
        _ if accepts == "any" || seen.header("authorization") == Some(accepts) => json("{\"ok\":1}"),
        _ => reply(401, &[], "who?"),
    })
    .await
}

fn secured(server: &Server, more: &str) -> Backend {
    let url = server.url();
    let settings = format!(r#"{{"client_id": "id 1", "client_secret": "s&c", "token_url": "{url}/token"{more}}}"#);
    with(backend(&url, "/api"), "auth/client-credentials", &settings)
}

fn secured_pipe(server: &Server) -> Pipe {
    pipe(vec![secured(server, "")])
}

fn tokens_asked(server: &Server) -> usize {
    server.seen().iter().filter(|seen| seen.target == "/token").count()
}

/// `Authorization` of each call of the backend.
fn shown(server: &Server) -> Vec<String> {
    let calls = server.seen().into_iter().filter(|seen| seen.target == "/api");
    calls.map(|seen| seen.header("authorization").unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_shown_with_each_call() {
    let server = server(3_600, "any").await;
    let one = secured(&server, r#", "scopes": "a,b", "endpoint_params": {"audience": ["x", "y"]}"#);
    let pipe = pipe(vec![one]);
    for _ in 0..3 {
        assert_eq!(data(&run(&pipe, "{}").await).as_deref(), Some("{\"ok\":1}"));
    }
    let asked = &server.seen()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/token"));
    assert_eq!(asked.body, "audience=x&audience=y&grant_type=client_credentials&scope=a+b");
    assert_eq!(asked.header("authorization"), Some("Basic aWQrMTpzJTI2Yw=="));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((tokens_asked(&server), shown(&server)), (1, vec!["Bearer T1".to_owned(); 3]));
}

#[tokio::test]
async fn many_events_at_once_share_one_token_request() {
    let server = server(3_600, "any").await;
    let pipe = secured_pipe(&server);
    let replies = futures_util::future::join_all((0..8).map(|_| run(&pipe, "{}"))).await;
    assert!(replies.iter().all(|reply| reply.is_complete()));
    assert_eq!((tokens_asked(&server), shown(&server).len()), (1, 8));
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_not_used() {
    let server = server(10, "any").await;
    let pipe = secured_pipe(&server);
    for _ in 0..2 {
        assert!(run(&pipe, "{}").await.is_complete());
    }
    assert_eq!(shown(&server), ["Bearer T1", "Bearer T2"]);
}

#[tokio::test]
async fn a_401_to_a_new_token_is_a_failure_and_the_next_event_gets_another() {
    let server = server(3_600, "Bearer T2").await;
    let pipe = secured_pipe(&server);
    assert!(error(&run(&pipe, "{}").await).starts_with("invalid status code 401"));
    assert!(run(&pipe, "{}").await.is_complete());
    assert_eq!((tokens_asked(&server), shown(&server)), (2, vec!["Bearer T1".to_owned(), "Bearer T2".to_owned()]));
}

#[tokio::test]
async fn a_401_to_a_token_that_was_kept_renews_it_once_and_the_call_is_sent_again() {
    let calls = AtomicUsize::new(0);
    let given = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/token" => json(&format!("{{\"access_token\":\"T{}\"}}", given.fetch_add(1, Ordering::SeqCst) + 1)),
        // The second call finds its token revoked.
        _ if calls.fetch_add(1, Ordering::SeqCst) == 1 => reply(401, &[], "revoked"),
        _ => json("{}"),
    })
    .await;
    let pipe = secured_pipe(&server);
    for _ in 0..3 {
        assert!(run(&pipe, "{\"n\":1}").await.is_complete());
    }
    assert_eq!(shown(&server), ["Bearer T1", "Bearer T1", "Bearer T2", "Bearer T2"]);
    assert!(server.seen().iter().filter(|seen| seen.target == "/api").all(|seen| seen.body == "{\"n\":1}"));
}

#[tokio::test]
async fn a_server_that_wants_the_secret_in_the_form_gets_it_there() {
    let is_form = |seen: &Seen| seen.body.starts_with("client_id=id+1&client_secret=s%26c&grant_type=");
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/token" if is_form(seen) && seen.header("authorization").is_none() => {
            json("{\"access_token\":\"F\",\"expires_in\":5}")
        }
        "/token" => reply(401, &["Content-Type: application/json"], "{\"error\":\"invalid_client\"}"),
        _ => json("{}"),
    })
    .await;
    let pipe = secured_pipe(&server);
    assert!(run(&pipe, "{}").await.is_complete());
    assert_eq!(tokens_asked(&server), 2);
    assert!(run(&pipe, "{}").await.is_complete());
    assert_eq!(tokens_asked(&server), 3, "the style that worked is remembered");
}

#[tokio::test]
async fn a_refused_token_fails_the_event_and_the_backend_is_not_called() {
    let server = Server::start(|_| reply(401, &["Retry-After: 9"], "{\"error\":\"invalid_client\"}")).await;
    let reply = run(&secured_pipe(&server), "{}").await;
    let expected = format!("Post \"{}/api\": oauth2: \"invalid_client\"", server.url());
    assert_eq!(error(&reply), expected);
    let error = reply.error.expect("an error");
    assert_eq!((error.kind(), error.retry_after()), (FailureKind::Other, Some(Duration::from_secs(9))));
    assert_eq!((tokens_asked(&server), shown(&server).len()), (2, 0));
}

#[tokio::test]
async fn a_token_server_that_is_not_there_is_asked_once() {
    let server = Server::start(|_| Action::HangUp).await;
    let reply = run(&secured_pipe(&server), "{}").await;
    let url = server.url();
    assert_eq!(error(&reply), format!("Post \"{url}/api\": Post \"{url}/token\": EOF"));
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_event_does_not_wait_longer_than_its_deadline_and_the_next_takes_the_token() {
    // The token server answers once the test says so.
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let tokens = tokio::task::spawn_blocking(move || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut request = [0; 4096];
            let _length = stream.read(&mut request).expect("a request");
            wait.lock().expect("whole").recv().expect("the word");
            let body = "{\"access_token\":\"late\"}";
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
            listener.accept().is_ok() // a second request would be answered with silence
        });
        address
    });
    let tokens = tokens.await.expect("a server");
    let server = Server::start(|_| json("{}")).await;
    let settings = format!(r#"{{"client_id": "a", "client_secret": "b", "token_url": "http://{tokens}/token"}}"#);
    let pipe = pipe(vec![with(backend(&server.url(), "/api"), "auth/client-credentials", &settings)]);
    let soon = Instant::now() + Duration::from_millis(100);
    assert_eq!(error(&pipe.run(Request::new("{}"), soon).await), "context deadline exceeded");
    answer.send(()).expect("heard");
    let second = pipe.run(Request::new("{}"), Instant::now() + PATIENCE).await;
    assert!(second.is_complete(), "{}", error(&second));
    assert_eq!(shown(&server), ["Bearer late"]);
}

#[tokio::test]
async fn a_token_does_not_go_to_another_host() {
    let abroad = Server::start(|_| json("{}")).await;
    let port = abroad.address.port();
    let server = Server::start(move |seen| match seen.target.as_str() {
        "/token" => json("{\"access_token\":\"T\"}"),
        _ => reply(307, &[&format!("Location: http://localhost:{port}/elsewhere")], ""),
    })
    .await;
    let one = with(secured(&server, ""), "backend/http/client", r#"{"send_body_on_redirect": true}"#);
    assert!(run(&pipe(vec![one]), "{}").await.is_complete());
    let seen = abroad.seen().pop().expect("a call");
    assert_eq!((seen.target.as_str(), seen.header("authorization")), ("/elsewhere", None));
    assert_eq!(shown(&server), ["Bearer T"]);
}

#[tokio::test]
async fn switched_off_it_does_nothing() {
    let server = server(3_600, "any").await;
    let pipe = pipe(vec![secured(&server, r#", "is_disabled": true"#)]);
    assert!(run(&pipe, "{}").await.is_complete());
    assert_eq!((tokens_asked(&server), shown(&server)), (0, vec![String::new()]));
}
