//! TLS to the broker: rustls with ring, the machine's roots and those that the configuration adds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use siphon_sdk::{Error, Finding};

use crate::uri::Address;

/// `client_tls`, as in KrakenD's HTTP client and Kafka settings.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsSettings {
    /// Files with certificates (PEM) of CAs to trust, besides the machine's.
    pub ca_certs: Vec<PathBuf>,
    /// Trusts only `ca_certs`. Default: `false`.
    pub disable_system_ca_pool: bool,
    /// The certificate that siphon shows to a broker which asks for one; the first that is given.
    pub client_certs: Vec<ClientCertificate>,
    /// `TLS12` or `TLS13`. Default: `TLS12`. Older ones are raised to it.
    pub min_version: Option<String>,
    /// `TLS12` or `TLS13`. Default: `TLS13`.
    pub max_version: Option<String>,
    /// Refused: name the broker's CA in `ca_certs` instead.
    pub allow_insecure_connections: bool,
    /// Without effect: rustls has a short list of its own.
    pub cipher_suites: Value,
    /// Without effect: rustls has a short list of its own.
    pub curve_preferences: Value,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// File with the certificate and those between it and its CA (PEM).
    pub certificate: PathBuf,
    /// File with the key (PEM).
    pub private_key: PathBuf,
}

/// Something in the settings that cannot work: where, and why.
type Wrong = (String, String);

/// The settings' weak points for one address, `path`; all files are read.
pub fn findings(path: &str, address: &Address, settings: Option<&TlsSettings>) -> Vec<Finding> {
    let none = TlsSettings::default();
    let mut found = settings.map(oddities).unwrap_or_default();
    let has_files = address.files != crate::uri::TlsFiles::default();
    if address.is_tls {
        let refused = client_config(path, address, settings.unwrap_or(&none)).err();
        found.extend(refused.map(|(path, message)| Finding::error(path, message)));
    } else if settings.is_some() {
        found.push(Finding::error("client_tls", format!("has no effect on {address}: write amqps://")));
    } else if has_files {
        found.push(Finding::error(path, format!("certificates have no effect on {address}: write amqps://")));
    }
    found
}

fn oddities(settings: &TlsSettings) -> Vec<Finding> {
    let mut found = Vec::new();
    let lists = [("cipher_suites", &settings.cipher_suites), ("curve_preferences", &settings.curve_preferences)];
    for (key, _) in lists.iter().filter(|(_, value)| !value.is_null()) {
        found.push(Finding::warning(format!("client_tls.{key}"), "has no effect: siphon's TLS has a short safe list"));
    }
    if settings.min_version.as_deref().is_some_and(is_old) {
        found.push(Finding::notice("client_tls.min_version", "is raised to TLS12"));
    }
    if settings.client_certs.len() > 1 {
        found.push(Finding::warning("client_tls.client_certs", "only the first is shown to the broker"));
    }
    found
}

/// The client's TLS for one address.
///
/// # Errors
///
/// Which file cannot be used, or which setting.
pub fn connector(address: &Address, settings: Option<&TlsSettings>) -> Result<Arc<ClientConfig>, Error> {
    let none = TlsSettings::default();
    client_config("host", address, settings.unwrap_or(&none)).map_err(|(path, message)| Error::config(path, message))
}

/// The name that the broker's certificate must have.
pub fn server_name(address: &Address) -> &str {
    address.server_name.as_deref().unwrap_or(&address.host)
}

