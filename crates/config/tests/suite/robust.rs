//! No text and no tree makes the crate panic, and no secret gets into a message.

use crate::common::{catalogue, catalogue_with_amqp, problems_of};
use proptest::prelude::*;
use siphon_config::Document;

/// Keys that mean something, so that random trees reach the readers behind them.
fn key() -> impl Strategy<Value = String> {
    let known = [
        "version",
        "async_agent",
        "consumer",
        "connection",
        "topic",
        "workers",
        "timeout",
        "max_rate",
        "backend",
        "host",
        "url_pattern",
        "method",
        "mapping",
        "extra_config",
        "async/sqlite",
        "async/delivery",
        "retry",
        "base",
        "max",
        "telemetry/logging",
        "router",
        "health_path",
        "backend/http",
        "parts",
        "path",
        "nested",
        "plugin",
        "endpoints",
        "tls",
        "sd",
        "encoding",
        "Host",
        "@comment",
        "proxy",
        "security/cors",
        "async/amqp",
        "",
    ];
    prop_oneof![9 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[a-z.\\[\\]é]{0,6}"]
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[-0-9a-z:/@{}.%é ]{0,12}".prop_map(Into::into),
        prop::sample::select(vec!["5s", "-1ms", "http://h:80", "amqp://u:p@h", "POST", "no-op", "{{.A}}/{b}"])
            .prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_panics(text in "[\\[\\]{}\",:&*!|>#\\-0-9a-z=. \n\t'é\u{feff}]{0,60}") {
        for name in ["s.json", "s.yaml", "s.toml"] {
            problems_of(name, &text, &catalogue());
        }
    }

    #[test]
    fn no_tree_panics(entries in prop::collection::vec((key(), tree()), 0..8), path in "[a-z.\\[\\]0-9é]{0,20}") {
        let root: serde_json::Map<_, _> = entries.into_iter().collect();
        let text = serde_json::Value::Object(root).to_string();
        let document = Document::parse("s.json", &text).expect("JSON");
        let checked = document.check(&catalogue_with_amqp());
        let has_error = checked.problems.iter().any(|problem| problem.is_error());
        prop_assert_eq!(checked.config.is_none(), has_error);
        document.problem_at(&path, "x");
    }

    #[test]
    fn no_secret_is_told(secret in "[a-z]{3}[0-9]{5}[a-z]{3}") {
        let text = format!(
            "{{\"version\": 3, \"name\": [1], \"host\": [\"http://u:{secret}@h\", \"amqp://u:{secret}/x@h\"], \"async_agent\": [{{\"topic\": {{\"password\": \"{secret}\"}},\
             \"extra_config\": {{\"async/sqlite\": {{\"password\": \"{secret}\", \"nested\": {{\"depth\": \"amqp://u:{secret}@h\"}}}}}}, \
             \"backend\": [{{\"host\": \"nats://u:{secret}@h\", \"method\": \"http://u:{secret}@h\"}}]}}]}}"
        );
        let problems = problems_of("s.json", &text, &catalogue());
        prop_assert!(problems.len() >= 5);
        prop_assert!(problems.iter().all(|problem| !problem.contains(&secret)), "{problems:?}");
    }
}
