use super::*;
use ::http::HeaderName;

use crate::fixture::{agent, backend, map};
use siphon_config::model::{Backend, Component};

/// A backend by its pattern: `shadow:`, `no-op:`, `rule:`, `fallback:` and `lua:` (it has a component) may stand before it.
fn parsed(index: usize, text: &str) -> (Backend, Part) {
    let (words, pattern) = text.rsplit_once(':').unwrap_or(("", text));
    let mut one = Backend { path: format!("b[{index}]"), ..backend("http://h", pattern) };
    let mut part = Part::default();
    for word in words.split(':') {
        match word {
            "shadow" => part.shadow = Some(Duration::from_secs(1)),
            "fallback" => part.condition = Some(Condition::Fallback),
            "rule" => {
                part.condition = Some(Condition::Header { name: HeaderName::from_static("x"), value: "1".into() });
            }
            "no-op" => one.encoding = Encoding::NoOp,
            "lua" => one.components.push(Component { namespace: "lua".into(), path: "l".into(), settings: map() }),
            _ => {}
        }
    }
    (one, part)
}

fn checked(order: Order, backends: &[&str], propagated: &[&str]) -> Vec<(String, String)> {
    let (backends, parts): (Vec<_>, Vec<_>) =
        backends.iter().enumerate().map(|(index, text)| parsed(index, text)).unzip();
    let propagated = propagated
        .iter()
        .map(|text| Propagated { reference: Reference::parse(text).expect("a reference"), path: "p".into() });
    let joining =
        Joining { is_sequential: order == Order::Chain, propagated: propagated.collect(), ..Joining::default() };
    let problems = check(&agent(backends), &parts, Some(&joining), false).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[derive(PartialEq, Clone, Copy)]
enum Order {
    Chain,
    Together,
}
use Order::{Chain, Together};

#[track_caller]
fn accepted(order: Order, backends: &[&str], propagated: &[&str]) {
    assert_eq!(checked(order, backends, propagated), []);
}

#[track_caller]
fn refused(order: Order, backends: &[&str], propagated: &[&str], expected: (&str, &str)) {
    let found = checked(order, backends, propagated);
    assert!(
        matches!(found.as_slice(), [(path, message)] if path == expected.0 && message.contains(expected.1)),
        "{found:?}"
    );
}

#[test]
fn references_to_earlier_backends_are_fine() {
    accepted(Chain, &["/a", "/b/{Resp0_id}", "/c/{Resp0_x.y}/{Resp1_id}"], &["resp1_z"]);
    accepted(Chain, &["no-op:/a", "/b?all={Resp0}"], &["resp0"]);
    accepted(Chain, &["/a/{Topic}", "/b"], &[]);
    accepted(Chain, &["shadow:/a", "shadow:/b/{Resp0_id}", "/c"], &[]);
    accepted(Chain, &["/a", "shadow:/s", "/b/{Resp0_id}"], &[]);
    accepted(Chain, &["lua:no-op:/a", "/b/{Resp0_id}"], &[]);
}

#[test]
fn references_that_can_have_no_value_are_refused() {
    refused(
        Together,
        &["/a", "/b/{Resp0_id}"],
        &[],
        ("b[1].url_pattern", "{resp0_id} takes a value of another reply, which only a sequential"),
    );
    refused(Together, &["/a", "/b"], &["resp0_id"], ("p", "write \"sequential\": true"));
    refused(
        Chain,
        &["/a/{Resp0_id}", "/b"],
        &[],
        ("b[0].url_pattern", "backend 0, which is not called before backend 0"),
    );
    refused(Chain, &["/a", "/b/{Resp7_id}"], &[], ("b[1].url_pattern", "backend 7, and the last one is 1"));
    refused(Chain, &["/a", "/b/{Resp0}"], &[], ("b[1].url_pattern", "kept only with \"encoding\": \"no-op\""));
    refused(Chain, &["no-op:/a", "/b/{Resp0_id}"], &[], ("b[1].url_pattern", "its reply is text; write resp0"));
    refused(Chain, &["/a", "shadow:/b/{Resp0_id}"], &[], ("b[1].url_pattern", "crosses between shadows"));
    refused(Chain, &["/a", "/b"], &["resp1_id"], ("p", "backend 1 is the last one"));
    refused(Chain, &["/a", "shadow:/b"], &["resp0_id"], ("p", "backend 0 is the last one"));
}

#[test]
fn claims_of_a_token_are_refused() {
    refused(Together, &["/a/{JWT.sub}"], &[], ("b[0].url_pattern", "an event has none"));
}

#[test]
fn somebody_must_answer_for_the_event() {
    refused(Together, &[], &[], ("async_agent[0]", "at least one backend; add one"));
    refused(Together, &["shadow:/a", "shadow:/b"], &[], ("async_agent[0].backend", "here all are shadows"));
}

#[test]
fn shadows_called_at_once_have_their_own_limits_and_a_chain_has_the_longest() {
    struct Silent;
    impl Stage for Silent {
        fn call<'a>(&'a self, _: Request, _: &'a Context) -> StageFuture<'a> {
            crate::stage::ready(crate::message::Reply::default())
        }
    }
    let limits = |is_sequential| {
        let step = || Step { stage: Box::new(Silent), condition: None, provides: Vec::new() };
        let shadow = [1, 5, 3].map(|seconds| (step(), Duration::from_secs(seconds)));
        let shadows = shadows(shadow.into(), is_sequential, 1, &|stage| Ok(stage)).expect("no plugins");
        shadows.time_limits().map(|limit| limit.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!((limits(false), limits(true)), (vec![1, 5, 3], vec![5]));
}

#[test]
fn a_fallback_stands_alone_and_in_a_sequence_behind_the_rules() {
    accepted(Together, &["fallback:/a", "rule:/b", "/c"], &[]);
    accepted(Chain, &["rule:/a", "/b", "fallback:/c", "/d"], &[]);
    accepted(Chain, &["rule:/a", "fallback:/b", "shadow:rule:/c", "shadow:fallback:/d"], &[]);
    refused(Together, &["fallback:/a", "rule:/b", "fallback:/c"], &[], ("b[2]", "stands beside another fallback"));
    refused(Chain, &["fallback:/a", "rule:/b"], &[], ("b[1]", "put the fallback behind it"));
}
