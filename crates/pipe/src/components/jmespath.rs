//! `modifier/jmespath`: what an expression finds in the data takes their place (components-traffic.md §14).

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::changed_data::{Changed, refuse_without_data};
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::decode::wrap;
use crate::json::{Json, JsonRef, Object};
use crate::query::Query;
use crate::stage::Stage;

const NAMESPACE: &str = "modifier/jmespath";

pub(super) const AT_AGENT: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "replaces the data of the reply by what a JMESPath expression finds",
    schema,
    build: Build::Stage(build),
};

pub(super) const AT_BACKEND: Entry = Entry { level: Level::Backend, ..AT_AGENT };

/// `modifier/jmespath`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// The expression. Example: `lines[?count > ``5``].{sku: sku}`.
    expr: String,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    refuse_without_data(component, site)?;
    let query = Query::compile(&settings.expr).map_err(|message| vec![component.problem("expr", &message)])?;
    let change = move |data: Json| query.search(JsonRef::from(&data)).map(as_data);
    Ok(Box::new(Changed { change, source: NAMESPACE, inner }))
}

/// Data are an object: a list becomes its `collection`, another value its `content`, nothing an empty one.
fn as_data(found: Json) -> Json {
    if found.is_null() { Json::object(Object::new()) } else { wrap(found) }
}

#[cfg(test)]
mod tests {
    use siphon_config::model::{Backend, Encoding};

    use super::*;
    use crate::components::testing;
    use crate::error::{FailureKind, PipeError};
    use crate::fixture;
    use crate::message::{Reply, Request, Response};
    use crate::stage::{Context, StageFuture, ready};

    /// Answers always the same.
    struct Answers(Reply);

    impl Stage for Answers {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            ready(self.0.clone())
        }
    }

    fn built(expression: &str, inner: Reply) -> Checked<Box<dyn Stage>> {
        let settings = serde_json::json!({ "expr": expression }).to_string();
        let component = testing::component(NAMESPACE, &settings);
        testing::with_site(|site| build(&component, site, Box::new(Answers(inner))))
    }

    async fn reply(expression: &str, inner: Reply) -> Reply {
        testing::run(built(expression, inner).expect(expression).as_ref(), Request::new("")).await
    }

    fn data(text: &str) -> Reply {
        Ok(Response::complete(Json::parse(text.as_bytes()).expect(text))).into()
    }

    #[tokio::test]
    async fn what_is_found_becomes_the_data() {
        let cases = [
            ("{id: order.id}", r#"{"id":1.50}"#),
            ("order.lines", r#"{"collection":["a",2]}"#),
            ("order.id", r#"{"content":1.50}"#),
            ("order.nope", "{}"),
        ];
        for (expression, expected) in cases {
            let reply = reply(expression, data(r#"{"order":{"id":1.50,"lines":["a",2]}}"#)).await;
            let found = reply.response.map(|response| (response.data.to_string(), response.complete));
            assert_eq!(found, Some((expected.to_owned(), true)), "{expression}");
        }
    }

    #[tokio::test]
    async fn a_failed_call_stays_and_a_value_that_does_not_fit_fails_the_event() {
        let failed = reply("@", PipeError::NoHosts.into()).await;
        assert_eq!(failed.error.map(|error| error.to_string()).as_deref(), Some("no hosts available"));
        let failed = reply("sum(order)", data(r#"{"order":"x"}"#)).await.error.expect("an error");
        assert_eq!(failed.kind(), FailureKind::Invalid);
        assert!(failed.to_string().starts_with("modifier/jmespath: Argument 0 expects type"), "{failed}");
    }

    #[test]
    fn what_cannot_work_is_refused_at_load() {
        let problems = built("a[", data("{}")).err().expect("no expression");
        assert_eq!(problems[0].path, "b.expr");
        let component = testing::component(NAMESPACE, r#"{"expr": "a"}"#);
        let backend = Backend { encoding: Encoding::NoOp, ..fixture::backend("http://h", "/") };
        let inner = Box::new(Answers(data("{}")));
        let problems = testing::with_backend(&backend, |site| build(&component, site, inner)).err().expect("no data");
        assert!(problems[0].message.contains("no-op"), "{problems:?}");
    }
}
