use super::*;
use crate::components::{Build, Entry, UnknownKeys};
use crate::fixture::{agent, backend, http, map};
use crate::json::Json;
use crate::message::Response;
use crate::stage::StageFuture;
use siphon_config::model::Component;

fn component(namespace: &str) -> Component {
    Component { namespace: namespace.into(), path: format!("async_agent[0].extra_config.{namespace}"), settings: map() }
}

/// Puts its name around what comes up.
struct Named {
    name: String,
    inner: Box<dyn Stage>,
}

impl Stage for Named {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let mut reply = self.inner.call(request, context).await;
            let response = reply.response.get_or_insert_default();
            response.data = Json::field(self.name.as_str(), std::mem::take(&mut response.data));
            reply
        })
    }
}

const fn named(namespaces: &'static [&'static str], level: Level) -> Entry {
    let build = Build::Stage(|component, _, inner| Ok(Box::new(Named { name: component.namespace.clone(), inner })));
    Entry { namespaces, level, unknown_keys: UnknownKeys::Warn, effect: "puts its name around", schema, build }
}

fn schema() -> serde_json::Value {
    serde_json::json!(true)
}

/// A transport that answers with its own name.
const fn answering(namespaces: &'static [&'static str]) -> Entry {
    let build = Build::Transport(|component, _| Ok(Box::new(Answers(component.namespace.clone()))));
    Entry { namespaces, level: Level::Backend, unknown_keys: UnknownKeys::Warn, effect: "answers", schema, build }
}

struct Answers(String);

impl Stage for Answers {
    fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
        crate::stage::ready(Ok(Response::complete(Json::field("by", Json::string(self.0.as_str())))))
    }
}

const KNOWN: Known<'static> = Known { table: &TABLE, transports: &NoTransports };

static TABLE: [Entry; 5] = [
    named(&["outer"], Level::Agent),
    named(&["first", "github.com/first"], Level::Backend),
    named(&["second"], Level::Backend),
    answering(&["here"]),
    answering(&["there"]),
];

