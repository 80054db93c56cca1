//! The examples of docs/pipe.md are configurations that load and make a pipe.

mod support;

use siphon_pipe::Pipe;
use support::loaded;

const PAGE: &str = include_str!("../../../docs/pipe.md");

fn examples() -> Vec<&'static str> {
    PAGE.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// A whole file; an example that is none stands for a backend.
fn file(example: &str) -> String {
    if example.contains("\"version\"") {
        return example.to_owned();
    }
    loaded::file("", example)
}

#[test]
fn every_example_loads_and_makes_a_pipe() {
    let examples = examples();
    assert!(examples.len() >= 6, "{}", examples.len());
    for example in examples {
        let config = loaded::config(&file(example));
        assert!(Pipe::build(&config.agents[0], &config.service.http).is_ok(), "{example}");
    }
}
