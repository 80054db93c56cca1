//! TLS to the server: rustls with ring, the machine's roots and those that the configuration adds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::Finding;

use crate::config::Config;

/// `client_tls`, as of KrakenD's other clients.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Files with certificates (PEM) of CAs to trust, besides the machine's.
    pub ca_certs: Vec<PathBuf>,
    /// Trusts only `ca_certs`. Default: false.
    pub disable_system_ca_pool: bool,
    /// The certificate that siphon shows to a server which asks for one; the first that is given.
    pub client_certs: Vec<ClientCertificate>,
    /// `TLS12` or `TLS13`. Default: `TLS12`.
    pub min_version: Option<String>,
    /// `TLS12` or `TLS13`. Default: `TLS13`.
    pub max_version: Option<String>,
    /// Refused: name the server's CA in `ca_certs` instead.
    pub allow_insecure_connections: bool,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// File with the certificate and those between it and its CA (PEM).
    pub certificate: PathBuf,
    /// File with the key (PEM).
    pub private_key: PathBuf,
}

/// Something in the settings that cannot work: where, and why.
pub type Wrong = (String, String);

/// The settings' weak points; all files are read.
pub fn findings(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(settings) = &config.client_tls {
        if settings.client_certs.len() > 1 {
            found.push(Finding::warning("client_tls.client_certs", "only the first is shown to the server"));
        }
        if !is_wanted(config) {
            let message = "has no effect while no server is written tls://: a server that asks for TLS gets it";
            found.push(Finding::notice("client_tls", message));
        }
    }
    if is_wanted(config) || config.client_tls.is_some() {
        found.extend(client(config).err().map(|(path, message)| Finding::error(path, message)));
    }
    found
}

/// Whether siphon insists on TLS.
pub fn is_wanted(config: &Config) -> bool {
    config.tls_first || config.addresses().iter().any(|address| address.server.tls_required())
}

/// The client's TLS. A server may ask for it even where nothing is said.
///
/// # Errors
///
/// Which file cannot be used, or which setting.
pub fn client(config: &Config) -> Result<ClientConfig, Wrong> {
    let usual = TlsSettings::default();
    let settings = config.client_tls.as_ref().unwrap_or(&usual);
    if settings.allow_insecure_connections {
        let message = "would let anybody pose as the server: name its CA in client_tls.ca_certs";
        return Err(("client_tls.allow_insecure_connections".into(), message.into()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions(settings)?);
    let builder = builder.map_err(|error| ("client_tls".to_owned(), error.to_string()))?;
    let builder = builder.with_root_certificates(roots(settings)?);
    let Some(own) = settings.client_certs.first() else {
        return Ok(builder.with_no_client_auth());
    };
    let at = "client_tls.client_certs[0]";
    let chain = certificates(at, &own.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&own.private_key)
        .map_err(|error| (at.to_owned(), format!("cannot read the key {}: {error}", own.private_key.display())))?;
    let client = builder.with_client_auth_cert(chain, key);
    client.map_err(|error| (at.to_owned(), format!("certificate and key do not fit: {error}")))
}

fn roots(settings: &TlsSettings) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    for (n, file) in settings.ca_certs.iter().enumerate() {
        let path = format!("client_tls.ca_certs[{n}]");
        for certificate in certificates(&path, file)? {
            let added = roots.add(certificate);
            added.map_err(|error| (path.clone(), format!("{} holds a bad certificate: {error}", file.display())))?;
        }
    }
    if !settings.disable_system_ca_pool {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        let message = "nobody to trust: name the server's CA in client_tls.ca_certs, or install ca-certificates";
        return Err(("client_tls.ca_certs".into(), message.into()));
    }
    Ok(roots)
}

fn certificates(path: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let wrong = |error: &dyn std::fmt::Display| (path.to_owned(), format!("cannot read {}: {error}", file.display()));
    let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    if found.is_empty() { Err(wrong(&"there is no certificate in it (PEM)")) } else { Ok(found) }
}

fn versions(settings: &TlsSettings) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
    let of = |key: &str, text: &Option<String>, default: u8| match text.as_deref() {
        None => Ok(default),
        Some("TLS12") => Ok(2),
        Some("TLS13") => Ok(3),
        Some(other) => Err((format!("client_tls.{key}"), format!("is {other:?}: allowed are TLS12 and TLS13"))),
    };
    let (min, max) = (of("min_version", &settings.min_version, 2)?, of("max_version", &settings.max_version, 3)?);
    if min > max {
        return Err(("client_tls.min_version".into(), "is above max_version".into()));
    }
    let all = [(2, &version::TLS12), (3, &version::TLS13)];
    Ok(all.into_iter().filter(|(number, _)| (min..=max).contains(number)).map(|(_, version)| version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with TLS settings for this server, beginning with the path.
    #[track_caller]
    fn check(server: &str, settings: &str, expected: &[&str]) {
        let json = format!(r#"{{"servers": {server:?}, "client_tls": {settings}}}"#);
        let findings = findings(&serde_json::from_str(&json).unwrap());
        let found: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_their_path() {
        check("tls://mq", r#"{"ca_certs": ["/missing.pem"]}"#, &["client_tls.ca_certs[0] cannot read /missing.pem"]);
        let empty = tempfile::NamedTempFile::new().unwrap();
        check("tls://mq", &format!(r#"{{"ca_certs": [{:?}]}}"#, empty.path()), &["client_tls.ca_certs[0] cannot read"]);
        let own = r#"{"client_certs": [{"certificate": "/missing.pem", "private_key": "/k.pem"}]}"#;
        check("tls://mq", own, &["client_tls.client_certs[0] cannot read /missing.pem"]);
    }

    #[test]
    fn settings_that_would_open_the_door_are_refused() {
        let insecure = r#"{"allow_insecure_connections": true}"#;
        check("tls://mq", insecure, &["client_tls.allow_insecure_connections would let"]);
        check("tls://mq", r#"{"disable_system_ca_pool": true}"#, &["client_tls.ca_certs nobody to trust"]);
        check("tls://mq", r#"{"max_version": "TLS11"}"#, &["client_tls.max_version is \"TLS11\""]);
        let circle = r#"{"min_version": "TLS13", "max_version": "TLS12"}"#;
        check("tls://mq", circle, &["client_tls.min_version is above"]);
    }

    #[test]
    fn settings_for_a_server_without_tls_are_noticed() {
        check("nats://mq", r#"{"disable_system_ca_pool": false}"#, &["client_tls has no effect while no server"]);
    }
}
