//! Several hosts, hosts with more than a name, and hosts that DNS names.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use siphon_pipe::{FailureKind, Pipe};
use support::server::{Action, json, reply};
use support::{Server, data, error, loaded, run};
use tokio::net::UdpSocket;

/// Nobody listens there.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

fn backend(hosts: &[String], method: &str) -> String {
    let hosts = serde_json::to_string(hosts).expect("texts");
    format!(r#"{{"host": {hosts}, "url_pattern": "/a?b=1", "method": "{method}", "disable_host_sanitize": true}}"#)
}

#[tokio::test]
async fn a_host_that_refuses_the_connection_is_replaced_whatever_the_method() {
    let up = Server::start(|_| json("{}")).await;
    let hosts = [format!("http://{}", nobody().await), format!("{}/base", up.url())];
    let pipe = loaded::pipe(&backend(&hosts, "POST"));
    for _ in 0..4 {
        let reply = run(&pipe, "{\"e\":1}").await;
        assert!(reply.is_complete(), "{}", error(&reply));
    }
    assert_eq!(up.seen().len(), 4);
    assert!(up.seen().iter().all(|seen| seen.target == "/base/a?b=1" && seen.body == "{\"e\":1}"));
}

#[tokio::test]
async fn a_call_that_may_have_arrived_goes_elsewhere_only_if_it_may_be_made_twice() {
    for (method, calls) in [("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)] {
        let down = [Server::start(|_| Action::HangUp).await, Server::start(|_| Action::HangUp).await];
        let reply = run(&loaded::pipe(&backend(&[down[0].url(), down[1].url()], method)), "{}").await;
        assert!(error(&reply).ends_with("EOF"), "{}", error(&reply));
        assert_eq!(down[0].seen().len() + down[1].seen().len(), calls, "{method}");
    }
}

#[tokio::test]
async fn a_host_that_redirects_to_where_nobody_is_may_have_done_its_work() {
    let location = format!("Location: http://{}/", nobody().await);
    let away = move |_: &support::Seen| reply(303, &[&location], "");
    let hosts = [Server::start(away.clone()).await, Server::start(away).await];
    let pipe = loaded::pipe(&backend(&[hosts[0].url(), hosts[1].url()], "POST"));
    for calls in 1..=2 {
        let reply = run(&pipe, "").await;
        assert!(error(&reply).contains("connection refused"), "{}", error(&reply));
        assert_eq!(hosts[0].seen().len() + hosts[1].seen().len(), calls);
    }
    // Neither is passed over for it.
    assert_eq!((hosts[0].seen().len(), hosts[1].seen().len()), (1, 1));
}

#[tokio::test]
async fn a_status_is_an_answer_and_asks_no_other_host() {
    let hosts = [Server::start(|_| reply(503, &[], "")).await, Server::start(|_| reply(503, &[], "")).await];
    let reply = run(&loaded::pipe(&backend(&[hosts[0].url(), hosts[1].url()], "GET")), "{}").await;
    assert!(error(&reply).starts_with("invalid status code 503"), "{}", error(&reply));
    assert_eq!(hosts[0].seen().len() + hosts[1].seen().len(), 1);
}

#[tokio::test]
async fn when_all_hosts_refuse_the_last_one_is_named() {
    let hosts = [format!("http://{}", nobody().await), format!("http://{}", nobody().await)];
    let reply = run(&loaded::pipe(&backend(&hosts, "POST")), "{}").await;
    assert!(error(&reply).contains("connection refused"), "{}", error(&reply));
    assert_eq!(reply.error.map(|error| error.kind()), Some(FailureKind::Connect));
}

#[tokio::test]
async fn user_and_password_of_a_host_become_basic_authentication_and_are_never_shown() {
    let server = Server::start(|_| reply(500, &[], "")).await;
    let host = server.url().replace("http://", "http://svc:SEKRET@");
    let pipe = loaded::pipe(&backend(&[host], "POST"));
    let reply = run(&pipe, "{}").await;
    assert_eq!(server.seen()[0].header("authorization"), Some("Basic c3ZjOlNFS1JFVA=="));
    assert_eq!(server.seen()[0].header("host"), Some(server.address.to_string().as_str()));
    let shown = format!("{:?} {}", pipe.describe(), error(&reply));
    assert!(shown.contains("svc:***@") && !shown.contains("SEKRET"), "{shown}");
}

#[tokio::test]
async fn an_ipv6_address_is_a_host() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else { return };
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4_096];
        _ = stream.read(&mut request).await;
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    });
    let reply = run(&loaded::pipe(&backend(&[format!("http://{address}")], "POST")), "{}").await;
    assert!(reply.is_complete(), "{}", error(&reply));
}

