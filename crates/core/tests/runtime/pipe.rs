//! Modifiers and HTTP clients of the SDK, through the real tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use siphon_core::abi::ErrorKind;
use siphon_core::plugin::{Changes, Each, LendReply, Registry};
use siphon_sdk::{Answer, Context, Error, Finding, HttpClient, Modifier, Refusal, Reply, Request, Sides};
use siphon_testkit::pipe::{
    PlainReply, PlainRequest, call, change_reply, change_request, client, findings, modifier, named,
};
use tokio::time::Instant;

/// What a plugin does with whatever comes.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Does {
    #[default]
    Nothing,
    Look,
    Change,
    ChangeLater,
    Fail,
    Panic,
    Stall,
}

#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Config {
    does: Does,
    refuse: bool,
}

struct Both(Does);

async fn trouble(does: Does) -> Result<(), Refusal> {
    match does {
        Does::Panic => panic!("told to panic"),
        Does::Fail => Err(Refusal::new("{\"no\":1}").status(422).content_type("application/json")),
        Does::Stall => std::future::pending().await,
        Does::ChangeLater => {
            tokio::task::yield_now().await; // needs a second poll, which only the plugin's own thread gives
            Ok(())
        }
        Does::Nothing | Does::Look | Does::Change => Ok(()),
    }
}

impl Modifier for Both {
    const NAMES: &'static [&'static str] = &["both", "beide"];
    const LABEL: &'static str = "Both";
    const SIDES: Sides = Sides::Both;
    type Config = Config;

    fn check(config: &Config, context: &Context) -> Vec<Finding> {
        assert_eq!((context.agent.as_str(), context.namespace.as_str()), ("test", "both"));
        if config.refuse { vec![Finding::error("refuse", "told to refuse")] } else { Vec::new() }
    }

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        Ok(Self(config.does))
    }

    async fn request(&self, request: &mut Request) -> Result<(), Refusal> {
        trouble(self.0).await?;
        if matches!(self.0, Does::Change | Does::ChangeLater) {
            let seen = format!(
                "{} {} {} {:?} {:?} {:?} {}",
                request.method(),
                request.url(),
                request.path(),
                request.query().collect::<Vec<_>>(),
                request.header("x-a"),
                request.param("topic"),
                String::from_utf8_lossy(request.body()),
            );
            assert!(request.time_left() > Duration::ZERO);
            request.set_method("PUT");
            request.set_url("http://h/b");
            request.add_query("c", "3");
            request.set_header("X-A", "2");
            request.set_header("x-new", vec![0xe9]);
            request.remove_header("x-gone");
            request.set_param("key", "k");
            request.set_body(seen);
        }
        Ok(())
    }

    async fn reply(&self, reply: &mut Reply) -> Result<(), Refusal> {
        trouble(self.0).await?;
        match self.0 {
            Does::Look => assert_eq!(reply.data_text(), "{\"n\":1.50}"),
            Does::Change => {
                let data: serde_json::Value = reply.data()?;
                let was = (reply.status(), reply.is_complete(), reply.header("x-r").map(<[u8]>::to_vec));
                assert_eq!(was, (None, true, Some(b"r".to_vec())));
                let raw = reply.raw().map(<[u8]>::len);
                reply.set_data(&serde_json::json!({"was": data, "asked": reply.request().url(), "raw": raw}))?;
                reply.set_status(201);
                reply.set_complete(false);
                reply.set_header("x-r", "s");
                reply.set_raw("raw");
            }
            _ => {}
        }
        Ok(())
    }
}

struct Caller(Does);

