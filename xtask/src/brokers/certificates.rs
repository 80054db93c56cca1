//! Certificates for brokers with TLS: a CA of this machine alone, a server and a client that it vouches for.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::error::{Context, Result};

/// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` into `folder`, unless they are there. The
/// server is `localhost` and `127.0.0.1`; the client's name is `client`.
pub fn write(folder: &Path, client: &str) -> Result<()> {
    if folder.join("client.key").is_file() {
        return Ok(());
    }
    fs::create_dir_all(folder).at("make the folder", folder)?;
    let doing = "make a certificate";
    let mut ca = CertificateParams::new(Vec::new()).context(doing)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "siphon's tests");
    let ca_key = KeyPair::generate().context(doing)?;
    let certificate = ca.self_signed(&ca_key).context(doing)?;
    put(folder, "ca.pem", &certificate.pem())?;
    let issuer = Issuer::new(ca, ca_key);
    leaf(folder, "server", "localhost", &["localhost", "127.0.0.1"], &issuer)?;
    // Last: its key says that all are there.
    leaf(folder, "client", client, &[], &issuer)
}

fn leaf(folder: &Path, file: &str, name: &str, hosts: &[&str], issuer: &Issuer<'_, KeyPair>) -> Result<()> {
    let doing = "make a certificate";
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).context(doing)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().context(doing)?;
    let certificate = parameters.signed_by(&key, issuer).context(doing)?;
    put(folder, &format!("{file}.pem"), &certificate.pem())?;
    put(folder, &format!("{file}.key"), &key.serialize_pem())
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).at("write", &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_made_once() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "guest").expect("written");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
        let before = ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"].map(read);
        assert!(before.iter().all(|text| text.starts_with("-----BEGIN ")));
        write(folder.path(), "guest").expect("nothing to do");
        assert_eq!(before[0], read("ca.pem"));
    }
}
