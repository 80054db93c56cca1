use super::*;
use proptest::prelude::*;

/// `operations`: `del a b`, `move a b`, `append a b`, one a line or separated by `;`.
fn flatmap(operations: &str) -> Result<Option<Flatmap>, Vec<Wrong>> {
    let settings = operations.split(';').map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let (kind, args) = line.split_once(' ').unwrap_or((line, ""));
        let args = args.split(' ').filter(|arg| !arg.is_empty()).map(|arg| arg.trim_matches('\'').to_owned()).collect();
        let kind = match kind {
            "move" => Kind::Move,
            "del" => Kind::Del,
            _ => Kind::Append,
        };
        OperationSettings { kind, args }
    });
    Flatmap::new(&settings.collect::<Vec<_>>())
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).expect(text)
}

#[track_caller]
fn check(operations: &str, data: &str, expected: &str) {
    let flatmap = flatmap(operations).expect(operations).expect("operations");
    assert_eq!(flatmap.apply(json(data)), json(expected), "{operations}");
}

/// The reply of the reference's examples (pipeline.md §14, row 27 and on).
const C: &str =
    r#"{"c":[{"id":1,"v":"a","t":{"p":1,"q":[1,2]}},{"id":2,"v":"b","t":{"p":2,"q":[]}},{"id":3,"t":null}]}"#;

