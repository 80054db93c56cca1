//! The examples of the manual.

use crate::common::{catalogue, config_of, problems_of};

const MANUAL: &str = include_str!("../../../../docs/configuration.md");

/// The fenced blocks of one language.
fn examples(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    MANUAL.split(&fence).skip(1).filter_map(|rest| rest.split_once("```").map(|(example, _)| example)).collect()
}

#[test]
fn the_manual_s_examples_have_no_problems() {
    for (language, count) in [("json", 2), ("yaml", 1)] {
        let examples = examples(language);
        assert_eq!(examples.len(), count, "{language}");
        for example in examples {
            assert_eq!(problems_of(&format!("s.{language}"), example, &catalogue()), Vec::<String>::new());
        }
    }
}

#[test]
fn the_manual_s_yaml_is_its_json() {
    let read =
        |language: &str| config_of(&format!("s.{language}"), examples(language)[0], &catalogue()).agents.swap_remove(0);
    let (json, yaml) = (read("json"), read("yaml"));
    assert_eq!(
        (json.name, json.topics, json.workers, json.timeout),
        (yaml.name, yaml.topics, yaml.workers, yaml.timeout)
    );
    assert_eq!(json.driver.settings.to_json_text(), yaml.driver.settings.to_json_text());
}
