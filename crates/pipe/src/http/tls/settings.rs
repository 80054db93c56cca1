//! `client_tls`: whom a client trusts, and as whom it appears.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite, SupportedProtocolVersion, version};
use schemars::JsonSchema;
use serde::Deserialize;

use super::insecure::Anybody;

/// `client_tls`. As soon as it is there, the oldest version is TLS 1.3 unless it says otherwise, as in KrakenD.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct TlsSettings {
    /// Takes any certificate, from anybody. Default: false.
    allow_insecure_connections: bool,
    /// Files with certificates (PEM) of CAs to trust, besides the machine's.
    ca_certs: Vec<PathBuf>,
    /// Trusts only `ca_certs`. Default: false.
    disable_system_ca_pool: bool,
    /// `TLS12` or `TLS13`; older ones are raised to `TLS12`. Default: `TLS13`.
    min_version: Option<String>,
    /// `TLS12` or `TLS13`. Default: `TLS13`.
    max_version: Option<String>,
    /// Numbers of key exchange groups, best first: 23 (P-256), 24 (P-384), 29 (X25519). Default: 29, 23, 24.
    curve_preferences: Vec<u16>,
    /// Numbers of cipher suites for TLS 1.2; those of TLS 1.3 are always on. Default: 49195, 49196, 49199, 49200, 52392,
    /// 52393.
    cipher_suites: Vec<u16>,
    /// The certificate that siphon shows to a backend which asks for one. At most one.
    client_certs: Vec<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct ClientCertificate {
    /// File with the certificate and those between it and its CA (PEM).
    certificate: PathBuf,
    /// File with the key (PEM).
    private_key: PathBuf,
}

/// Something that cannot work: the key below `client_tls`, and why.
pub(crate) type Wrong = (String, String);