#[test]
fn del_removes_what_its_paths_lead_to() {
    check("del a", r#"{"a":1,"b":2}"#, r#"{"b":2}"#);
    check("del c.*.t", C, r#"{"c":[{"id":1,"v":"a"},{"id":2,"v":"b"},{"id":3}]}"#);
    check("del a.c x.y a.b.c", r#"{"a":{"b":1}}"#, r#"{"a":{"b":1}}"#);
    check("del m.*.*.d", r#"{"m":[[{"k":1,"d":1}],[{"k":2,"d":2}]]}"#, r#"{"m":[[{"k":1}],[{"k":2}]]}"#);
    check("del o.0", r#"{"o":{"0":1,"00":2}}"#, r#"{"o":{"00":2}}"#);
}

#[test]
fn an_index_is_that_of_the_element_as_it_came() {
    check("del a.0 a.1", r#"{"a":[1,2,3]}"#, r#"{"a":[3]}"#);
    check("del a.1; del a.1", r#"{"a":[1,2,3]}"#, r#"{"a":[1,3]}"#);
    check("del a.00 a.+1 a.7", r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#);
}

#[test]
fn a_container_that_loses_its_last_child_is_null() {
    check("del c.*; del d.*", r#"{"c":[1,2],"d":{"x":1}}"#, r#"{"c":null,"d":null}"#);
    check("del a", r#"{"a":1}"#, "null");
    check("del a.x b.x", r#"{"a":{},"b":[]}"#, r#"{"a":{},"b":[]}"#);
}

#[test]
fn move_to_a_path_of_the_same_length_renames_the_last_part() {
    check("move c.*.v c.*.w", C, &C.replace("\"v\"", "\"w\""));
    check("move a.x b.z", r#"{"a":{"x":1},"b":{"y":2}}"#, r#"{"a":{"z":1},"b":{"y":2}}"#);
    check("move a b", r#"{"a":1,"b":2}"#, r#"{"b":1}"#);
    check("move b a", r#"{"a":1,"b":2}"#, r#"{"a":2}"#);
    check("move a a", r#"{"a":1}"#, r#"{"a":1}"#);
    check("move l.0 l.1", r#"{"l":[1,2]}"#, r#"{"l":[1,2]}"#);
}

#[test]
fn move_to_a_shorter_path_promotes() {
    let promoted =
        r#"{"c":[{"id":1,"p":1,"t":{"q":[1,2]},"v":"a"},{"id":2,"p":2,"t":{"q":[]},"v":"b"},{"id":3,"t":null}]}"#;
    check("move c.*.t.p c.*.p", C, promoted);
    check("move c.0 first", r#"{"c":[1,2,3]}"#, r#"{"c":[2,3],"first":1}"#);
    check("move c.*.id ids", r#"{"c":[{"id":1,"k":0},{"id":2,"k":0}]}"#, r#"{"c":[{"k":0},{"k":0}],"ids":2}"#);
    check("move a.b.c x.y", r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{"b":null},"y":1}"#);
    check("move a.b.c a.b", r#"{"a":{"b":{"c":1,"d":2}}}"#, r#"{"a":{"b":1}}"#);
    check("move o.a.x l.z", r#"{"o":{"a":{"x":1,"y":2}},"l":[0]}"#, r#"{"o":{"a":{"y":2}},"l":[0,1]}"#);
}

#[test]
fn move_to_a_longer_path_embeds() {
    let embedded = r#"{"c":[{"id":1,"x":{"y":{"v":"a"}}},{"id":3}]}"#;
    check("move c.*.v c.*.x.y.v", r#"{"c":[{"id":1,"v":"a"},{"id":3}]}"#, embedded);
    check("move v o.v", r#"{"v":1,"o":{"v":2,"w":3}}"#, r#"{"o":{"v":1,"w":3}}"#);
    check("move a.x b.y.z", r#"{"a":{"x":1}}"#, r#"{"a":{"y":{"z":1}}}"#);
    check("move a a.b", r#"{"a":{"c":1}}"#, r#"{"a":{"b":{"c":1}}}"#);
    check("move v s.v", r#"{"v":1,"s":"scalar"}"#, r#"{"s":{"v":1}}"#);
    check("move v e.v", r#"{"v":1,"e":{}}"#, r#"{"e":{"v":1}}"#);
    check("move l.0 l.x.y", r#"{"l":[1,2]}"#, r#"{"l":[2,{"y":1}]}"#);
}

#[test]
fn append_puts_one_array_behind_another() {
    check("append a b", r#"{"a":[1,2],"b":[3,4],"k":1}"#, r#"{"b":[3,4,1,2],"k":1}"#);
    check("append c.*.i x", r#"{"c":[{"i":1},{"i":2}],"x":[0]}"#, r#"{"c":[null,null],"x":[0,1,2]}"#);
    check("append x.l y.m", r#"{"x":{"l":["a"]},"y":{"m":["b"]}}"#, r#"{"x":null,"y":{"m":["b","a"]}}"#);
    check("append a b", r#"{"a":[1],"b":[]}"#, r#"{"b":[1]}"#);
    check("append a b", r#"{"a":[],"b":[]}"#, r#"{"b":[]}"#);
    check("append a.0 a", r#"{"a":[[1],2]}"#, r#"{"a":[2,1]}"#);
    check("append a.* a", r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#);
    check("del b.0; append a b", r#"{"a":[1,2],"b":[10,20,30]}"#, r#"{"b":[20,30,1,2]}"#);
}

#[test]
fn append_does_nothing_without_two_arrays() {
    for data in
        [r#"{"a":[1]}"#, r#"{"b":[1]}"#, r#"{"a":[1],"b":{"x":1}}"#, r#"{"a":{"x":1},"b":[1]}"#, r#"{"a":1,"b":[1]}"#]
    {
        check("append a b", data, data);
    }
}

#[test]
fn operations_run_in_their_order() {
    check("move a.b b; del a; move b z.b", r#"{"a":{"b":1,"c":2}}"#, r#"{"z":{"b":1}}"#);
    check("append two one; move one all", r#"{"one":[1],"two":[2,3]}"#, r#"{"all":[1,2,3]}"#);
}

#[test]
fn numbers_keep_their_text() {
    let flatmap = flatmap("move x.y y").expect("valid").expect("operations");
    let data = flatmap.apply(json(r#"{"big":12345678901234567890,"f":1.50,"x":{"y":1e2}}"#));
    assert_eq!(data.to_string(), r#"{"big":12345678901234567890,"f":1.50,"x":null,"y":1e2}"#);
}

#[test]
fn what_is_no_object_stays() {
    check("del a", "null", "null");
    assert!(flatmap("").expect("valid").is_none());
}

#[track_caller]
fn refused(operations: &str, expected: &[(&str, &str)]) {
    let wrong = flatmap(operations).expect_err(operations);
    assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
    for ((at, message), (place, part)) in wrong.iter().zip(expected) {
        assert!(at == place && message.contains(part), "{at}: {message}");
    }
}

#[test]
fn what_could_do_nothing_is_refused_with_its_place() {
    refused(
        "del; move a; append a b c",
        &[
            ("[0].args", "at least one path"),
            ("[1].args", "move needs two paths, from and to; there are 1"),
            ("[2].args", "append needs two paths, from and to; there are 3"),
        ],
    );
    refused("del a ''", &[("[0].args[1]", "must not be empty")]);
    refused(
        "move c.* x; move a b.*; move a.b *",
        &[
            ("[0].args[0]", "cannot end with *"),
            ("[1].args[1]", "* cannot be the name"),
            ("[2].args[1]", "* cannot be the name"),
        ],
    );
    refused(
        "append a b.*; append a a; append a.* a.0.b",
        &[
            ("[0].args[1]", "one destination"),
            ("[1].args[1]", "what is appended, or inside it"),
            ("[2].args[1]", "what is appended, or inside it"),
        ],
    );
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof!["null|true|-?[1-9][0-9]{0,25}", "\"[a-d]?\""].prop_map(|text| json(&text));
    let tree = leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::array),
            prop::collection::btree_map("[a-c0]", inner, 0..4).prop_map(|fields| {
                Json::object(fields.into_iter().map(|(key, value)| (Text::from(key), value)).collect())
            }),
        ]
    });
    prop::collection::btree_map("[a-c]", tree, 0..4)
        .prop_map(|fields| Json::object(fields.into_iter().map(|(key, value)| (Text::from(key), value)).collect()))
}

fn path() -> impl Strategy<Value = String> {
    "[abc](\\.([abc01]|\\*)){0,3}"
}

fn operation() -> impl Strategy<Value = OperationSettings> {
    let kind = prop_oneof![Just(Kind::Move), Just(Kind::Del), Just(Kind::Append)];
    (kind, prop::collection::vec(path(), 2)).prop_map(|(kind, args)| OperationSettings { kind, args })
}

/// How often each leaf is there. Nulls are not counted: emptied containers become some.
fn leaves(value: &Json) -> usize {
    use crate::json::{JsonRef, View};
    fn count(value: JsonRef<'_>) -> usize {
        match value.view() {
            View::Null => 0,
            View::Array(items) => items.map(count).sum(),
            View::Object(fields) => fields.map(|(_, value)| count(value)).sum(),
            _ => 1,
        }
    }
    count(value.into())
}

proptest! {
    #[test]
    fn no_value_and_no_operation_makes_it_panic(data in value(), settings in prop::collection::vec(operation(), 0..4)) {
        if let Ok(Some(flatmap)) = Flatmap::new(&settings) {
            let parsed = json(&data.to_string());
            let changed = flatmap.apply(data);
            prop_assert!(changed.is_object() || changed.is_null());
            prop_assert_eq!(json(&changed.to_string()), changed.clone());
            prop_assert_eq!(flatmap.apply(parsed), changed);
        }
    }

    #[test]
    fn removing_by_names_twice_is_as_good_as_once(data in value(), paths in prop::collection::vec("[abc](\\.([abc]|\\*)){0,3}", 1..4)) {
        let flatmap = Flatmap::new(&[OperationSettings { kind: Kind::Del, args: paths }]).expect("valid").expect("one");
        let once = flatmap.apply(data);
        prop_assert_eq!(flatmap.apply(once.clone()), once);
    }

    #[test]
    fn appending_loses_nothing(data in value(), from in path(), to in path()) {
        if let Ok(Some(flatmap)) = Flatmap::new(&[OperationSettings { kind: Kind::Append, args: vec![from, to] }]) {
            prop_assert_eq!(leaves(&flatmap.apply(data.clone())), leaves(&data));
        }
    }

    #[test]
    fn what_is_not_there_changes_nothing(data in value(), settings in prop::collection::vec(operation(), 1..4)) {
        let settings: Vec<_> = settings.into_iter().map(|one| OperationSettings {
            args: one.args.iter().map(|path| format!("zz.{path}")).collect(), ..one
        }).collect();
        if let Ok(Some(flatmap)) = Flatmap::new(&settings) {
            prop_assert_eq!(flatmap.apply(data.clone()), data);
        }
    }
}
