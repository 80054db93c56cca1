//! What stands in the place of the matches of a regular expression.

use regex::{Captures, Regex};

/// # Errors
///
/// A group that the pattern does not have: nothing would stand in its place.
pub(super) fn check(regex: &Regex, replacement: &str) -> Result<(), String> {
    let is_known = |name: &str| match name.parse::<usize>() {
        Ok(index) => index < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|known| known == name),
    };
    let Some(name) = groups(replacement).into_iter().find(|name| !is_known(name)) else { return Ok(()) };
    let advice = "write ${1} where letters, digits or _ follow a group, and $$ for the sign itself";
    Err(format!("the pattern has no group {name:?}; {advice}"))
}

/// The names that stand behind `$`, as [`Captures::expand`] takes them.
fn groups(replacement: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), replacement);
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let length = after.find(|character| !is_name(character)).unwrap_or(after.len());
        let (name, after) = braced.unwrap_or_else(|| after.split_at(length));
        if braced.is_some() || !name.is_empty() {
            found.push(name);
        }
        rest = after;
    }
    found
}

/// `text` with all matches replaced. `None`: more than `limit` bytes, which are not made.
pub(super) fn replaced(regex: &Regex, replacement: &str, text: &str, limit: usize) -> Option<String> {
    let groups = replacement.matches('$').count();
    let (mut out, mut copied) = (String::new(), 0);
    for captures in regex.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[copied..whole.start()]);
        copied = whole.end();
        let most = groups.saturating_mul(whole.len()).saturating_add(replacement.len());
        if out.len().saturating_add(most) <= limit || out.len().saturating_add(length(&captures, replacement)) <= limit
        {
            captures.expand(replacement, &mut out);
        } else {
            return None;
        }
    }
    out.push_str(&text[copied..]);
    (out.len() <= limit).then_some(out)
}

/// At most as long as what these captures make of the replacement is.
fn length(captures: &Captures<'_>, replacement: &str) -> usize {
    let group = |name: &str| match name.parse::<usize>() {
        Ok(index) => captures.get(index),
        Err(_) => captures.name(name),
    };
    let groups = groups(replacement).into_iter().filter_map(group).map(|found| found.len());
    groups.fold(replacement.len(), usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_is_what_the_library_makes() {
        let regex = Regex::new(r"(\w)(?P<rest>\w*)@").expect("a pattern");
        for replacement in ["", "$1", "${1}x$$", "$rest/${rest}", "$ {", "$$1", "-${0}-", "${1"] {
            let text = "ab@c@ ü@ nothing";
            let expected = regex.replace_all(text, replacement).into_owned();
            assert_eq!(replaced(&regex, replacement, text, 1000), Some(expected), "{replacement}");
        }
        assert_eq!(replaced(&regex, "${1}${1}", "a@b@", 4).as_deref(), None);
        assert_eq!(replaced(&Regex::new("(a)b").expect("a pattern"), "$1", "ab", 3).as_deref(), Some("a"));
    }

    #[test]
    fn a_group_that_is_not_there_is_told() {
        let regex = Regex::new(r"(\w)(?P<rest>\w*)").expect("a pattern");
        for replacement in ["$1 ${2} $rest ${0} $$3 $ {x} ${1", "", "100 $"] {
            assert_eq!(check(&regex, replacement), Ok(()), "{replacement}");
        }
        for (replacement, name) in [("${3}", "3"), ("$1_x", "1_x"), ("a$nope.", "nope"), ("${}", "")] {
            let message = check(&regex, replacement).expect_err(replacement);
            assert!(message.starts_with(&format!("the pattern has no group {name:?}; ")), "{message}");
        }
    }
}
