//! The HTTP client of the naive loops: hyper-util's, with its own pool.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Connections that may rest: more than there are workers.
const IDLE_CONNECTIONS: usize = 256;

/// A client and where it POSTs to. Cloned for each event.
#[derive(Debug, Clone)]
pub struct Backend {
    client: Client<HttpConnector, Full<Bytes>>,
    uri: Uri,
}

impl Backend {
    pub fn new(uri: Uri) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS).build(connector);
        Self { client, uri }
    }

    /// Whether the backend took the body: it answered with 2xx, and the answer was read to its end.
    pub async fn takes(self, body: Bytes) -> bool {
        let request = Request::post(self.uri).header("content-type", "application/json").body(Full::new(body));
        let Ok(request) = request else { return false };
        let Ok(answer) = self.client.request(request).await else { return false };
        let is_success = answer.status().is_success();
        answer.into_body().collect().await.is_ok() && is_success
    }
}
