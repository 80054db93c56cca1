//! `modifier/response-body`: texts inside the data are changed, one after another (components-traffic.md §14).

mod replacement;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::changed_data::{Changed, refuse_without_data};
use super::{Build, Checked, Entry, Level, Site, UnknownKeys};
use crate::http::REPLY_LIMIT;
use crate::json::{Json, View};
use crate::stage::Stage;

const NAMESPACE: &str = "modifier/response-body";

pub(super) const AT_AGENT: Entry = Entry {
    namespaces: &[NAMESPACE],
    level: Level::Agent,
    unknown_keys: UnknownKeys::Warn,
    effect: "changes texts inside the data of the reply",
    schema,
    build: Build::Stage(build),
};

pub(super) const AT_BACKEND: Entry = Entry { level: Level::Backend, ..AT_AGENT };

/// `modifier/response-body`.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// The changes, in their order. Each is an object with one key: `literal`, `regexp`, `trim`, `upper` or `lower`.
    modifiers: Vec<Modifier>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Modifier {
    /// Replaces each `find` by `replace`.
    Literal(Replacement),
    /// Replaces each match of the regular expression `find` by `replace`, in which `${1}` is the first group and `$$` is
    /// `$`. A name without braces is as long as it can be: `$1_x` is a group of the name `1_x`.
    Regexp(Replacement),
    /// Takes the characters of `find` away at both ends.
    Trim(Trimming),
    /// Makes letters capitals.
    Upper(Place),
    /// Makes letters small.
    Lower(Place),
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Replacement {
    /// Keys of objects with dots between. Example: `customer.name`.
    field: String,
    find: String,
    replace: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Trimming {
    /// Keys of objects with dots between. Example: `customer.name`.
    field: String,
    find: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    /// Keys of objects with dots between. Example: `customer.name`.
    field: String,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

fn build(component: &Component, site: &Site<'_>, inner: Box<dyn Stage>) -> Checked<Box<dyn Stage>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    refuse_without_data(component, site)?;
    if settings.modifiers.is_empty() {
        return Err(vec![component.problem("modifiers", "is empty; name a change, or remove the component")]);
    }
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for (index, modifier) in settings.modifiers.into_iter().enumerate() {
        match step(modifier) {
            Ok(step) => steps.push(step),
            Err((key, message)) => problems.push(component.problem(&format!("modifiers[{index}].{key}"), &message)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let change = move |mut data: Json| {
        steps.iter().try_for_each(|step| step.apply(&mut data))?;
        Ok(data)
    };
    Ok(Box::new(Changed { change, source: NAMESPACE, inner }))
}

/// A text at a place of the data, and what becomes of it.
struct Step {
    path: Vec<String>,
    change: Change,
}

enum Change {
    Literal(String, String),
    Regexp(Regex, String),
    Trim(Vec<char>),
    Upper,
    Lower,
}

/// A change, or what is wrong with which key of its modifier.
fn step(modifier: Modifier) -> Result<Step, (&'static str, String)> {
    let (field, key, change) = match modifier {
        Modifier::Literal(Replacement { field, find, replace }) => {
            if find.is_empty() {
                return Err(("literal.find", "is empty; name the text to replace".into()));
            }
            (field, "literal.field", Change::Literal(find, replace))
        }
        Modifier::Regexp(Replacement { field, find, replace }) => {
            let regex = Regex::new(&find).map_err(|error| {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                ("regexp.find", format!("{find:?} is no regular expression: {reason}"))
            })?;
            replacement::check(&regex, &replace).map_err(|message| ("regexp.replace", message))?;
            (field, "regexp.field", Change::Regexp(regex, replace))
        }
        Modifier::Trim(Trimming { field, find }) => {
            if find.is_empty() {
                return Err(("trim.find", "is empty; name the characters to take away".into()));
            }
            (field, "trim.field", Change::Trim(find.chars().collect()))
        }
        Modifier::Upper(Place { field }) => (field, "upper.field", Change::Upper),
        Modifier::Lower(Place { field }) => (field, "lower.field", Change::Lower),
    };
    let path: Vec<_> = field.split('.').map(str::to_owned).collect();
    if path.iter().any(String::is_empty) {
        return Err((key, format!("{field:?} is no path; write keys with dots between, such as customer.name")));
    }
    Ok(Step { path, change })
}

impl Step {
    /// What is not there, or is no text, stays as it is.
    ///
    /// # Errors
    ///
    /// A text that would become larger than [`REPLY_LIMIT`].
    fn apply(&self, data: &mut Json) -> Result<(), String> {
        let mut steps = self.path.iter();
        let found = steps.try_fold(data, |at, key| at.object_mut()?.get_mut(key));
        let Some(found) = found else { return Ok(()) };
        if let View::String(text) = found.view() {
            let too_large = || format!("{} would be larger than {REPLY_LIMIT} bytes", self.path.join("."));
            *found = Json::string(self.change.changed(text, REPLY_LIMIT).ok_or_else(too_large)?);
        }
        Ok(())
    }
}

impl Change {
    /// `None`: more than `limit` bytes, which are not made.
    fn changed(&self, text: &str, limit: usize) -> Option<String> {
        let changed = match self {
            Self::Literal(find, replacement) => {
                let count = text.matches(find).count();
                let added = count.saturating_mul(replacement.len());
                let length = (text.len() - count * find.len()).saturating_add(added);
                return (length <= limit).then(|| text.replace(find, replacement));
            }
            Self::Regexp(regex, replacement) => return replacement::replaced(regex, replacement, text, limit),
            Self::Trim(characters) => text.trim_matches(characters.as_slice()).to_owned(),
            Self::Upper => text.to_uppercase(), // at most three times as long
            Self::Lower => text.to_lowercase(),
        };
        (changed.len() <= limit).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::testing;
    use crate::message::{Reply, Request, Response};
    use crate::stage::{Context, StageFuture, ready};

    const DATA: &str = r#"{"name":" Zoë ","user":{"mail":"a@old.org, b@old.org","n":1},"list":[{"a":"x"}]}"#;

    struct Answers;

    impl Stage for Answers {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            ready(Reply::from(Ok(Response::complete(Json::parse(DATA.as_bytes()).expect(DATA)))))
        }
    }

    fn built(modifiers: &str) -> Checked<Box<dyn Stage>> {
        let component = testing::component(NAMESPACE, &format!("{{\"modifiers\": {modifiers}}}"));
        testing::with_site(|site| build(&component, site, Box::new(Answers)))
    }

    async fn check(modifiers: &str, expected: &str) {
        let reply = testing::run(built(modifiers).expect(modifiers).as_ref(), Request::new("")).await;
        let data = reply.response.map(|response| response.data.to_string());
        assert_eq!(data.as_deref(), Some(expected), "{modifiers}");
    }

    #[tokio::test]
    async fn texts_are_changed_in_their_order() {
        check(
            r#"[{"trim": {"field": "name", "find": " "}}, {"upper": {"field": "name"}},
                {"literal": {"field": "user.mail", "find": "old", "replace": "new"}},
                {"regexp": {"field": "user.mail", "find": "(\\w)@(\\w+)\\.org", "replace": "${2}/$1"}}]"#,
            r#"{"name":"ZOË","user":{"mail":"new/a, new/b","n":1},"list":[{"a":"x"}]}"#,
        )
        .await;
        check(
            r#"[{"lower": {"field": "name"}}]"#,
            r#"{"name":" zoë ","user":{"mail":"a@old.org, b@old.org","n":1},"list":[{"a":"x"}]}"#,
        )
        .await;
    }

    #[tokio::test]
    async fn what_is_no_text_is_left_alone() {
        let modifiers = r#"[{"upper": {"field": "user.n"}}, {"upper": {"field": "list.a"}}, {"upper": {"field": "no"}},
            {"upper": {"field": "name.x"}}, {"upper": {"field": "user"}}]"#;
        check(modifiers, DATA).await;
    }

    #[tokio::test]
    async fn a_text_that_becomes_too_large_fails_the_event_before_it_is_made() {
        let whole =
            r#"{"regexp": {"field": "name", "find": "(?s)(.+)", "replace": "${1}${1}${1}${1}${1}${1}${1}${1}"}}"#;
        let letters = r#"{"literal": {"field": "name", "find": "Z", "replace": "ZZZZZZZZ"}}"#;
        for modifier in [whole, letters] {
            let modifiers = format!("[{}]", [modifier; 12].join(","));
            let reply = testing::run(built(&modifiers).expect("fine").as_ref(), Request::new("")).await;
            let message = reply.error.map(|error| error.to_string());
            let expected = "modifier/response-body: name would be larger than 67108864 bytes";
            assert_eq!(message.as_deref(), Some(expected), "{modifier}");
        }
    }

    #[track_caller]
    fn refused(modifiers: &str, path: &str, message: &str) {
        let problems = built(modifiers).err().expect(modifiers);
        let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
        assert!(said.len() == 1 && said[0].0 == path && said[0].1.contains(message), "{said:?}");
    }

    #[test]
    fn what_cannot_work_is_refused_at_load() {
        refused("[]", "b.modifiers", "is empty");
        refused(r#"[{"uper": {"field": "a"}}]"#, "b.modifiers[0]", "unknown variant `uper`");
        refused(
            r#"[{"upper": {"field": "a"}}, {"regexp": {"field": "a", "find": "(", "replace": ""}}]"#,
            "b.modifiers[1].regexp.find",
            "\"(\" is no regular expression: unclosed group",
        );
        refused(
            r#"[{"regexp": {"field": "a", "find": "(b)", "replace": "$1_x"}}]"#,
            "b.modifiers[0].regexp.replace",
            "the pattern has no group \"1_x\"",
        );
        refused(r#"[{"upper": {"field": "a..b"}}]"#, "b.modifiers[0].upper.field", "\"a..b\" is no path");
        refused(
            r#"[{"literal": {"field": "a", "find": "", "replace": "x"}}]"#,
            "b.modifiers[0].literal.find",
            "is empty",
        );
        refused(r#"[{"trim": {"field": "a"}}]"#, "b.modifiers[0].trim", "missing field `find`");
    }
}
