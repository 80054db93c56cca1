//! TLS to the brokers: librdkafka's own, on OpenSSL; the machine's CAs and those that the configuration adds.

use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::Finding;

/// `cluster.client_tls`, as in KrakenD's HTTP client.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsSettings {
    /// Files with certificates (PEM) of CAs to trust, besides the machine's.
    pub ca_certs: Vec<PathBuf>,
    /// Trusts only `ca_certs`. Default: false.
    pub disable_system_ca_pool: bool,
    /// The certificate that siphon shows to brokers which ask for one; the first that is given.
    pub client_certs: Vec<ClientCertificate>,
    /// `TLS12`; older ones are raised to it. Default: `TLS12`.
    pub min_version: Option<String>,
    /// `TLS13`. Default: `TLS13`.
    pub max_version: Option<String>,
    /// Refused: name the brokers' CA in `ca_certs` instead.
    pub allow_insecure_connections: bool,
    /// Without effect: OpenSSL's own list of TLS 1.3 is used.
    pub cipher_suites: Vec<u32>,
    /// Elliptic curves by their TLS number, in the order of preference: 23, 24, 25, 29 (P-256, P-384, P-521, X25519).
    pub curve_preferences: Vec<u32>,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ClientCertificate {
    /// File with the certificate and those between it and its CA (PEM).
    pub certificate: PathBuf,
    /// File with the key (PEM).
    pub private_key: PathBuf,
}

const CURVES: [(u32, &str); 4] = [(23, "P-256"), (24, "P-384"), (25, "P-521"), (29, "X25519")];

/// Something in the settings that cannot work: where below `cluster.client_tls`, and why.
type Wrong = (String, String);

impl TlsSettings {
    /// librdkafka's properties.
    ///
    /// # Errors
    ///
    /// Which setting or file cannot be used.
    pub fn properties(&self) -> Result<Vec<(&'static str, String)>, Wrong> {
        if self.allow_insecure_connections {
            let message = "would let anybody pose as a broker: name its CA in cluster.client_tls.ca_certs";
            return Err(("allow_insecure_connections".into(), message.into()));
        }
        self.versions()?;
        let mut properties = vec![("ssl.ca.pem", self.authorities()?)];
        if let Some(own) = self.client_certs.first() {
            let at = "client_certs[0]";
            certificates(at, &own.certificate)?;
            PrivateKeyDer::from_pem_file(&own.private_key).map_err(|error| unreadable(at, &own.private_key, &error))?;
            properties.push(("ssl.certificate.location", own.certificate.display().to_string()));
            properties.push(("ssl.key.location", own.private_key.display().to_string()));
        }
        if !self.curve_preferences.is_empty() {
            properties.push(("ssl.curves.list", self.curves()?));
        }
        Ok(properties)
    }

    /// All that is wrong, and what has no effect.
    pub fn findings(&self) -> Vec<Finding> {
        let at = |key: &str| format!("cluster.client_tls.{key}");
        let mut found = Vec::new();
        if let Err((key, message)) = self.properties() {
            found.push(Finding::error(at(&key), message));
        }
        if !self.cipher_suites.is_empty() {
            found.push(Finding::warning(at("cipher_suites"), "has no effect: OpenSSL has a short safe list"));
        }
        if self.min_version.as_deref().is_some_and(is_old) {
            found.push(Finding::notice(at("min_version"), "is raised to TLS12"));
        }
        if self.client_certs.len() > 1 {
            found.push(Finding::warning(at("client_certs"), "only the first is shown to the brokers"));
        }
        found
    }

    /// librdkafka cannot be told which versions to speak: OpenSSL 3 speaks 1.2 and 1.3.
    fn versions(&self) -> Result<(), Wrong> {
        let refuse = |key: &str, text: &str, allowed: &str| {
            let message =
                format!("is {text:?}: the Kafka client speaks TLS 1.2 and 1.3, so only {allowed} can be kept");
            Err((key.to_owned(), message))
        };
        match self.min_version.as_deref() {
            None | Some("TLS12") => {}
            Some(old) if is_old(old) => {}
            Some(other) => return refuse("min_version", other, "TLS12"),
        }
        match self.max_version.as_deref() {
            None | Some("TLS13") => Ok(()),
            Some(other) => refuse("max_version", other, "TLS13"),
        }
    }

