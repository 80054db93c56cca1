//! Reading the settings of a component into its own type.

use serde::de::DeserializeOwned;

use crate::model::Component;
use crate::problem::{Problem, Severity};
use crate::redact;
use crate::tree::{Node, join};

impl Component {
    /// The settings as `T`. Numbers keep their text up to `T`.
    ///
    /// # Errors
    ///
    /// The first value that does not fit, with its place. The file's name is missing: [`Problem::in_file`] adds it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = self.settings.to_json_text();
        let mut source = serde_json::Deserializer::from_str(&text);
        serde_path_to_error::deserialize(&mut source).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { "" } else { &path };
            self.problem(path, &without_place(&error.inner().to_string()))
        })
    }

    /// An error about the value at `relative` (`nested.limit`, `list[0]`; empty: the whole) of this component.
    /// The file's name is missing: [`Problem::in_file`] adds it.
    pub fn problem(&self, relative: &str, message: &str) -> Problem {
        problem_below(&self.settings, &self.path, relative, message)
    }
}

/// An error about the value at `relative` of the object `settings`, which stands at `path`. Secrets of the object are
/// taken out of `message`.
pub(crate) fn problem_below(settings: &Node, path: &str, relative: &str, message: &str) -> Problem {
    let message = if redact::is_secret_path(&join(path, relative)) {
        redact::foreign(message, &every_text(settings.deepest(relative)))
    } else {
        redact::foreign(message, &redact::secrets(settings))
    };
    let at = settings.deepest(relative).at;
    Problem {
        severity: Severity::Error,
        file: String::new(),
        at: (at.line > 0).then_some(at),
        path: join(path, relative),
        message,
    }
}

fn every_text(node: &Node) -> Vec<String> {
    let text = node.to_json_text();
    let bare = node.as_str().unwrap_or(&text).to_owned();
    [bare, text].into_iter().filter(|text| !text.is_empty()).collect()
}

/// A message of serde_json without ` at line 1 column 7`: that place is in the text we made, not in the file.
pub(crate) fn without_place(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        rate: f64,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        password: u16,
    }

    fn component(text: &str) -> Component {
        let settings = crate::format::parse("x.json", text).expect("valid");
        Component { namespace: "qos/x".into(), path: "a.b".into(), settings }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let problem = component(text).read::<Settings>().expect_err(text).in_file("f.json");
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn settings_become_their_type() {
        let read = component(r#"{"rate": 2.5, "inner": [{"password": 7}]}"#).read::<Settings>();
        assert_eq!(read, Ok(Settings { rate: 2.5, inner: vec![Inner { password: 7 }] }));
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_its_place() {
        check("{\n \"rate\": \"x\"}", "error: f.json:2:10: a.b.rate: invalid type: string \"x\", expected f64");
        check("{\"inner\": []}", "error: f.json:1:1: a.b: missing field `rate`");
        check(
            "{\"rate\": 1, \"rat\": 2}",
            "error: f.json:1:20: a.b.rat: unknown field `rat`, expected `rate` or `inner`",
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        check(
            "{\"rate\": 1, \"inner\": [{\"password\": \"hunter2\"}]}",
            "error: f.json:1:36: a.b.inner[0].password: invalid type: string \"***\", expected u16",
        );
    }
}