/// A name server that knows one name, and how often it was asked.
#[derive(Clone)]
struct NameServer {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// `None`: fails.
    records: Arc<Mutex<Option<Vec<Service>>>>,
}

/// Priority, weight, port.
type Service = (u16, u16, u16);

impl NameServer {
    async fn start(records: &[Service]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("an address");
        let records = Arc::new(Mutex::new(Some(records.to_vec())));
        let server = Self { address, asked: Arc::default(), records };
        let ours = server.clone();
        tokio::spawn(async move {
            let mut packet = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                ours.asked.fetch_add(1, Ordering::SeqCst);
                let answer = ours.answer(&Message::from_bytes(&packet[..length]).expect("a query"));
                _ = socket.send_to(&answer.to_bytes().expect("a message"), from).await;
            }
        });
        server
    }

    fn answer(&self, query: &Message) -> Message {
        let mut answer = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        let question = query.queries[0].clone();
        let target = Name::from_ascii("localhost.").expect("a name");
        match self.records.lock().expect("whole").as_ref() {
            Some(records) => records.iter().for_each(|(priority, weight, port)| {
                let data = RData::SRV(SRV::new(*priority, *weight, *port, target.clone()));
                answer.add_answer(Record::from_rdata(question.name().clone(), 60, data));
            }),
            None => answer.metadata.response_code = ResponseCode::ServFail,
        }
        answer.add_query(question);
        answer
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn pipe(&self, ttl: &str) -> Pipe {
        let root = format!(r#""dns_cache_ttl": "{ttl}","#);
        let backend = r#"{"host": ["_http._tcp.orders.example."], "url_pattern": "/a", "method": "POST", "sd": "dns", "disable_host_sanitize": true}"#;
        loaded::pipe_of(&root, backend, |settings| settings.name_server = Some(self.address)).expect("a pipe")
    }
}

#[tokio::test]
async fn dns_names_the_hosts_and_says_how_many_calls_each_gets() {
    let one = Server::start(|_| json("{}")).await;
    let two = Server::start(|_| json("{}")).await;
    let spare = Server::start(|_| json("{}")).await;
    let port = |server: &Server| server.address.port();
    let names = NameServer::start(&[(10, 1, port(&one)), (10, 2, port(&two)), (20, 9, port(&spare))]).await;
    let pipe = names.pipe("30s");
    for _ in 0..6 {
        let reply = run(&pipe, "{}").await;
        assert!(reply.is_complete(), "{}", error(&reply));
    }
    assert_eq!((one.seen().len(), two.seen().len(), spare.seen().len()), (2, 4, 0));
    assert_eq!(names.asked(), 1);
    assert_eq!(one.seen()[0].header("host"), Some(format!("localhost:{}", port(&one)).as_str()));
}

#[tokio::test]
async fn what_was_found_is_looked_up_again_and_stays_when_that_fails() {
    let server = Server::start(|_| json("{}")).await;
    let names = NameServer::start(&[(0, 0, server.address.port())]).await;
    let pipe = names.pipe("1s");
    let works = async || {
        let reply = run(&pipe, "{}").await;
        assert!(reply.is_complete(), "{}", error(&reply));
    };
    works().await;
    *names.records.lock().expect("whole") = None;
    // Events that come after the second start a look-up that fails; they and the later ones go where they went.
    let asked = names.asked();
    while names.asked() == asked {
        works().await;
    }
    works().await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_fails_the_event_and_is_asked_for_again() {
    let names = NameServer::start(&[]).await;
    *names.records.lock().expect("whole") = None;
    let pipe = names.pipe("30s");
    let failed = run(&pipe, "{}").await;
    assert!(
        error(&failed).starts_with("no hosts available: lookup _http._tcp.orders.example.: "),
        "{}",
        error(&failed)
    );
    assert_eq!(failed.error.map(|error| error.kind()), Some(FailureKind::Connect));
    let server = Server::start(|_| json("{\"back\":1}")).await;
    *names.records.lock().expect("whole") = Some(vec![(0, 0, server.address.port())]);
    assert_eq!(data(&run(&pipe, "{}").await).as_deref(), Some("{\"back\":1}"));
}