    /// The certificates of all CAs that are trusted, as one text.
    fn authorities(&self) -> Result<String, Wrong> {
        let mut texts = Vec::new();
        for (index, file) in self.ca_certs.iter().enumerate() {
            texts.push(certificates(&format!("ca_certs[{index}]"), file)?);
        }
        if !self.disable_system_ca_pool
            && let Some(file) = openssl_probe::probe().cert_file
        {
            texts.push(certificates("ca_certs", &file)?);
        }
        if texts.is_empty() {
            let message = "nobody to trust: name the brokers' CA in ca_certs, or install ca-certificates";
            return Err(("ca_certs".into(), message.into()));
        }
        Ok(texts.join("\n"))
    }

    fn curves(&self) -> Result<String, Wrong> {
        let name = |(index, number): (usize, &u32)| {
            let known = CURVES.iter().find(|(own, _)| own == number).map(|(_, name)| *name);
            known.ok_or_else(|| {
                let message = format!("is {number}: allowed are 23, 24, 25 and 29 (P-256, P-384, P-521, X25519)");
                (format!("curve_preferences[{index}]"), message)
            })
        };
        let names: Vec<_> = self.curve_preferences.iter().enumerate().map(name).collect::<Result<_, _>>()?;
        Ok(names.join(":"))
    }
}

/// The file's text, if it holds certificates.
fn certificates(at: &str, file: &Path) -> Result<String, Wrong> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(at, file, &error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err(unreadable(at, file, &"there is no certificate in it (PEM)")),
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(at, file, &error)),
    }
}

fn unreadable(at: &str, file: &Path, error: &dyn std::fmt::Display) -> Wrong {
    (at.to_owned(), format!("cannot read {}: {error}", file.display()))
}

fn is_old(version: &str) -> bool {
    matches!(version, "SSL3.0" | "TLS10" | "TLS11")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &[&str]) {
        let settings: TlsSettings = serde_json::from_str(json).unwrap();
        let found = settings.findings();
        let found: Vec<_> = found.iter().map(|finding| format!("{} {}", finding.path, finding.message)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        found.iter().zip(expected).for_each(|(found, expected)| assert!(found.starts_with(expected), "{found}"));
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_their_path() {
        check(r#"{"ca_certs": ["/missing.pem"]}"#, &["cluster.client_tls.ca_certs[0] cannot read /missing.pem"]);
        let empty = tempfile::NamedTempFile::new().unwrap();
        let json = format!(r#"{{"ca_certs": [{:?}]}}"#, empty.path());
        check(&json, &["cluster.client_tls.ca_certs[0] cannot read"]);
        let json = r#"{"client_certs": [{"certificate": "/missing.pem", "private_key": "/k.pem"}]}"#;
        check(json, &["cluster.client_tls.client_certs[0] cannot read /missing.pem"]);
    }

    #[test]
    fn what_would_open_the_door_or_cannot_be_kept_is_refused() {
        check(r#"{"allow_insecure_connections": true}"#, &["cluster.client_tls.allow_insecure_connections would let"]);
        check(r#"{"disable_system_ca_pool": true}"#, &["cluster.client_tls.ca_certs nobody to trust"]);
        check(r#"{"min_version": "TLS13"}"#, &["cluster.client_tls.min_version is \"TLS13\": the Kafka client"]);
        check(r#"{"max_version": "TLS12"}"#, &["cluster.client_tls.max_version is \"TLS12\": the Kafka client"]);
        check(r#"{"curve_preferences": [23, 7]}"#, &["cluster.client_tls.curve_preferences[1] is 7"]);
    }

    #[test]
    fn old_versions_are_raised_and_curves_are_named() {
        check(
            r#"{"min_version": "TLS10", "max_version": "TLS13", "cipher_suites": [4865]}"#,
            &["cluster.client_tls.cipher_suites has no effect", "cluster.client_tls.min_version is raised"],
        );
        let settings: TlsSettings = serde_json::from_str(r#"{"curve_preferences": [29, 23]}"#).unwrap();
        assert_eq!(settings.curves(), Ok("X25519:P-256".into()));
    }
}