impl TlsSettings {
    /// Reads all files. `extra_roots` are trusted, too.
    ///
    /// # Errors
    ///
    /// Everything that cannot work, at once.
    pub fn client_config(&self, extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let provider = self.provider().map_err(|more| wrongs.extend(more)).ok();
        let versions = self.versions().map_err(|wrong| wrongs.push(wrong)).ok();
        let roots = self.roots(extra_roots).map_err(|more| wrongs.extend(more)).ok();
        let own = self.own_certificate().map_err(|wrong| wrongs.push(wrong)).ok();
        let (Some(provider), Some(versions), Some(roots), Some(own)) = (provider, versions, roots, own) else {
            return Err(wrongs);
        };
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions);
        let builder = builder.map_err(|error| vec![(String::new(), error.to_string())])?;
        let mut config = match own {
            None => builder.with_root_certificates(roots).with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_root_certificates(roots).with_client_auth_cert(chain, key).map_err(|error| {
                    vec![("client_certs[0]".into(), format!("certificate and key do not fit: {error}"))]
                })?
            }
        };
        if self.allow_insecure_connections {
            config.dangerous().set_certificate_verifier(Arc::new(Anybody(provider)));
        }
        Ok(config)
    }

    fn provider(&self) -> Result<CryptoProvider, Vec<Wrong>> {
        let all = ring::default_provider();
        let mut wrongs = Vec::new();
        let mut groups = Vec::new();
        for (at, number) in self.curve_preferences.iter().enumerate() {
            match group(*number) {
                Ok(group) => groups.push(group),
                Err(why) => wrongs.push((format!("curve_preferences[{at}]"), why)),
            }
        }
        let mut suites = Vec::new();
        for (at, number) in self.cipher_suites.iter().enumerate() {
            match suite(&all, *number) {
                Some(suite) => suites.push(suite),
                None => wrongs.push((format!("cipher_suites[{at}]"), no_suite(&all, *number))),
            }
        }
        if !wrongs.is_empty() {
            return Err(wrongs);
        }
        let newer = all.cipher_suites.iter().copied().filter(|suite| suite.tls13().is_some());
        let cipher_suites = if suites.is_empty() { all.cipher_suites } else { newer.chain(suites).collect() };
        let kx_groups = if groups.is_empty() { all.kx_groups } else { groups };
        Ok(CryptoProvider { cipher_suites, kx_groups, ..all })
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
        let newest = "TLS13".to_owned();
        let min = match self.min_version.as_ref().unwrap_or(&newest).as_str() {
            "SSL3.0" | "TLS10" | "TLS11" | "TLS12" => 12,
            "TLS13" => 13,
            other => return Err(("min_version".into(), unknown_version(other))),
        };
        let max = match self.max_version.as_ref().unwrap_or(&newest).as_str() {
            "TLS12" => 12,
            "TLS13" => 13,
            old @ ("SSL3.0" | "TLS10" | "TLS11") => {
                return Err(("max_version".into(), format!("{old} is broken and not spoken; write TLS12 or TLS13")));
            }
            other => return Err(("max_version".into(), unknown_version(other))),
        };
        match (min, max) {
            (12, 12) => Ok(vec![&version::TLS12]),
            (12, _) => Ok(vec![&version::TLS13, &version::TLS12]),
            (_, 13) => Ok(vec![&version::TLS13]),
            _ => {
                let message =
                    "lies below min_version, which is TLS13 unless it is given; write \"min_version\": \"TLS12\"";
                Err(("max_version".into(), message.into()))
            }
        }
    }

    fn roots(&self, extra_roots: &[CertificateDer<'static>]) -> Result<RootCertStore, Vec<Wrong>> {
        let mut roots = RootCertStore::empty();
        let mut wrongs = Vec::new();
        for (at, file) in self.ca_certs.iter().enumerate() {
            let added = certificates(file).and_then(|found| {
                found.into_iter().try_for_each(|certificate| {
                    roots
                        .add(certificate)
                        .map_err(|error| format!("{} holds a bad certificate: {error}", file.display()))
                })
            });
            wrongs.extend(added.err().map(|why| (format!("ca_certs[{at}]"), why)));
        }
        roots.add_parsable_certificates(extra_roots.iter().cloned());
        if !self.disable_system_ca_pool {
            let machine = super::machine_roots().map_err(|why| wrongs.push((String::new(), why)));
            roots.add_parsable_certificates(machine.unwrap_or_default());
        }
        if roots.is_empty() && wrongs.is_empty() && !self.allow_insecure_connections {
            wrongs
                .push(("ca_certs".into(), "nobody to trust: name the backend's CA, or install ca-certificates".into()));
        }
        if wrongs.is_empty() { Ok(roots) } else { Err(wrongs) }
    }

    fn own_certificate(&self) -> Result<Option<OwnCertificate>, Wrong> {
        let own = match self.client_certs.as_slice() {
            [] => return Ok(None),
            [own] => own,
            _ => return Err(("client_certs[1]".into(), "one certificate can be shown; leave one".into())),
        };
        let chain = certificates(&own.certificate).map_err(|why| ("client_certs[0].certificate".to_owned(), why))?;
        let key = PrivateKeyDer::from_pem_file(&own.private_key).map_err(|error| {
            let why = format!("cannot read the key {}: {error}", own.private_key.display());
            ("client_certs[0].private_key".to_owned(), why)
        })?;
        Ok(Some((chain, key)))
    }
}

type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("cannot read {}: {error}", file.display());
    let found = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if found.is_empty() { Err(format!("{} holds no certificate (PEM)", file.display())) } else { Ok(found) }
}

fn unknown_version(word: &str) -> String {
    format!("{word:?} is no version of TLS; write TLS12 or TLS13")
}

fn group(number: u16) -> Result<&'static dyn SupportedKxGroup, String> {
    match number {
        23 => Ok(ring::kx_group::SECP256R1),
        24 => Ok(ring::kx_group::SECP384R1),
        29 => Ok(ring::kx_group::X25519),
        25 => Err("the curve 25 (P-521) is not in this build of siphon; 23, 24 and 29 are".into()),
        other => Err(format!("{other} is no curve; 23 (P-256), 24 (P-384) and 29 (X25519) are")),
    }
}

/// A suite of TLS 1.2 by its number.
fn suite(all: &CryptoProvider, number: u16) -> Option<SupportedCipherSuite> {
    all.cipher_suites.iter().copied().find(|suite| u16::from(suite.suite()) == number && suite.tls13().is_none())
}

fn no_suite(all: &CryptoProvider, number: u16) -> String {
    let older = all.cipher_suites.iter().filter(|suite| suite.tls13().is_none());
    let mut numbers: Vec<_> = older.map(|suite| u16::from(suite.suite()).to_string()).collect();
    numbers.sort_unstable();
    format!("the cipher suite {number} is not in this build of siphon; {} are", numbers.join(", "))
}
