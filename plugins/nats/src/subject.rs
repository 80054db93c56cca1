//! Subjects: names in parts with dots between them; in filters `*` is any one part and `>` all that follow.
//!
//! Source: <https://docs.nats.io/nats-concepts/subjects>.

/// What is wrong with a subject that may hold wildcards; `None`: nothing.
pub fn fault(subject: &str) -> Option<&'static str> {
    if subject.is_empty() {
        return Some("is empty");
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("has blanks in it");
    }
    let parts: Vec<&str> = subject.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Some("has an empty part: two dots in a row, or one at an end");
    }
    if parts.contains(&"#") {
        return Some("holds `#`: NATS writes `>` for all that follow");
    }
    let is_last = |index: usize| index + 1 == parts.len();
    if parts.iter().enumerate().any(|(index, part)| *part == ">" && !is_last(index)) {
        return Some("holds `>` before its end: there it stands for all that follow; `*` is any one part");
    }
    None
}

/// What is wrong with a subject to publish to.
pub fn fault_of_target(subject: &str) -> Option<&'static str> {
    let is_wild = subject.split('.').any(|part| matches!(part, "*" | ">"));
    if is_wild { Some("holds wildcards: say which one is meant") } else { fault(subject) }
}

/// What is wrong with the name of a stream, a consumer or a queue group.
pub fn fault_of_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        _ if name.contains(|c: char| c.is_whitespace() || c.is_control() || ".*>/\\".contains(c)) => {
            Some("holds a blank, a dot, a slash or a wildcard")
        }
        _ => None,
    }
}

/// Whether some subject fits both filters.
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_that_no_server_takes_are_told_apart() {
        for good in ["a", "orders.new", "orders.*.eu", "orders.>", ">", "a.>b", "größe"] {
            assert_eq!(fault(good), None, "{good}");
        }
        for (bad, why) in [("", "empty"), ("a b", "blanks"), ("a..b", "empty part"), (".a", "empty part")] {
            assert!(fault(bad).is_some_and(|fault| fault.contains(why)), "{bad}");
        }
        assert!(fault("orders.#").is_some_and(|fault| fault.contains("`>`")));
        assert!(fault("orders.>.eu").is_some_and(|fault| fault.contains("before its end")));
        assert!(fault_of_target("orders.*").is_some_and(|fault| fault.contains("wildcards")));
        assert_eq!([fault_of_target("orders.new"), fault_of_name("orders-1_a")], [None, None]);
        assert!(["", "a.b", "a b", "a*"].iter().all(|name| fault_of_name(name).is_some()));
    }

    #[test]
    fn filters_overlap_when_a_subject_fits_both() {
        for (one, other, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "a.c", true),
            ("a.*", "*.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.*", "a.b.c", false),
            (">", "a.b", true),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
