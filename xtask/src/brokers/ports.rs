//! Ports that an instance keeps for its life, so that it can be started again at the same place.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::error::{Context, Result, TaskError};

/// Below the ports that the system gives to outgoing connections: those may be taken when a broker starts again.
const RANGE: std::ops::Range<u16> = 21_000..31_000;

/// Reads the ports that `file` holds; chooses and notes them when there is no file.
pub fn kept<const N: usize>(file: &Path) -> Result<[u16; N]> {
    let known = std::fs::read_to_string(file).unwrap_or_default();
    let known: Vec<u16> = known.split_whitespace().filter_map(|port| port.parse().ok()).collect();
    if let Ok(ports) = known.try_into() {
        return Ok(ports);
    }
    let ports = free()?;
    let text = ports.map(|port: u16| port.to_string()).join("\n");
    std::fs::write(file, text).at("write", file)?;
    Ok(ports)
}

/// Ports that nobody uses now.
fn free<const N: usize>() -> Result<[u16; N]> {
    let length = RANGE.end - RANGE.start;
    // Two tasks that start at once begin at different places.
    let offset = (std::process::id().wrapping_mul(97) % u32::from(length)) as u16;
    let ports = (0..length).map(|step| RANGE.start + (offset + step) % length);
    let free: Vec<u16> = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).take(N).collect();
    free.try_into().map_err(|_| TaskError::new(format!("no {N} free ports between {} and {}", RANGE.start, RANGE.end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ports");
        let ports: [u16; 4] = kept(&file).expect("ports");
        assert!(ports.iter().all(|port| RANGE.contains(port)));
        assert_eq!(std::collections::BTreeSet::from(ports).len(), 4);
        let listening: Vec<_> = ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port))).collect();
        assert!(listening.iter().all(|listener| listener.is_ok()));
        assert_eq!(kept::<4>(&file).expect("ports"), ports, "also while they are taken");
    }
}
