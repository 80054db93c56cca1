//! A gRPC service that speaks HTTP/2 and knows the types of `config/examples/orders.pb`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, Response};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub fn descriptor_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples/orders.pb")
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(std::fs::read(descriptor_set()).expect("the set").as_slice()).expect("a set")
}

/// What came: path, headers, message.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    headers: HeaderMap,
    pub order: DynamicMessage,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// What the service does with an order.
#[derive(Clone, Copy)]
pub enum Does {
    /// Gives it back in a receipt.
    Echoes,
    /// A status and a message, in trailers of their own.
    Refuses(&'static str, &'static str),
    /// Ends the reply without a status.
    ForgetsTheStatus,
    /// HTTP that is no gRPC.
    IsNoGrpc,
}

#[derive(Clone)]
pub struct Service {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Service {
    pub async fn start(does: Does, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let service = Self { address: listener.local_addr().expect("an address"), seen: Arc::default() };
        let ours = service.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ours, tls) = (ours.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => ours.serve(stream, does).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                ours.serve(stream, does).await;
                            }
                        }
                    }
                });
            }
        });
        service
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, does: Does) {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(self.clone().answer(request, respond, does));
        }
    }

    async fn answer(
        self,
        request: HttpRequest<h2::RecvStream>,
        mut respond: h2::server::SendResponse<Bytes>,
        does: Does,
    ) {
        let (head, mut body) = request.into_parts();
        let mut framed = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.expect("data");
            _ = body.flow_control().release_capacity(data.len());
            framed.extend_from_slice(&data);
        }
        let order = pool().get_message_by_name("shop.Order").expect("the type");
        let order = DynamicMessage::decode(order, &framed[5..]).expect("an order");
        let seen = Seen { path: head.uri.path().to_owned(), headers: head.headers, order: order.clone() };
        self.seen.lock().expect("whole").push(seen);
        let grpc = || Response::builder().header("content-type", "application/grpc");
        match does {
            Does::Echoes => {
                let mut stream = respond.send_response(grpc().body(()).expect("a head"), false).expect("sent");
                stream.send_data(receipt(order), false).expect("sent");
                stream.send_trailers(status("0", "")).expect("sent");
            }
            Does::Refuses(code, message) => {
                let mut head = grpc().body(()).expect("a head");
                head.headers_mut().extend(status(code, message));
                respond.send_response(head, true).expect("sent");
            }
            Does::ForgetsTheStatus => {
                let mut stream = respond.send_response(grpc().body(()).expect("a head"), false).expect("sent");
                stream.send_data(receipt(order), true).expect("sent");
            }
            Does::IsNoGrpc => {
                let head = Response::builder().status(503).header("content-type", "text/html").body(());
                respond.send_response(head.expect("a head"), true).expect("sent");
            }
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("whole").clone()
    }
}

fn receipt(order: DynamicMessage) -> Bytes {
    let mut receipt = DynamicMessage::new(pool().get_message_by_name("shop.Receipt").expect("the type"));
    receipt.set_field_by_name("order", Value::Message(order));
    receipt.set_field_by_name("number", Value::String("R-1".into()));
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(receipt.encoded_len() as u32);
    framed.extend_from_slice(&receipt.encode_to_vec());
    framed.freeze()
}

fn status(code: &'static str, message: &'static str) -> HeaderMap {
    let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    HeaderMap::from_iter([pair("grpc-status", code), pair("grpc-message", message)])
}

/// What a file needs at its root.
pub fn root() -> String {
    let path = serde_json::to_string(&descriptor_set()).expect("text");
    format!(r#""timeout": "20s", "extra_config": {{"grpc": {{"catalog": [{path}]}}}},"#)
}

pub fn backend(host: &str, grpc: &str) -> String {
    backend_at(&format!("\"{host}\""), "/shop.Orders/Place", grpc)
}

/// `hosts` and `grpc` are JSON.
pub fn backend_at(hosts: &str, pattern: &str, grpc: &str) -> String {
    format!(r#"{{"host": [{hosts}], "url_pattern": "{pattern}", "extra_config": {{"backend/grpc": {grpc}}}}}"#)
}
