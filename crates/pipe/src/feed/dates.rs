//! Dates of feeds: as RFC 822 has them (RSS), as RFC 3339 has them (Atom), or a day alone.

use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{OffsetDateTime, UtcOffset};

/// `Mon, 06 Sep 2021 12:00:00 +0200` as `2021-09-06T10:00:00Z`; `None` for what is neither of the forms.
pub(super) fn normalised(text: &str) -> Option<String> {
    let text = text.trim();
    let date = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339));
    date.ok()?.checked_to_offset(UtcOffset::UTC)?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_feeds_are_understood_and_no_other() {
        let cases = [
            ("Mon, 06 Sep 2021 10:00:00 GMT", Some("2021-09-06T10:00:00Z")),
            ("06 Sep 21 12:00 +0200", Some("2021-09-06T10:00:00Z")),
            ("Mon, 06 Sep 2021 05:00:00 EST", Some("2021-09-06T10:00:00Z")),
            (" 2021-09-06T12:00:00.5+02:00 ", Some("2021-09-06T10:00:00.5Z")),
            ("2021-09-06", Some("2021-09-06T00:00:00Z")),
            ("yesterday", None),
            ("", None),
            ("9999-12-31T23:59:59-23:00", None),
        ];
        for (text, expected) in cases {
            assert_eq!(normalised(text).as_deref(), expected, "{text}");
        }
    }
}
