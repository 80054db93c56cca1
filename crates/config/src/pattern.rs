//! URL patterns and header names in the form that the pipe works with.

/// `pattern` with exactly one leading slash, and its placeholders as `{Name}` with a capital first letter, whether they
/// are written `{name}` or, as the reference has them inside, `{{.Name}}`. Other braces stay as they are.
pub(crate) fn normalised(pattern: &str) -> String {
    let mut out = String::from("/");
    let mut rest = pattern.trim_start_matches('/');
    while let Some(start) = rest.find('{') {
        let (before, from_brace) = rest.split_at(start);
        out.push_str(before);
        rest = match placeholder(from_brace) {
            Some((name, after)) => {
                out.push_str(&braced(name));
                after
            }
            None => {
                out.push('{');
                &from_brace[1..]
            }
        };
    }
    out + rest
}

/// The names in a [`normalised`] pattern.
pub(crate) fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    let begins = pattern.match_indices('{').map(|(start, _)| &pattern[start..]);
    begins.filter_map(|text| placeholder(text).map(|(name, _)| name))
}

/// The name of the placeholder that `text` begins with, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = match text.strip_prefix("{{.") {
        Some(inside) => inside.split_once("}}")?,
        None => text.strip_prefix('{')?.split_once('}')?,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    (!name.is_empty() && name.chars().all(allowed)).then_some((name, after))
}

fn braced(name: &str) -> String {
    let (first, others) = name.split_at(1);
    format!("{{{}{others}}}", first.to_ascii_uppercase())
}

/// `x-request-id` → `X-Request-Id`, as Go writes header names. What is no header name stays as it is: `*`, the empty text.
pub fn canonical_header(name: &str) -> String {
    if !name.bytes().all(is_token) {
        return name.to_owned();
    }
    let mut upper = true;
    let mut letter = |c: char| {
        let written = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        written
    };
    name.chars().map(&mut letter).collect()
}

/// Whether a byte may stand in a method or a header name: RFC 9110, `tchar`.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, expected: &str) {
        assert_eq!(normalised(pattern), expected);
    }

    #[test]
    fn a_pattern_begins_with_one_slash() {
        check("", "/");
        check("in", "/in");
        check("/in", "/in");
        check("//in//x", "/in//x");
        check("?a=1", "/?a=1");
    }

    #[test]
    fn placeholders_have_one_form() {
        check("/x/{foo}?y={resp0_id}", "/x/{Foo}?y={Resp0_id}");
        check("/x/{{.Resp0_o.c}}/z", "/x/{Resp0_o.c}/z");
        check("/x/{{.key}}", "/x/{Key}");
        check("/x/{Foo}", "/x/{Foo}");
    }

    #[test]
    fn the_names_of_a_pattern_are_found() {
        let pattern = normalised("/{topic}/{}/{a b}?k={{.key}}&r={resp0_a.b}");
        assert_eq!(placeholders(&pattern).collect::<Vec<_>>(), ["Topic", "Key", "Resp0_a.b"]);
    }

    #[test]
    fn other_braces_stay() {
        check("/x/{}/{a b}/{", "/x/{}/{a b}/{");
        check("/x/{a/{b}", "/x/{a/{B}");
        check("/{{a}}", "/{{A}}");
    }

    #[test]
    fn header_names_are_canonical() {
        let cases = [("x-a", "X-A"), ("CONTENT-type", "Content-Type"), ("*", "*"), ("", ""), ("a b", "a b")];
        for (name, expected) in cases {
            assert_eq!(canonical_header(name), expected);
        }
    }

    proptest! {
        #[test]
        fn a_normalised_pattern_stays_as_it_is(pattern in "[a{}.é/?_]{0,20}") {
            let once = normalised(&pattern);
            prop_assume!(!once.contains("{{."));
            prop_assert_eq!(normalised(&once), once);
        }
    }
}