impl HttpClient for Caller {
    const NAMES: &'static [&'static str] = &["caller"];
    const LABEL: &'static str = "Caller";
    type Config = Config;

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        Ok(Self(config.does))
    }

    async fn call(&self, request: Request) -> Result<Answer, Refusal> {
        trouble(self.0).await?;
        assert!(tokio::runtime::Handle::try_current().is_ok(), "clients need the plugin's runtime");
        Ok(Answer::new(202, format!("{} {}", request.method(), request.url())).header("x-r", "1").header("x-r", "2"))
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let components = vec![siphon_sdk::modifier::<Both>(), siphon_sdk::http_client::<Caller>()];
    registry.add_in_process("pipe", components).unwrap();
    registry
}

fn request() -> PlainRequest {
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    PlainRequest {
        method: "POST".into(),
        url: "http://h:80/a/b?q=1".into(),
        query: pairs(&[("b", "2")]),
        headers: pairs(&[("x-a", "1"), ("x-gone", "1"), ("x-stays", "1")]),
        params: pairs(&[("Topic", "orders")]),
        body: b"payload".to_vec(),
    }
}

fn reply() -> PlainReply {
    let headers = vec![("x-r".to_owned(), "r".to_owned())];
    PlainReply { is_complete: true, headers, data: "{\"n\":1.50}".into(), ..PlainReply::default() }
}

#[tokio::test]
async fn a_modifier_that_leaves_everything_alone_leaves_nothing_behind() {
    let modifier = modifier(&registry(), "both", "{}");
    assert!(modifier.has_requests() && modifier.has_replies());
    let (request, reply) = (Arc::new(request()), Arc::new(reply()));
    let deadline = Instant::now() + Duration::from_secs(30);
    assert_eq!(modifier.request(request.clone(), deadline).await, Ok(None));
    assert_eq!(modifier.reply(request.clone(), reply.clone(), deadline).await, Ok(None));
    assert_eq!((Arc::strong_count(&request), Arc::strong_count(&reply)), (1, 1), "what was lent is released");
}

#[tokio::test]
async fn a_modifier_sees_every_part_and_changes_every_part() {
    for does in ["change", "change-later"] {
        let modifier = modifier(&registry(), "beide", &format!(r#"{{"does": "{does}"}}"#));
        let changes = change_request(&modifier, &request()).await.unwrap().unwrap();
        let text = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>())
        };
        let header = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
        let seen = "POST http://h:80/a/b?q=1 /a/b [(\"b\", \"2\")] Some([49]) Some(\"orders\") payload";
        let expected = Changes {
            method: Some("PUT".into()),
            url: Some("http://h/b".into()),
            query: text(&[("b", "2"), ("c", "3")]),
            headers: Some(vec![header("x-stays", b"1"), header("X-A", b"2"), header("x-new", &[0xe9])]),
            params: text(&[("Topic", "orders"), ("Key", "k")]),
            body: Some(seen.into()),
            ..Changes::default()
        };
        assert_eq!(changes, expected);
    }
}

#[tokio::test]
async fn a_reply_is_changed_in_every_part_and_knows_its_request() {
    let modifier = modifier(&registry(), "both", r#"{"does": "change"}"#);
    let changes = change_reply(&modifier, &request(), &reply()).await.unwrap().unwrap();
    let data: serde_json::Value = serde_json::from_slice(&changes.data.clone().unwrap()).unwrap();
    assert_eq!(data, serde_json::json!({"was": {"n": 1.50}, "asked": "http://h:80/a/b?q=1", "raw": null}));
    let expected = Changes {
        status: Some(201),
        complete: Some(false),
        headers: Some(vec![(b"x-r".to_vec(), b"s".to_vec())]),
        body: Some("raw".into()),
        data: changes.data.clone(),
        ..Changes::default()
    };
    assert_eq!(changes, expected);
}

/// Counts how often its data is asked for.
struct Counting(AtomicUsize);

impl LendReply for Counting {
    fn status(&self) -> Option<u16> {
        None
    }

    fn is_complete(&self) -> bool {
        true
    }

    fn headers<'a>(&'a self, _: Each<'_, 'a>) {}

    fn raw(&self) -> Option<&[u8]> {
        None
    }

    fn data(&self) -> &[u8] {
        self.0.fetch_add(1, Ordering::Relaxed);
        b"{\"n\":1.50}"
    }
}

