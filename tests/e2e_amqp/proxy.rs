//! A TCP proxy that stops forwarding without hanging up: a link that died silently.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Forwards connections to one address.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    /// Connections up to this number are silent.
    silent_up_to: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy to `target`, on a port of loopback.
    pub fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("an address");
        let (silent_up_to, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (silent, count, target) = (Arc::clone(&silent_up_to), Arc::clone(&connections), target.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&target) else { continue };
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                forward(&client, &server, number, &silent);
                forward(&server, &client, number, &silent);
            }
        });
        Self { address, silent_up_to, connections }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// From now on the connections that exist carry nothing any more; new ones do.
    pub fn silence(&self) {
        self.silent_up_to.store(self.connections(), Ordering::SeqCst);
    }
}

/// Copies until one side hangs up; swallows everything once the connection is silent.
fn forward(from: &TcpStream, to: &TcpStream, number: usize, silent_up_to: &Arc<AtomicUsize>) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    let silent_up_to = Arc::clone(silent_up_to);
    std::thread::spawn(move || {
        let mut buffer = [0; 16_384];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let is_silent = number <= silent_up_to.load(Ordering::SeqCst);
            if !is_silent && to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    });
}
