//! User and password in a URL: they become Basic authentication (RFC 7617), as in every browser.

use ::http::HeaderValue;
use ::http::uri::Authority;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// The header's value; `None` without a user.
pub(super) fn basic(authority: &Authority) -> Option<HeaderValue> {
    let (user, _) = authority.as_str().rsplit_once('@')?;
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let pair: Vec<u8> = percent_decode_str(user).chain(*b":").chain(percent_decode_str(password)).collect();
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The authority without user and password.
pub(super) fn without(authority: &Authority) -> Authority {
    let bare = authority.as_str().rsplit_once('@').and_then(|(_, bare)| Authority::try_from(bare).ok());
    bare.unwrap_or_else(|| authority.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_unescaped_and_encoded() {
        let cases = [
            ("u:p@h:81", Some("Basic dTpw")),
            ("u@h", Some("Basic dTo=")),
            ("a%40b:c%3Ad@h", Some("Basic YUBiOmM6ZA==")),
            ("h:81", None),
        ];
        for (authority, expected) in cases {
            let authority = Authority::from_static(authority);
            assert_eq!(basic(&authority), expected.map(HeaderValue::from_static), "{authority}");
            assert!(["h", "h:81"].contains(&without(&authority).as_str()));
        }
    }
}
