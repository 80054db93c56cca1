//! TLS to backends: rustls with ring, the roots of the machine.
//!
//! The machine's roots and not a list of our own: a company's CA that is installed there works, and so does
//! `SSL_CERT_FILE`. A container without certificates is told so.

mod insecure;
mod settings;

use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

pub(crate) use settings::TlsSettings;

/// Names a file of roots instead of the machine's own.
const NAMED_ROOTS: &str = "SSL_CERT_FILE";

/// The machine's roots, read once in a process.
static MACHINE: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();

/// Whom to trust.
///
/// # Errors
///
/// A sentence when the machine has no root certificate.
pub(super) fn client_config(extra_roots: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    if extra_roots.is_empty() {
        return MACHINE.get_or_init(|| with_roots(&[])).clone();
    }
    with_roots(extra_roots)
}

fn with_roots(extra_roots: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(machine_roots()?);
    roots.add_parsable_certificates(extra_roots.iter().cloned());
    if roots.is_empty() {
        return Err(format!(
            "tls: this machine has no root certificates; install ca-certificates or set {NAMED_ROOTS}"
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| format!("tls: {error}"))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The machine's roots; none where it has none.
fn machine_roots() -> Result<Vec<CertificateDer<'static>>, String> {
    let machine = rustls_native_certs::load_native_certs();
    let reasons: Vec<_> = machine.errors.iter().map(ToString::to_string).collect();
    if !reasons.is_empty() && std::env::var_os(NAMED_ROOTS).is_some() {
        return Err(format!("tls: {NAMED_ROOTS} cannot be used; mend or unset it: {}", reasons.join("; ")));
    }
    Ok(machine.certs)
}