fn client_config(path: &str, address: &Address, settings: &TlsSettings) -> Result<Arc<ClientConfig>, Wrong> {
    if settings.allow_insecure_connections {
        let message = "would let anybody pose as the broker: name its CA in client_tls.ca_certs";
        return Err(("client_tls.allow_insecure_connections".into(), message.into()));
    }
    let name = server_name(address);
    ServerName::try_from(name).map_err(|_| (path.to_owned(), format!("{name:?} is no name of a host")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = versions(settings)?;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = builder.map_err(|error| ("client_tls".to_owned(), error.to_string()))?;
    let builder = builder.with_root_certificates(roots(path, address, settings)?);
    let Some((certificate, key, at)) = own_certificate(path, address, settings)? else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let config = builder.with_client_auth_cert(certificate, key);
    config.map(Arc::new).map_err(|error| (at, format!("certificate and key do not fit: {error}")))
}

fn roots(path: &str, address: &Address, settings: &TlsSettings) -> Result<RootCertStore, Wrong> {
    let mut roots = RootCertStore::empty();
    let own = address.files.ca.iter().map(|file| (path.to_owned(), file));
    let listed = settings.ca_certs.iter().enumerate().map(|(n, file)| (format!("client_tls.ca_certs[{n}]"), file));
    for (path, file) in own.chain(listed) {
        for certificate in certificates(&path, file)? {
            let added = roots.add(certificate);
            added.map_err(|error| (path.clone(), format!("{} holds a bad certificate: {error}", file.display())))?;
        }
    }
    if !settings.disable_system_ca_pool {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        let message = "nobody to trust: name the broker's CA in ca_certs, or install ca-certificates";
        return Err(("client_tls.ca_certs".into(), message.into()));
    }
    Ok(roots)
}

type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, String);

fn own_certificate(path: &str, address: &Address, settings: &TlsSettings) -> Result<Option<OwnCertificate>, Wrong> {
    let (at, certificate, key) = match (settings.client_certs.first(), &address.files.certificate, &address.files.key) {
        (Some(own), _, _) => ("client_tls.client_certs[0]".to_owned(), &own.certificate, &own.private_key),
        (None, Some(certificate), Some(key)) => (path.to_owned(), certificate, key),
        (None, None, None) => return Ok(None),
        _ => return Err((path.to_owned(), "a client certificate needs both certfile and keyfile".into())),
    };
    let chain = certificates(&at, certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| (at.clone(), format!("cannot read the key {}: {error}", key.display())))?;
    Ok(Some((chain, key, at)))
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
        Some(old) if is_old(old) && key == "min_version" => Ok(2),
        Some(other) => Err((format!("client_tls.{key}"), format!("is {other:?}: allowed are TLS12 and TLS13"))),
    };
    let (min, max) = (of("min_version", &settings.min_version, 2)?, of("max_version", &settings.max_version, 3)?);
    if min > max {
        return Err(("client_tls.min_version".into(), "is above max_version".into()));
    }
    let all = [(2, &version::TLS12), (3, &version::TLS13)];
    Ok(all.into_iter().filter(|(number, _)| (min..=max).contains(number)).map(|(_, version)| version).collect())
}

fn is_old(version: &str) -> bool {
    matches!(version, "SSL3.0" | "TLS10" | "TLS11")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with TLS settings for `amqps://mq`, beginning with the path.
    #[track_caller]
    fn check(parameters: &str, settings: &str, expected: &[&str]) {
        let address = Address::parse(&format!("amqps://mq{parameters}")).unwrap();
        let settings: TlsSettings = serde_json::from_str(settings).unwrap();
        let findings = findings("host", &address, Some(&settings));
        let found: Vec<String> =
            findings.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_their_path() {
        check("?cacertfile=/missing.pem", "{}", &["host cannot read /missing.pem"]);
        check("", r#"{"ca_certs": ["/missing.pem"]}"#, &["client_tls.ca_certs[0] cannot read /missing.pem"]);
        let empty = tempfile::NamedTempFile::new().unwrap();
        let json = format!(r#"{{"ca_certs": [{:?}]}}"#, empty.path());
        check("", &json, &["client_tls.ca_certs[0] cannot read"]);
        check("?certfile=a.pem", "{}", &["host a client certificate needs both"]);
        let json = r#"{"client_certs": [{"certificate": "/missing.pem", "private_key": "/k.pem"}]}"#;
        check("", json, &["client_tls.client_certs[0] cannot read /missing.pem"]);
    }

    #[test]
    fn settings_that_would_open_the_door_are_refused() {
        check("", r#"{"allow_insecure_connections": true}"#, &["client_tls.allow_insecure_connections would let"]);
        check("", r#"{"disable_system_ca_pool": true}"#, &["client_tls.ca_certs nobody to trust"]);
        check("", r#"{"max_version": "TLS11"}"#, &["client_tls.max_version is \"TLS11\""]);
        check("", r#"{"min_version": "TLS13", "max_version": "TLS12"}"#, &["client_tls.min_version is above"]);
    }

    #[test]
    fn old_versions_are_raised_and_lists_have_no_effect() {
        let json = r#"{"min_version": "TLS10", "cipher_suites": [4865]}"#;
        let address = Address::parse("amqps://mq").unwrap();
        let settings: TlsSettings = serde_json::from_str(json).unwrap();
        let found: Vec<_> = oddities(&settings).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["client_tls.cipher_suites", "client_tls.min_version"]);
        assert_eq!(versions(&settings).unwrap().len(), 2);
        assert_eq!(server_name(&address), "mq");
    }
}
