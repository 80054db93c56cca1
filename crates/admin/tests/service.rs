//! The service over real sockets: what a client sends, and what comes back.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use siphon_admin::{Admin, AdminSettings, AgentHealth, AgentState, BindError, HealthReport, HealthSource, LastError};
use siphon_telemetry::{Label, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(20);

struct OneAgent;

impl HealthSource for OneAgent {
    fn report(&self) -> HealthReport {
        let agent = AgentHealth {
            name: "orders".into(),
            agent_type: "SQLite".into(),
            state: AgentState::Running,
            last_ping: Some(SystemTime::now()),
            last_error: Some(LastError { text: "backend answered 503".into(), at: SystemTime::now() }),
            ..AgentHealth::default()
        };
        HealthReport { agents: vec![agent] }
    }
}

fn settings() -> AdminSettings {
    AdminSettings {
        ip: Some(Ipv4Addr::LOCALHOST.into()),
        port: 0,
        health_path: Some("/__health".into()),
        debug: true,
        echo: true,
    }
}

/// A running service that can be told to stop.
struct Service {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Service {
    fn start(admin: Admin) -> Self {
        let (stop, stopped) = oneshot::channel();
        let address = admin.local_addr();
        let task = tokio::spawn(admin.serve(Arc::new(OneAgent), async { drop(stopped.await) }));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the service listens")
    }

    async fn end(self) {
        self.stop.send(()).expect("the service runs");
        let served = tokio::time::timeout(PATIENCE, self.task).await;
        served.expect("it ends in time").expect("it does not panic").expect("it served");
    }
}

/// Runs `test` against a service, on a runtime of one thread, and ends both.
fn with_service<F: Future<Output = ()>>(admin: Admin, test: impl FnOnce(Arc<Service>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = Arc::new(Service::start(admin));
        tokio::time::timeout(PATIENCE, test(Arc::clone(&service))).await.expect("the test ends in time");
        Arc::into_inner(service).expect("the test let go of the service").end().await;
    });
}

/// Sends `method path` with `body` on a connection of its own and returns the whole answer as text.
async fn exchange(service: &Service, method: &str, path: &str, body: &[u8]) -> String {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer hidden\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let mut stream = service.connect().await;
    let mut sent = head.into_bytes();
    sent.extend_from_slice(body);
    stream.write_all(&sent).await.expect("the request is taken");
    read_to_end(stream).await
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}

/// Sends `(method, path)` and expects that the answer has this status, and all of these lines or ends with them.
#[track_caller]
fn check(settings: AdminSettings, method: &str, path: &str, status: u16, parts: &[&str]) {
    let admin = Admin::bind(settings).expect("a free port");
    with_service(admin, async |service| {
        let answer = exchange(&service, method, path, b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        for part in parts {
            assert!(answer.contains(&format!("{part}\r\n")) || answer.ends_with(part), "{part} in {answer}");
        }
    });
}

#[test]
fn health_names_each_agent_and_its_state() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let answer = exchange(&service, "GET", "/__health", b"").await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains("content-type: application/json; charset=utf-8"), "{head}");
        let health: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(health["status"], "ok");
        assert_eq!(health["agent_details"]["orders"]["state"], "running");
        assert_eq!(health["agent_details"]["orders"]["last_error"]["text"], "backend answered 503");
        let ping = health["agents"]["orders"].as_str().expect("a text");
        assert!(ping.contains(" +0000 UTC m=+"), "{ping}");
    });
}

#[test]
fn health_answers_get_only() {
    check(settings(), "POST", "/__health", 405, &["allow: GET", "content-type: text/plain", "405 method not allowed"]);
    check(settings(), "HEAD", "/__health", 405, &["allow: GET"]);
}

#[test]
fn health_can_have_another_path_or_none() {
    let moved = AdminSettings { health_path: Some("/hc".into()), ..settings() };
    check(moved, "GET", "/hc", 200, &[]);
    let off = AdminSettings { health_path: None, ..settings() };
    check(off, "GET", "/__health", 404, &["404 page not found"]);
}

