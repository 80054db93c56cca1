//! TLS with certificates made here.

mod support;

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use siphon_config::model::Backend;
use siphon_pipe::http::ClientSettings;
use siphon_pipe::{FailureKind, Pipe};
use support::model::{agent, backend, http};
use support::server::{json, reply};
use support::{Server, data, error, run};
use tokio_rustls::TlsAcceptor;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    fn root(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A server's configuration, with a certificate for `names`.
    fn server(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(names).expect("names").signed_by(&key, &self.0).expect("a certificate");
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).expect("a server")))
    }
}

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