#[tokio::test]
async fn a_replys_data_is_written_only_for_who_looks_at_it() {
    for (does, asked) in [("nothing", 0), ("look", 1)] {
        let modifier = modifier(&registry(), "both", &format!(r#"{{"does": "{does}"}}"#));
        let (request, reply) = (Arc::new(request()), Arc::new(Counting(AtomicUsize::new(0))));
        let ended = modifier.reply(request, reply.clone(), Instant::now() + Duration::from_secs(30)).await;
        assert_eq!((ended, reply.0.load(Ordering::Relaxed)), (Ok(None), asked), "{does}");
    }
}

#[tokio::test]
async fn what_goes_wrong_in_a_plugin_fails_the_event_with_a_sentence() {
    let registry = registry();
    for (does, kind, message) in
        [("fail", ErrorKind::FATAL, "{\"no\":1}"), ("panic", ErrorKind::PANIC, "the plugin panicked: told to panic")]
    {
        let config = format!(r#"{{"does": "{does}"}}"#);
        let (modifier, client) = (modifier(&registry, "both", &config), client(&registry, "caller", &config));
        for refused in [
            change_request(&modifier, &request()).await.unwrap_err(),
            change_reply(&modifier, &request(), &reply()).await.unwrap_err(),
            call(&client, &request()).await.unwrap_err(),
        ] {
            assert_eq!((refused.kind, refused.message.as_str()), (kind, message));
            let details = (kind == ErrorKind::FATAL).then(|| (422, "application/json".to_owned()));
            assert_eq!(refused.status.zip(refused.content_type), details);
        }
    }
}

#[tokio::test]
async fn a_plugin_that_never_answers_is_given_up_at_the_deadline_and_releases_what_it_was_lent() {
    let config = r#"{"does": "stall"}"#;
    let (modifier, client) = (modifier(&registry(), "both", config), client(&registry(), "caller", config));
    let lent: Arc<PlainRequest> = Arc::new(request());
    let deadline = || Instant::now() + Duration::from_millis(20);
    let refused = [
        modifier.request(lent.clone(), deadline()).await.unwrap_err(),
        client.call(lent.clone(), deadline()).await.unwrap_err(),
    ];
    for refused in refused {
        assert_eq!(
            (refused.kind, refused.message.as_str()),
            (ErrorKind::TIMED_OUT, "gave no answer within the event's time")
        );
    }
    drop((modifier, client)); // freed while calls may be under way
    let released = tokio::time::timeout(Duration::from_secs(30), async {
        while Arc::strong_count(&lent) > 1 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(released.await, Ok(()));
}

#[tokio::test]
async fn a_client_answers_from_the_plugins_thread() {
    let client = client(&registry(), "caller", r#"{"does": "change-later"}"#);
    let changes = call(&client, &request()).await.unwrap();
    let header = |value: &[u8]| (b"x-r".to_vec(), value.to_vec());
    assert_eq!((changes.status, changes.headers), (Some(202), Some(vec![header(b"1"), header(b"2")])));
    assert_eq!(changes.body.as_deref(), Some(&b"POST http://h:80/a/b?q=1"[..]));
}

#[tokio::test]
async fn a_configuration_is_checked_with_its_path() {
    let registry = registry();
    let plugin = named(&registry, siphon_core::abi::Kind::MODIFIER, "both");
    let found = |config: &str| findings(&plugin, config);
    assert_eq!(found(r#"{"refuse": true}"#), [("refuse".to_owned(), "told to refuse".to_owned())]);
    let wrong = found(r#"{"does": "sneeze"}"#);
    assert!(wrong.len() == 1 && wrong[0].0 == "does" && wrong[0].1.contains("unknown variant `sneeze`"), "{wrong:?}");
    assert_eq!(found("{}"), []);
}