#[test]
fn metrics_are_shown_as_prometheus_reads_them() {
    let metrics = Metrics::default();
    metrics.agent(&Label::new("orders", "SQLite")).count_received();
    let admin = Admin::bind(settings()).expect("a free port").with_metrics(metrics);
    with_service(admin, async |service| {
        let answer = exchange(&service, "GET", "/metrics", b"").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("\nsiphon_events_received_total{agent=\"orders\"} 1\n"), "{answer}");
        let answer = exchange(&service, "POST", "/metrics", b"").await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET\r\n"), "{answer}");
    });
    check(settings(), "GET", "/metrics", 404, &["404 page not found"]);
}

#[test]
fn debug_answers_with_and_without_a_path_and_never_redirects() {
    for path in ["/__debug", "/__debug/", "/__debug/a/b?c=d"] {
        check(settings(), "POST", path, 200, &[r#"{"message":"pong"}"#]);
        check(settings(), "GET", path, 200, &[r#"{"message":"pong"}"#]);
    }
}

#[test]
fn debug_and_echo_exist_only_when_they_are_switched_on() {
    let off = AdminSettings { debug: false, echo: false, ..settings() };
    check(off.clone(), "POST", "/__debug", 404, &["404 page not found"]);
    check(off, "POST", "/__echo", 404, &["404 page not found"]);
}

#[test]
fn debug_fails_when_told_to_and_recovers_when_told_to() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let mut seen = Vec::new();
        for (method, path) in [
            ("PUT", "/__debug?answer=503"),
            ("POST", "/__debug"),
            ("PUT", "/__debug?answer=204"),
            ("POST", "/__debug/x"),
            ("PUT", "/__debug?answer=999"),
            ("PUT", "/__debug?answer=200"),
            ("POST", "/__debug"),
        ] {
            let answer = exchange(&service, method, path, b"{}").await;
            seen.push(answer["HTTP/1.1 ".len()..][..3].to_owned());
        }
        assert_eq!(seen, ["200", "503", "200", "204", "400", "200", "200"]);
    });
}

#[test]
fn echo_sends_the_request_back() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let answer = exchange(&service, "POST", "/__echo/a?x=1", br#"{"id":1}"#).await;
        let body = answer.split_once("\r\n\r\n").expect("a body").1;
        let echoed: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(echoed["req_method"], "POST");
        assert_eq!(echoed["req_uri"], "/__echo/a?x=1");
        assert_eq!(echoed["req_body"], r#"{"id":1}"#);
        assert!(body.starts_with(r#"{"req_uri":"#), "{body}");
    });
}

#[test]
fn the_log_shows_what_arrived_without_secrets_and_not_the_whole_body() {
    let lines = Arc::new(Mutex::new(Vec::<String>::new()));
    let copy = Arc::clone(&lines);
    let log = siphon_telemetry::logs::subscriber_to(siphon_telemetry::LogSettings::default(), move |line| {
        copy.lock().expect("no panic").push(line.to_owned());
    });
    let _guard = tracing::subscriber::set_default(log);
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        exchange(&service, "POST", "/__debug/a?token=abc", br#"{"id":1}"#).await;
        exchange(&service, "POST", "/__debug", &[b'x'; 5_000]).await;
    });
    let lines = lines.lock().expect("no panic");
    let [short, long] = &lines[..] else { panic!("{lines:?}") };
    let expected =
        r#"INFO [SERVICE: Debug] request arrived method=POST url="/__debug/a?token=***" body={"id":1} length=8"#;
    assert!(short.contains(expected) && short.contains("authorization: ***"), "{short}");
    assert!(!short.contains("hidden") && !short.contains("abc"), "{short}");
    assert!(long.contains("length=5000") && long.len() < 2_000, "{long}");
}

#[test]
fn a_large_body_is_counted_and_a_larger_one_refused() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let large = vec![b'x'; 50_000_000];
        assert!(exchange(&service, "POST", "/__debug", &large).await.starts_with("HTTP/1.1 200 "));
        let mut stream = service.connect().await;
        let head = b"POST /__echo HTTP/1.1\r\nhost: test\r\ncontent-length: 5000000\r\n\r\n";
        stream.write_all(head).await.expect("the head is taken");
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.ends_with("the body is larger than 4194304 bytes"), "{answer}");
    });
}

