//! Certificates made here.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server speaks.
#[derive(Default)]
pub struct Speaks<'a> {
    pub versions: &'a [&'static SupportedProtocolVersion],
    pub alpn: &'a [&'a str],
    /// Whose client certificates it asks for.
    pub clients_of: Option<&'a Authority>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    pub fn root(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A certificate for `names`, and its key.
    fn issue(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        (CertificateParams::new(names).expect("names").signed_by(&key, &self.0).expect("a certificate"), key)
    }

    /// A server's configuration, with a certificate for `names`.
    pub fn server(&self, names: &[&str]) -> TlsAcceptor {
        self.server_that(names, &Speaks::default())
    }

    pub fn server_that(&self, names: &[&str], speaks: &Speaks<'_>) -> TlsAcceptor {
        let (certificate, key) = self.issue(names);
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let versions = if speaks.versions.is_empty() { rustls::DEFAULT_VERSIONS } else { speaks.versions };
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let builder = match speaks.clients_of {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.root().into()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let mut config = builder.with_single_cert(chain, key).expect("a server");
        config.alpn_protocols = speaks.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// PEM files: `ca.pem`, `client.pem`, `client.key`.
pub struct Files(TempDir);

impl Files {
    pub fn of(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = authority.issue(&["siphon"]);
        let files =
            [("ca.pem", authority.0.pem()), ("client.pem", certificate.pem()), ("client.key", key.serialize_pem())];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As a text of JSON.
    pub fn json(&self, name: &str) -> String {
        serde_json::to_string(&self.path(name)).expect("text")
    }
}
