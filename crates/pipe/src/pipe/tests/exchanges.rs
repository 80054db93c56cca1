//! Layers of an HTTP call, without any connection.

use super::*;
use crate::components::Layer;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use bytes::Bytes;

/// Writes its name into the call's headers on the way down, and into the answer's body on the way up.
struct Signed {
    name: String,
    below: Box<dyn Exchange>,
}

impl Exchange for Signed {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        Box::pin(async move {
            let mut call = call;
            let name = if call.is_abroad { format!("{} abroad", self.name) } else { self.name.clone() };
            let value = HeaderValue::from_str(&name).expect("text");
            Arc::make_mut(&mut call.headers).append("x-through", value);
            let mut answer = self.below.exchange(call.clone(), context).await?;
            let body = answer.load().await?;
            let body = [name.as_bytes(), b">", &body].concat();
            Ok(Answer::from_memory(&call, answer.status, answer.headers, body.into()))
        })
    }
}

/// Redirects `/` to another host; answers everything else with the names that it passed.
struct Scripted;

impl Exchange for Scripted {
    fn exchange<'a>(&'a self, call: Outgoing, _: &'a Context) -> ExchangeFuture<'a> {
        let mut headers = HeaderMap::new();
        let through: Vec<_> = call.headers.get_all("x-through").iter().map(HeaderValue::as_bytes).collect();
        let (status, body) = match call.url.path() {
            "/" => {
                headers.insert("location", HeaderValue::from_static("http://elsewhere/x"));
                (StatusCode::FOUND, Bytes::new())
            }
            _ => (StatusCode::OK, through.join(&b","[..]).into()),
        };
        Box::pin(std::future::ready(Ok(Answer::from_memory(&call, status, headers, body))))
    }
}

const fn entry(namespaces: &'static [&'static str], layer: Layer) -> Entry {
    let build = Build::Exchange(layer);
    Entry { namespaces, level: Level::Backend, unknown_keys: UnknownKeys::Warn, effect: "layers", schema, build }
}

fn signed(component: &Component, _: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    Ok(Box::new(Signed { name: component.namespace.clone(), below }))
}

static LAYERS: [Entry; 7] = [
    entry(&["call"], Layer::AroundCall(signed)),
    entry(&["hop"], Layer::AroundHop(signed)),
    entry(&["token"], Layer::AroundHop(signed)),
    entry(&["script"], Layer::AroundHop(|_, _, _| Ok(Box::new(Scripted)))),
    entry(&["plugin"], Layer::Instead(|_, _| Ok(Box::new(Scripted)))),
    entry(&["other-plugin"], Layer::Instead(|_, _| Ok(Box::new(Scripted)))),
    answering(&["transport"]),
];

fn built(pattern: &str, namespaces: &[&str]) -> Checked<Pipe> {
    let mut one = Backend { encoding: Encoding::String, method: "GET".into(), ..backend("http://h", pattern) };
    one.components = namespaces.iter().map(|namespace| component(namespace)).collect();
    let known = Known { table: &LAYERS, transports: &NoTransports };
    assemble(&agent(vec![one]), ClientSettings::from(&http()), known, PipeMetrics::default())
}

async fn content(pattern: &str, namespaces: &[&str]) -> Result<String, String> {
    let pipe = built(pattern, namespaces).expect("a pipe");
    let reply = pipe.run(Request::new(""), Instant::now() + std::time::Duration::from_secs(9)).await;
    match reply.error {
        Some(error) => Err(error.to_string()),
        None => Ok(reply.response.expect("one").data.to_string()),
    }
}

#[tokio::test]
async fn a_layer_around_the_call_sees_it_once_and_one_around_hops_sees_each_request() {
    let names = ["script", "token", "call", "hop"];
    let text = content("/a", &names).await;
    assert_eq!(text.as_deref(), Ok(r#"{"content":"call>hop>token>call,hop,token"}"#));
    // The second hop carries what the first was sent with, and its layers know that the host is another one.
    let text = content("/", &names).await;
    assert_eq!(text.as_deref(), Ok(r#"{"content":"call>hop abroad>token abroad>call,hop abroad,token abroad"}"#));
}

#[tokio::test]
async fn a_caller_of_its_own_stands_below_the_layers_of_the_call_and_knows_no_redirects() {
    assert_eq!(content("/a", &["plugin", "call"]).await.as_deref(), Ok(r#"{"content":"call>call"}"#));
    let error = content("/", &["plugin"]).await;
    assert!(error.as_ref().is_err_and(|text| text.starts_with("invalid status code 302")), "{error:?}");
}

#[tokio::test]
async fn an_answer_from_memory_is_read_again_and_again_and_unpacked_once() {
    let packed = {
        let mut packer = flate2::read::GzEncoder::new(&b"{\"a\":1}"[..], flate2::Compression::fast());
        let mut packed = Vec::new();
        std::io::Read::read_to_end(&mut packer, &mut packed).expect("packed");
        packed
    };
    let url = "http://h/".parse().expect("a url");
    let call = Outgoing::new(Method::GET, url, Arc::default(), Bytes::new());
    let headers = HeaderMap::from_iter([(::http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    let mut answer = Answer::from_memory(&call, StatusCode::OK, headers, packed.into());
    for _ in 0..2 {
        assert_eq!(answer.load().await.expect("unpacked"), "{\"a\":1}");
    }
    assert!(answer.headers.is_empty());
    assert_eq!(answer.read().await.expect("in memory"), "{\"a\":1}");
}

#[test]
fn what_would_be_left_out_silently_is_refused() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["plugin", "hop", "token"], &["has no effect beside plugin; remove one of them"; 2]),
        (&["plugin", "other-plugin"], &["plugin answers for this backend already; keep one"]),
        (&["transport", "call"], &["has no effect beside transport; remove one of them"]),
    ];
    for (namespaces, expected) in cases {
        let problems = built("/a", namespaces).err().expect("refused");
        let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(said, expected, "{namespaces:?}");
    }
}