#[tokio::test]
async fn a_transport_answers_instead_of_the_backend_below_its_stages() {
    let mut one = backend("http://127.0.0.1:1", "/");
    one.components = vec![component("there"), component("second")];
    let pipe =
        assemble(&agent(vec![one]), ClientSettings::from(&http()), KNOWN, PipeMetrics::default()).expect("a pipe");
    let reply = pipe.run(Request::new(""), Instant::now() + std::time::Duration::from_secs(9)).await;
    let data = reply.response.map(|response| response.data.to_string());
    assert_eq!(data.as_deref(), Some(r#"{"second":{"by":"there"}}"#));
}

#[test]
fn two_transports_for_one_backend_are_refused() {
    let mut one = backend("http://h", "/");
    one.components = vec![component("there"), component("here")];
    let problems = assemble(&agent(vec![one]), ClientSettings::from(&http()), KNOWN, PipeMetrics::default())
        .err()
        .expect("refused");
    let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(said, ["here answers for this backend already; keep one"]);
}

#[tokio::test]
async fn stages_stand_in_the_order_of_the_table_whatever_the_order_of_the_file() {
    let mut one = backend("http://h", "/");
    one.components = vec![component("second"), component("github.com/first")];
    one.hosts.clear();
    let mut agent = agent(vec![one]);
    agent.components = vec![component("outer")];
    let pipe = assemble(&agent, ClientSettings::from(&http()), KNOWN, PipeMetrics::default()).expect("a pipe");
    let reply = pipe.run(Request::new(""), Instant::now() + std::time::Duration::from_secs(9)).await;
    // The request is prepared outside of the backend's components: without hosts they are not reached.
    assert_eq!(reply.response.map(|response| response.data.to_string()).as_deref(), Some(r#"{"outer":null}"#));
    assert_eq!(reply.error.map(|error| error.to_string()).as_deref(), Some("no hosts available"));
    let described = pipe.describe();
    let names = |list: &[(&'static str, &'static str)]| list.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(&described.components), ["outer"]);
    assert_eq!(names(&described.backends[0].components), ["first", "second"]);
}

#[track_caller]
fn refused(agent: &Agent, expected: &[(&str, &str)]) {
    let problems = Pipe::build(agent, &http()).err().expect("must be refused");
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, (path, message)) in problems.iter().zip(expected) {
        assert!(problem.path == *path && problem.message.contains(message), "{problem:?}");
    }
}

#[test]
fn an_agent_without_backends_is_refused() {
    refused(&agent(Vec::new()), &[("async_agent[0]", "all endpoints must have at least one backend")]);
}

#[test]
fn all_problems_come_at_once() {
    let bad_method = Backend { method: "GE T".into(), ..backend("http://h", "/") };
    let bad_host = Backend { path: "b[1]".into(), ..backend("ws://h", "/%zz") };
    let unknown = Backend { components: vec![component("qos/nonesuch")], ..backend("http://h", "/") };
    let mut agent = agent(vec![bad_method, bad_host, unknown]);
    agent.components = vec![component("backend/http/client")];
    refused(
        &agent,
        &[
            ("async_agent[0].backend[0].method", "invalid method \"GE T\""),
            ("b[1]", "invalid URL escape \"%zz\""),
            ("b[1]", "a ws host is not in this build"),
            ("async_agent[0].extra_config.qos/nonesuch", "qos/nonesuch is not in this build"),
            ("async_agent[0].extra_config.backend/http/client", "does nothing at this level"),
        ],
    );
}

#[cfg(feature = "cel")]
#[test]
fn what_the_components_of_an_agent_find_is_told_beside_what_is_wrong_with_its_backends() {
    let cel = |text: &str| crate::components::testing::component("validation/cel", text);
    let bad = Backend { components: vec![cel(r#"[{"check_expr": "2"}]"#)], ..backend("http://h", "/") };
    let mut agent = agent(vec![bad]);
    agent.components = vec![cel(r#"[{"check_expr": "1 =="}, {"check_expr": "nope"}]"#)];
    refused(
        &agent,
        &[
            ("b[0].check_expr", "is a number and no bool"),
            ("b[0].check_expr", "(line 1, column "),
            ("b[1].check_expr", "there is no variable \"nope\""),
        ],
    );
}

#[test]
fn a_pipe_can_be_described_without_calling_anybody() {
    let mut first = backend("http://h:81", "a/{Id}?q");
    first.url_pattern_as_written = "a/{id}?q".into();
    (first.group, first.deny, first.allow) = ("g".into(), vec!["d".into()], vec!["a".into()]);
    first.components = vec![component("backend/http/client")];
    let second = Backend { encoding: Encoding::NoOp, is_collection: true, ..backend("http://x", "/b") };
    let pipe = Pipe::build(&agent(vec![first, second]), &http()).expect("a pipe");
    let described: Vec<_> = pipe.describe().backends.iter().collect();
    assert_eq!(described[0].urls, ["http://h:81/a/{id}?q"]);
    assert_eq!((described[0].encoding, described[1].encoding), ("json", "no-op"));
    assert_eq!((described[0].filters.as_slice(), described[1].filters.len()), (["allow", "group"].as_slice(), 0));
    assert_eq!(described[0].components, [("backend/http/client", "sets redirects, TLS, proxy and HTTP version")]);
    assert!(described[1].is_collection);
}

#[test]
fn a_pipe_is_described_without_secrets() {
    let mut one = backend("http://h:81", "/a?api_key=hunter2&q=1");
    one.url_pattern_as_written = "/a?api_key=hunter2&q=1".into();
    let pipe = Pipe::build(&agent(vec![one]), &http()).expect("a pipe");
    assert_eq!(pipe.describe().backends[0].urls, ["http://h:81/a?api_key=***&q=1"]);
}

#[test]
fn every_component_of_the_table_has_a_name_a_schema_and_an_effect() {
    for entry in component_table() {
        assert!(!entry.namespaces.is_empty() && !entry.effect.is_empty());
        assert!((entry.schema)().is_object(), "{:?}", entry.namespaces);
    }
}

mod exchanges;
