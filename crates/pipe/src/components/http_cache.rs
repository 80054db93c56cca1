//! `qos/http-cache`: answers of a backend are used again for as long as it allows (components-traffic.md §6).
//!
//! Only an event with the same payload gets the same answer: to another one the backend has not spoken yet. Failures are
//! never kept.

mod freshness;
mod store;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use ::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::{Backend, Component};

use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use crate::stage::Context;

use freshness::{Kept, Wishes};
use store::{Key, Limits, Store};

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["qos/http-cache", "github.com/devopsfaith/krakend-httpcache"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "uses answers to GET and HEAD again for events with the same payload, as long as the backend allows",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// Bytes of one store without `max_size`: room for thousands of usual answers, and no danger to a small machine.
const USUAL_SIZE: u64 = 64 * 1024 * 1024;

/// Answers in one store without `max_items`.
const USUAL_ITEMS: u64 = 10_000;

/// `qos/http-cache`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Settings {
    /// Share answers with all backends of the process that say so with the same limits. Default: false.
    shared: bool,
    /// Most bytes that the answers may take, with headers. The one that was not used for longest goes first. At least
    /// 1024. Default: 64 MiB.
    max_size: Option<u64>,
    /// Most answers. At least 1. Default: 10000.
    max_items: Option<u64>,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// Around each hop: answers by itself when it can.
struct HttpCache {
    store: Arc<Mutex<Store>>,
    scope: u64,
    below: Box<dyn Exchange>,
}

impl Exchange for HttpCache {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        let wishes = Wishes::of(&call);
        if !wishes.may_use_cache {
            return self.below.exchange(call, context);
        }
        Box::pin(self.call(call, wishes, context))
    }
}

impl HttpCache {
    async fn call(&self, call: Outgoing, wishes: Wishes, context: &Context) -> Result<Answer, PipeError> {
        let key = Key::of(self.scope, &call);
        let kept = self.store().get(&key).filter(|kept| kept.is_for(&call.headers));
        match kept {
            None => {
                let answer = self.below.exchange(call.clone(), context).await?;
                self.keep(key, &call, answer).await
            }
            Some(kept) if kept.is_fresh(wishes, SystemTime::now()) => Ok(kept.answer(&call)),
            Some(kept) => self.revalidate(key, call, kept, context).await,
        }
    }

    /// Asks whether the kept answer still holds.
    async fn revalidate(
        &self,
        key: Key,
        call: Outgoing,
        kept: Arc<Kept>,
        context: &Context,
    ) -> Result<Answer, PipeError> {
        let (question, can_hold) = kept.question(&call);
        let answer = self.below.exchange(question, context).await;
        let now = SystemTime::now();
        match answer {
            Ok(answer) if can_hold && answer.status == StatusCode::NOT_MODIFIED => {
                let renewed = Arc::new(kept.renewed(&answer.headers, now));
                answer.discard().await;
                self.store().put(key, Arc::clone(&renewed));
                Ok(renewed.answer(&call))
            }
            Ok(answer) if answer.status.is_server_error() && kept.may_stand_in(now) => {
                answer.discard().await;
                Ok(kept.answer(&call))
            }
            Ok(answer) => {
                self.store().remove(&key);
                self.keep(key, &call, answer).await
            }
            Err(_) if kept.may_stand_in(now) => Ok(kept.answer(&call)),
            Err(error) => Err(error),
        }
    }

    /// Keeps the answer when its backend allows it.
    async fn keep(&self, key: Key, call: &Outgoing, answer: Answer) -> Result<Answer, PipeError> {
        let mut answer = answer;
        let now = SystemTime::now();
        if freshness::may_be_kept(answer.status, &answer.headers) {
            let body = answer.load().await?;
            let kept = Kept::new(call, answer.status, answer.headers.clone(), body, now);
            self.store().put(key, Arc::new(kept));
        }
        Ok(answer)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let limits = limits(&settings).map_err(|(key, message)| vec![component.problem(key, &message)])?;
    let store = if settings.shared { shared(limits) } else { Arc::new(Mutex::new(Store::new(limits))) };
    let scope = site.backend.map(scope).unwrap_or_default();
    Ok(Box::new(HttpCache { store, scope, below }))
}

fn limits(settings: &Settings) -> Result<Limits, (&'static str, String)> {
    let limits =
        Limits { bytes: settings.max_size.unwrap_or(USUAL_SIZE), items: settings.max_items.unwrap_or(USUAL_ITEMS) };
    match limits {
        Limits { bytes: ..1024, .. } => {
            Err(("max_size", format!("{} bytes hold no answer; 1024 at least", limits.bytes)))
        }
        Limits { items: 0, .. } => Err(("max_items", "0 answers are no cache; remove qos/http-cache".to_owned())),
        _ => Ok(limits),
    }
}

/// The store of all backends that share and have these limits. It ends with the last of them.
fn shared(limits: Limits) -> Arc<Mutex<Store>> {
    static SHARED: Mutex<BTreeMap<Limits, Weak<Mutex<Store>>>> = Mutex::new(BTreeMap::new());
    let mut stores = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(&limits).and_then(Weak::upgrade) {
        return store;
    }
    let store = Arc::new(Mutex::new(Store::new(limits)));
    stores.insert(limits, Arc::downgrade(&store));
    store
}

/// Whose answers these are, in a store that others use too: what a backend says to who has a token is not for others.
fn scope(backend: &Backend) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let has_credentials = backend.components.iter().any(|component| component.namespace.starts_with("auth/"));
    if has_credentials { NEXT.fetch_add(1, Ordering::Relaxed) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing;
    use crate::fixture;
    use crate::http::{Client, ClientSettings};

    #[track_caller]
    fn refused(settings: &str, path: &str, message: &str) {
        let component = testing::component(ENTRY.namespaces[0], settings);
        let below = Client::new(ClientSettings::from(&fixture::http()));
        let problems = testing::with_site(|site| build(&component, site, Box::new(below))).err().expect(settings);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    }

    #[test]
    fn what_is_no_cache_is_refused_at_load() {
        refused(r#"{"max_size": 20}"#, "b.max_size", "20 bytes hold no answer");
        refused(r#"{"max_items": 0}"#, "b.max_items", "0 answers are no cache");
        refused(r#"{"max_items": -1}"#, "b.max_items", "-1");
        refused(r#"{"shared": "yes"}"#, "b.shared", "invalid type");
    }

    #[test]
    fn stores_are_shared_by_those_with_the_same_limits_and_end_with_them() {
        let limits = |items| Limits { bytes: 4_321, items };
        let first = shared(limits(1));
        assert!(Arc::ptr_eq(&first, &shared(limits(1))) && !Arc::ptr_eq(&first, &shared(limits(2))));
        let ended = Arc::downgrade(&first);
        drop(first);
        assert!(ended.upgrade().is_none());
    }

    #[test]
    fn a_backend_with_credentials_shares_with_nobody() {
        let plain = fixture::backend("http://h", "/");
        let auth = testing::component("auth/client-credentials", "{}");
        let secret = Backend { components: vec![auth], ..plain.clone() };
        assert_eq!((scope(&plain), scope(&plain)), (0, 0));
        assert!(scope(&secret) != 0 && scope(&secret) != scope(&secret));
    }
}
