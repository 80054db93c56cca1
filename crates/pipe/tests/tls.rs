//! TLS with certificates made here.

mod support;

use rustls::version::{TLS12, TLS13};
use siphon_config::model::Backend;
use siphon_pipe::http::ClientSettings;
use siphon_pipe::{FailureKind, Pipe};
use support::certificates::{Authority, Files, Speaks};
use support::model::{agent, backend, http};
use support::server::{json, reply};
use support::{Server, data, error, loaded, run};
use tokio_rustls::TlsAcceptor;

async fn server(acceptor: TlsAcceptor) -> Server {
    let script = |seen: &support::Seen| match seen.target.as_str() {
        "/moved" => reply(302, &["Location: https://localhost:1/"], ""),
        _ => json("{\"secret\":1}"),
    };
    Server::start_with(script, move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
    .await
}

fn pipe(server: &Server, host: &str, path: &str, root: Vec<u8>) -> Pipe {
    let one = Backend { method: "GET".into(), ..backend(&format!("https://{host}:{}", server.address.port()), path) };
    let settings = ClientSettings { extra_roots: vec![root], ..ClientSettings::from(&http()) };
    Pipe::build_with(&agent(vec![one]), settings).expect("a pipe")
}

#[tokio::test]
async fn a_backend_with_a_trusted_certificate_is_called_over_one_connection() {
    let authority = Authority::new("ours");
    let server = server(authority.server(&["localhost", "127.0.0.1"])).await;
    for (connections, host) in [(1, "localhost"), (2, "127.0.0.1")] {
        let pipe = pipe(&server, host, "/t", authority.root());
        for _ in 0..3 {
            let reply = run(&pipe, "{}").await;
            assert_eq!(data(&reply).as_deref(), Some("{\"secret\":1}"), "{}", error(&reply));
        }
        assert_eq!(server.connections(), connections);
    }
    assert_eq!(server.seen()[0].header("host"), Some(format!("localhost:{}", server.address.port()).as_str()));
}

#[tokio::test]
async fn a_certificate_of_a_stranger_or_for_another_name_is_refused_before_anything_is_sent() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("stranger"));
    for (acceptor, reason) in
        [(stranger.server(&["localhost"]), "UnknownIssuer"), (authority.server(&["other.example"]), "not valid for")]
    {
        let server = server(acceptor).await;
        let reply = run(&pipe(&server, "localhost", "/t", authority.root()), "{}").await;
        let text = error(&reply);
        assert!(
            text.starts_with("Get \"https://localhost:") && text.contains("tls: ") && text.contains(reason),
            "{text}"
        );
        assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_a_failure_to_connect() {
    let server = Server::start(|_| json("{}")).await;
    let reply = run(&pipe(&server, "127.0.0.1", "/t", Authority::new("ours").root()), "{}").await;
    assert!(error(&reply).contains("tls: "), "{}", error(&reply));
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
}

/// A pipe whose backend has `client_tls`, `{CA}`, `{CERTIFICATE}` and `{KEY}` filled in.
fn with_client_tls(
    server: &Server,
    files: &Files,
    client_tls: &str,
) -> Result<Pipe, Vec<siphon_config::problem::Problem>> {
    let client_tls = ["ca.pem", "client.pem", "client.key"]
        .iter()
        .zip(["{CA}", "{CERTIFICATE}", "{KEY}"])
        .fold(client_tls.to_owned(), |text, (file, word)| text.replace(word, &files.json(file)));
    let host = format!("https://localhost:{}", server.address.port());
    let extra = format!(r#"{{"backend/http/client": {{"client_tls": {client_tls}}}}}"#);
    let backend = format!(r#"{{"host": ["{host}"], "url_pattern": "/t", "method": "GET", "extra_config": {extra}}}"#);
    loaded::pipe_of("", &backend, |_| ())
}

#[tokio::test]
async fn a_backend_has_a_ca_of_its_own_and_sees_the_client_s_certificate() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let speaks = Speaks { clients_of: Some(&clients), ..Speaks::default() };
    let server = server(ours.server_that(&["localhost"], &speaks)).await;
    let (trusted, own) = (Files::of(&ours), Files::of(&clients));
    let certs =
        format!(r#"[{{"certificate": {}, "private_key": {}}}]"#, own.json("client.pem"), own.json("client.key"));
    let with = format!(r#"{{"ca_certs": [{{CA}}], "disable_system_ca_pool": true, "client_certs": {certs}}}"#);
    let reply = run(&with_client_tls(&server, &trusted, &with).expect("a pipe"), "{}").await;
    assert_eq!(data(&reply).as_deref(), Some("{\"secret\":1}"), "{}", error(&reply));
    // Without a certificate, and with one of a stranger.
    let stranger = r#"{"ca_certs": [{CA}], "client_certs": [{"certificate": {CERTIFICATE}, "private_key": {KEY}}]}"#;
    for wrong in [r#"{"ca_certs": [{CA}]}"#, stranger] {
        let reply = run(&with_client_tls(&server, &trusted, wrong).expect("a pipe"), "{}").await;
        assert!(reply.response.is_none() && reply.error.is_some(), "{wrong}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn client_tls_asks_for_tls_1_3_unless_it_says_otherwise() {
    let ours = Authority::new("ours");
    let files = Files::of(&ours);
    let old = server(ours.server_that(&["localhost"], &Speaks { versions: &[&TLS12], ..Speaks::default() })).await;
    let new = server(ours.server_that(&["localhost"], &Speaks { versions: &[&TLS13], ..Speaks::default() })).await;
    let cases = [
        (&old, r#"{"ca_certs": [{CA}]}"#, false),
        (&new, r#"{"ca_certs": [{CA}]}"#, true),
        (&old, r#"{"ca_certs": [{CA}], "min_version": "TLS10"}"#, true),
        (&new, r#"{"ca_certs": [{CA}], "min_version": "TLS12"}"#, true),
        (&new, r#"{"ca_certs": [{CA}], "min_version": "TLS12", "max_version": "TLS12"}"#, false),
        (
            &old,
            r#"{"ca_certs": [{CA}], "min_version": "TLS12", "cipher_suites": [52393], "curve_preferences": [24]}"#,
            true,
        ),
    ];
    for (server, client_tls, works) in cases {
        let reply = run(&with_client_tls(server, &files, client_tls).expect("a pipe"), "{}").await;
        assert_eq!(reply.is_complete(), works, "{client_tls}: {}", error(&reply));
    }
}

#[tokio::test]
async fn any_certificate_is_taken_only_where_the_configuration_says_so() {
    let stranger = Authority::new("stranger");
    let server = server(stranger.server(&["other.example"])).await;
    let files = Files::of(&stranger);
    for (client_tls, works) in [(r#"{"allow_insecure_connections": true}"#, true), ("{}", false)] {
        let reply = run(&with_client_tls(&server, &files, client_tls).expect("a pipe"), "{}").await;
        assert_eq!(reply.is_complete(), works, "{client_tls}: {}", error(&reply));
    }
    let host = format!("https://localhost:{}", server.address.port());
    let backend = format!(r#"{{"host": ["{host}"], "url_pattern": "/t", "method": "GET"}}"#);
    for root in [r#""allow_insecure_connections": true,"#, r#""client_tls": {"allow_insecure_connections": true},"#] {
        let reply = run(&loaded::pipe_of(root, &backend, |_| ()).expect("a pipe"), "{}").await;
        assert!(reply.is_complete(), "{root}: {}", error(&reply));
        let (_, problems) = loaded::checked(&loaded::file(root, &backend));
        assert!(problems.iter().any(|problem| problem.message.contains("lets anybody pose")), "{problems:?}");
    }
}

#[tokio::test]
async fn the_service_s_client_tls_is_for_all_backends() {
    let ours = Authority::new("ours");
    let server = server(ours.server(&["localhost"])).await;
    let files = Files::of(&ours);
    let root = format!(r#""client_tls": {{"ca_certs": [{}], "disable_system_ca_pool": true}},"#, files.json("ca.pem"));
    let host = format!("https://localhost:{}", server.address.port());
    let backend = format!(r#"{{"host": ["{host}"], "url_pattern": "/t", "method": "GET"}}"#);
    let reply = run(&loaded::pipe_of(&root, &backend, |_| ()).expect("a pipe"), "{}").await;
    assert!(reply.is_complete(), "{}", error(&reply));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_their_place() {
    let authority = Authority::new("ours");
    let (server, files) = (server(authority.server(&["localhost"])).await, Files::of(&authority));
    let other = Files::of(&Authority::new("other"));
    let mixed = format!(
        r#"{{"client_certs": [{{"certificate": {{CERTIFICATE}}, "private_key": {}}}]}}"#,
        other.json("client.key")
    );
    let cases = [
        (r#"{"ca_certs": ["/nowhere/ca.pem"]}"#, "ca_certs[0]", "cannot read /nowhere/ca.pem"),
        (r#"{"ca_certs": [{KEY}]}"#, "ca_certs[0]", "holds no certificate"),
        (r#"{"min_version": "TLS14"}"#, "min_version", "is no version of TLS"),
        (r#"{"max_version": "TLS11"}"#, "max_version", "TLS11 is broken"),
        (r#"{"max_version": "TLS12"}"#, "max_version", "lies below min_version"),
        (r#"{"curve_preferences": [29, 25]}"#, "curve_preferences[1]", "25 (P-521) is not in this build"),
        (r#"{"cipher_suites": [47]}"#, "cipher_suites[0]", "47 is not in this build"),
        (r#"{"disable_system_ca_pool": true}"#, "ca_certs", "nobody to trust"),
        (mixed.as_str(), "client_certs[0]", "certificate and key do not fit"),
        (
            r#"{"client_certs": [{"certificate": {CERTIFICATE}, "private_key": {CA}}]}"#,
            "private_key",
            "cannot read the key",
        ),
    ];
    for (client_tls, path, message) in cases {
        let problems = with_client_tls(&server, &files, client_tls).err().unwrap_or_else(|| panic!("{client_tls}"));
        let [problem] = problems.as_slice() else { panic!("{client_tls}: {problems:?}") };
        assert!(problem.path.ends_with(path) && problem.message.contains(message), "{client_tls}: {problem:?}");
    }
}

#[tokio::test]
async fn a_token_comes_over_tls_from_a_server_whose_certificate_is_checked() {
    let authority = Authority::new("ours");
    let acceptor = authority.server(&["localhost"]);
    let script = |seen: &support::Seen| match seen.target.as_str() {
        "/token" => json("{\"access_token\":\"T\"}"),
        _ if seen.header("authorization") == Some("Bearer T") => json("{\"ok\":1}"),
        _ => reply(401, &[], ""),
    };
    let server = Server::start_with(script, move |stream| {
        let acceptor = acceptor.clone();
        async move { acceptor.accept(stream).await.ok() }
    })
    .await;
    let host = format!("https://localhost:{}", server.address.port());
    let token = format!(r#"{{"client_id": "a", "client_secret": "b", "token_url": "{host}/token"}}"#);
    for (root, expected) in [(authority.root(), ""), (Authority::new("theirs").root(), "UnknownIssuer")] {
        let one = support::component::with(backend(&host, "/api"), "auth/client-credentials", &token);
        let settings = ClientSettings { extra_roots: vec![root], ..ClientSettings::from(&http()) };
        let reply = run(&Pipe::build_with(&agent(vec![one]), settings).expect("a pipe"), "{}").await;
        assert_eq!(error(&reply).is_empty(), expected.is_empty(), "{}", error(&reply));
        assert!(error(&reply).contains(expected), "{}", error(&reply));
    }
    assert_eq!(server.seen().len(), 2);
}