#[test]
fn one_connection_serves_many_requests() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let mut stream = service.connect().await;
        for _ in 0..3 {
            stream.write_all(b"GET /__debug HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("the request is taken");
            let mut answer = String::new();
            while !answer.ends_with(r#"{"message":"pong"}"#) {
                let mut bytes = [0; 1_024];
                let length = stream.read(&mut bytes).await.expect("an answer");
                assert_ne!(length, 0, "the connection stays open");
                answer.push_str(std::str::from_utf8(&bytes[..length]).expect("text"));
            }
        }
    });
}

#[test]
fn a_client_that_never_finishes_its_request_is_disconnected() {
    let admin = Admin::bind(settings()).expect("a free port").with_head_timeout(Duration::from_millis(50));
    with_service(admin, async |service| {
        let mut stream = service.connect().await;
        stream.write_all(b"GET /__health HTTP/1.1\r\nhost:").await.expect("the start is taken");
        let answer = read_to_end(stream).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    });
}

#[test]
fn garbage_is_refused_and_others_are_still_served() {
    with_service(Admin::bind(settings()).expect("a free port"), async |service| {
        let mut stream = service.connect().await;
        stream.write_all(b"\x16\x03\x01 not http\r\n\r\n").await.expect("the bytes are taken");
        assert!(read_to_end(stream).await.starts_with("HTTP/1.1 400 "));
        assert!(exchange(&service, "GET", "/__health", b"").await.starts_with("HTTP/1.1 200 "));
    });
}

#[test]
fn stopping_lets_an_answer_under_way_finish_and_closes_idle_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let service = Service::start(Admin::bind(settings()).expect("a free port"));
        let idle = service.connect().await;
        let mut busy = service.connect().await;
        // The interim answer shows that the request is under way.
        let head = b"POST /__debug HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
        busy.write_all(head).await.expect("the head is taken");
        let mut interim = [0; 25];
        busy.read_exact(&mut interim).await.expect("an interim answer");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        let began = Instant::now();
        let Service { stop, task, address } = service;
        stop.send(()).expect("the service runs");
        assert_eq!(read_to_end(idle).await, "");
        assert!(TcpStream::connect(address).await.is_err(), "no new connections");
        busy.write_all(b"late").await.expect("the body is taken");
        assert!(read_to_end(busy).await.starts_with("HTTP/1.1 200 "));
        tokio::time::timeout(PATIENCE, task).await.expect("in time").expect("no panic").expect("it served");
        assert!(began.elapsed() < Duration::from_secs(4), "it did not wait for its limit");
    });
}

#[test]
fn a_taken_port_is_an_error_that_names_the_address() {
    let holder = Admin::bind(settings()).expect("a free port");
    let address = holder.local_addr();
    let error = Admin::bind(AdminSettings { port: address.port(), ..settings() }).expect_err("it is taken");
    assert!(matches!(error, BindError::Taken { .. }), "{error}");
    let expected =
        format!("cannot listen on {address}: it is taken; stop the program that holds it or set another \"port\"");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let elsewhere: IpAddr = "192.0.2.1".parse().expect("an address");
    let error = Admin::bind(AdminSettings { ip: Some(elsewhere), ..settings() }).expect_err("not ours");
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{error}");
}

#[test]
fn without_an_address_it_listens_on_all_of_them() {
    let admin = Admin::bind(AdminSettings { ip: None, ..settings() }).expect("a free port");
    let port = admin.local_addr().port();
    with_service(admin, async |_service| {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("it listens on loopback");
    });
}
