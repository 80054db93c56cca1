//! What one event costs in allocations, against a bare request over the same HTTP library.
#![allow(unsafe_code, reason = "a counting allocator is an allocator")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use support::model::backend;
use support::server::json;
use support::{Server, event, pipe};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// More than a bare request that an event of a plain pipe may cost.
const MORE: u64 = 10;

const EVENTS: u64 = 200;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came; the counter is a plain cell of this thread and
// allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A server on a thread of its own, so that it is not counted.
fn server() -> Server {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            send.send(Server::start(|_| json("{\"fine\":true}")).await).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    receive.recv().expect("a server")
}

/// Allocations of one `work`, on average, after a first one that opens what is kept.
fn cost<F: Future<Output = ()>>(runtime: &tokio::runtime::Runtime, mut work: impl FnMut() -> F) -> u64 {
    runtime.block_on(work());
    let before = COUNT.get();
    for _ in 0..EVENTS {
        runtime.block_on(work());
    }
    (COUNT.get() - before).div_ceil(EVENTS)
}

async fn bare(sender: &tokio::sync::Mutex<SendRequest<Full<Bytes>>>, address: &str) {
    let request = http::Request::post("/a").header("host", address).header("content-type", "application/json");
    let request = request.header("accept-encoding", "gzip").header("user-agent", "siphon/0.1.0");
    let request = request.body(Full::new(Bytes::from_static(b"{\"event\":1}"))).expect("a request");
    let mut sender = sender.lock().await;
    sender.ready().await.expect("ready");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "{\"fine\":true}");
}

#[test]
fn an_event_of_a_plain_pipe_costs_at_most_ten_allocations_more_than_a_bare_request() {
    let server = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = server.address.to_string();
    let sender = runtime.block_on(async {
        let stream = TcpStream::connect(server.address).await.expect("a connection");
        let (sender, task) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(task);
        tokio::sync::Mutex::new(sender)
    });
    let bare = cost(&runtime, || bare(&sender, &address));
    let pipe = pipe(vec![backend(&server.url(), "/a")]);
    let one = cost(&runtime, || async {
        let deadline = Instant::now() + support::PATIENCE;
        assert!(pipe.run(event("{\"event\":1}"), deadline).await.is_complete());
    });
    println!("allocations: {bare} for a bare request, {one} for an event");
    assert!(one <= bare + MORE, "{one} for an event, {bare} for a bare request");
}
