use super::*;
use crate::fixture::backend;
use crate::json::Text;
use proptest::prelude::*;

/// The reply of the reference's examples (pipeline.md §14).
const D: &str = r#"{"a":{"b":1,"c":2,"d":{"e":3}},"x":[{"y":1,"z":2}],"k":"v","n":null}"#;

#[derive(Debug, Default, Clone)]
struct Options {
    target: &'static str,
    allow: &'static [&'static str],
    deny: &'static [&'static str],
    mapping: &'static [(&'static str, &'static str)],
    group: &'static str,
}

const NONE: Options = Options { target: "", allow: &[], deny: &[], mapping: &[], group: "" };

fn filter(options: &Options) -> Filter {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Filter::new(&Backend {
        target: options.target.to_owned(),
        allow: own(options.allow),
        deny: own(options.deny),
        mapping: options.mapping.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        group: options.group.to_owned(),
        ..backend("http://h", "/")
    })
    .expect("a filter")
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).expect(text)
}

#[track_caller]
fn check(options: Options, data: &str, expected: &str) {
    assert_eq!(filter(&options).apply(json(data)), json(expected), "{options:?}");
}

#[test]
fn allow_keeps_the_listed_paths() {
    check(Options { allow: &["a.b", "k"], ..NONE }, D, r#"{"a":{"b":1},"k":"v"}"#);
    check(Options { allow: &["n", "zz"], ..NONE }, D, r#"{"n":null}"#);
    check(Options { allow: &["K", "a.d"], ..NONE }, D, r#"{"a":{"d":{"e":3}}}"#);
    check(Options { allow: &["zz"], ..NONE }, D, "{}");
}

#[test]
fn allow_never_reaches_below_arrays_and_scalars() {
    check(Options { allow: &["x.y", "k"], ..NONE }, D, r#"{"k":"v"}"#);
    check(Options { allow: &["x", "k.v", "n.o"], ..NONE }, D, r#"{"x":[{"y":1,"z":2}]}"#);
}

#[test]
fn of_overlapping_allow_paths_the_later_one_counts() {
    check(Options { allow: &["a", "a.b"], ..NONE }, D, r#"{"a":{"b":1}}"#);
    check(Options { allow: &["a.b", "a"], ..NONE }, D, r#"{"a":{"b":1,"c":2,"d":{"e":3}}}"#);
}

#[test]
fn allow_silences_deny() {
    check(Options { allow: &["k", "n"], deny: &["k"], ..NONE }, D, r#"{"k":"v","n":null}"#);
}

#[test]
fn deny_removes_the_listed_paths_and_leaves_empty_objects() {
    check(
        Options { deny: &["a.b", "x.y", "n"], ..NONE },
        D,
        r#"{"a":{"c":2,"d":{"e":3}},"k":"v","x":[{"y":1,"z":2}]}"#,
    );
    check(Options { deny: &["a.d.e", "k", "x", "n"], ..NONE }, D, r#"{"a":{"b":1,"c":2,"d":{}}}"#);
}

#[test]
fn a_denied_parent_wins_over_its_children_in_any_order() {
    let orders: [&'static [&'static str]; 2] = [&["a", "a.b"], &["a.b", "a"]];
    for deny in orders {
        check(Options { deny, ..NONE }, r#"{"a":{"b":1},"k":2}"#, r#"{"k":2}"#);
    }
}

#[test]
fn mapping_renames_what_is_left_at_the_top() {
    check(
        Options { allow: &["k", "a.b"], mapping: &[("k", "p.q"), ("a", "z")], ..NONE },
        D,
        r#"{"p":"v","z":{"b":1}}"#,
    );
    check(Options { mapping: &[("new", "old")], ..NONE }, r#"{"new":1,"old":2}"#, r#"{"old":1}"#);
    check(Options { mapping: &[("a.b", "c")], ..NONE }, r#"{"a":{"b":1},"a.b":2}"#, r#"{"a":{"b":1},"a.b":2}"#);
    check(Options { mapping: &[("a", "b"), ("b", "c")], ..NONE }, r#"{"a":1,"b":2}"#, r#"{"c":1}"#);
}

#[test]
fn mapping_a_key_to_itself_deletes_it() {
    check(Options { mapping: &[("k", "k")], ..NONE }, r#"{"k":1,"l":2}"#, r#"{"l":2}"#);
}

#[test]
fn the_order_is_target_filter_mapping_group() {
    check(
        Options { target: "a", deny: &["b"], mapping: &[("c", "C")], group: "g", ..NONE },
        D,
        r#"{"g":{"C":2,"d":{"e":3}}}"#,
    );
}

#[test]
fn a_target_that_is_no_object_leaves_an_empty_one() {
    for target in ["zz", "k", "x", "n", "a.b.c", "collection.0"] {
        check(Options { target, group: "g", ..NONE }, D, r#"{"g":{}}"#);
    }
    check(Options { target: "a.d", ..NONE }, D, r#"{"e":3}"#);
}

#[test]
fn group_wraps_whatever_there_is_and_its_dots_are_literal() {
    check(Options { allow: &["zz"], group: "g", ..NONE }, D, r#"{"g":{}}"#);
    check(Options { group: "g.h", ..NONE }, "null", r#"{"g.h":null}"#);
    check(Options { target: "t", group: "g", ..NONE }, "null", r#"{"g":{}}"#);
}

#[test]
fn filters_that_do_nothing_are_not_there() {
    assert!(filter(&NONE).is_empty());
    assert!(!filter(&Options { group: "g", ..NONE }).is_empty());
}

/// Values with few different keys, so that paths often hit.
fn value() -> impl Strategy<Value = Json> {
    let key = || prop::sample::select(vec!["a", "b", "c"]);
    let leaf = prop_oneof![Just(Json::NULL), any::<bool>().prop_map(Json::bool), any::<i64>().prop_map(Json::integer)];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::array),
            prop::collection::btree_map(key(), inner, 0..4)
                .prop_map(|map| Json::object(map.into_iter().map(|(key, value)| (Text::from(key), value)).collect())),
        ]
    })
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[abc]?(\\.[abc]?){0,3}", 0..4)
}

proptest! {
    #[test]
    fn no_value_and_no_path_makes_a_filter_panic(
        data in value(), allow in paths(), deny in paths(), target in "[abc.]{0,3}", group in "[ab]?",
        mapping in prop::collection::vec(("[abc.]{0,2}", "[abc.]{0,2}"), 0..3),
    ) {
        let mut backend_filter = filter(&NONE);
        backend_filter.target = if target.is_empty() { Vec::new() } else { segments(&target) };
        backend_filter.select = if allow.is_empty() {
            Select::Deny(Tree::of(&deny, Overlap::ParentWins))
        } else {
            Select::Allow(Tree::of(&allow, Overlap::LaterWins))
        };
        backend_filter.mapping = mapping;
        backend_filter.group = Some(group);
        prop_assert!(backend_filter.apply(data).is_object());
    }

    #[test]
    fn what_is_parsed_is_filtered_like_what_is_built(data in value(), allow in paths(), deny in paths()) {
        let text = data.to_vec();
        let parsed = Json::parse(&text).expect("own text");
        for select in [
            Select::Allow(Tree::of(&allow, Overlap::LaterWins)), Select::Deny(Tree::of(&deny, Overlap::ParentWins)),
        ] {
            let one = Filter { select, ..filter(&NONE) };
            prop_assert_eq!(one.apply(data.clone()), one.apply(parsed.clone()));
        }
    }

    #[test]
    fn allowing_and_denying_twice_is_as_good_as_once(data in value(), allow in paths(), deny in paths()) {
        for select in [
            Select::Allow(Tree::of(&allow, Overlap::LaterWins)), Select::Deny(Tree::of(&deny, Overlap::ParentWins)),
        ] {
            let one = Filter { select, ..filter(&NONE) };
            let once = one.apply(data.clone());
            prop_assert_eq!(one.apply(once.clone()), once);
        }
    }
}
