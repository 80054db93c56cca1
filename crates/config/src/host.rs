//! Hosts of backends: scheme, name and port, nothing else.

use crate::redact::quoted;

/// `host` as `scheme://name[:port]`; the scheme is `http` where none is given, a trailing slash is dropped.
///
/// # Errors
///
/// Why it is refused, with the host (its password masked). The reference drops characters around the one part that it
/// understands (`!!h!!` → `http://h`); here the whole text must be a host.
pub(crate) fn clean(host: &str) -> Result<String, String> {
    let (scheme, rest) = split_scheme(host)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(why) = more_than_a_host(rest) {
        return Err(refused(host, why));
    }
    let (name, port) = rest.split_once(':').map_or((rest, None), |(name, port)| (name, Some(port)));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(refused(host, "a name has letters, digits, dots, dashes and underscores"));
    }
    match port {
        None => Ok(format!("{scheme}{name}")),
        Some(port) if is_port(port) => Ok(format!("{scheme}{name}:{port}")),
        Some(_) => Err(refused(host, "its port is no number from 1 to 65535")),
    }
}

fn split_scheme(host: &str) -> Result<(&'static str, &str), String> {
    if let Some(rest) = host.strip_prefix("http://") {
        return Ok(("http://", rest));
    }
    if let Some(rest) = host.strip_prefix("https://") {
        return Ok(("https://", rest));
    }
    match host.split_once("://") {
        None => Ok(("http://", host)),
        Some((scheme, _)) => Err(refused(
            host,
            &format!("a host with the scheme {scheme:?} is not in this build of siphon; http and https are"),
        )),
    }
}

fn more_than_a_host(rest: &str) -> Option<&'static str> {
    let why = match rest {
        "" => "it is empty",
        _ if rest.contains('@') => "user and password need \"disable_host_sanitize\": true",
        _ if rest.starts_with('[') => "an IPv6 address needs \"disable_host_sanitize\": true",
        _ if rest.contains('/') => "a path belongs in url_pattern, or needs \"disable_host_sanitize\": true",
        _ if rest.contains(',') => "several hosts are written as a list",
        _ => return None,
    };
    Some(why)
}

fn refused(host: &str, why: &str) -> String {
    format!("host {} not valid: {why}", quoted(host))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: &str) {
        assert_eq!(clean(host).as_deref(), Ok(expected));
    }

    #[track_caller]
    fn check_error(host: &str, part: &str) {
        let error = clean(host).expect_err(host);
        assert!(error.contains(part), "{host}: {error}");
    }

    #[test]
    fn scheme_name_and_port_are_kept() {
        check("my_host.local:8080/", "http://my_host.local:8080");
        check("https://h:443", "https://h:443");
        check("127.0.0.1:9", "http://127.0.0.1:9");
        check("http://h/", "http://h");
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        check_error("http://127.0.0.1:19/with/path", "http://127.0.0.1:19/with/path");
        check_error("http://127.0.0.1:19/with/path", "url_pattern");
        check_error("amqp://u:secret@127.0.0.1:5672", "amqp://u:***@127.0.0.1:5672");
        check_error("amqp://u:p@127.0.0.1:5672", "the scheme \"amqp\" is not in this build");
        check_error("http://u:secret@h:80", "http://u:***@h:80");
        check_error("http://u:secret@h:80", "user and password need \"disable_host_sanitize\": true");
        check_error("http://[::1]:8080", "IPv6");
        check_error("http://h:1234567", "65535");
        check_error("h:0", "65535");
        check_error("h:+1", "65535");
        check_error("", "it is empty");
        check_error("http://", "it is empty");
        check_error("a,b", "list");
        check_error("a b", "letters");
        check_error("!!h!!", "letters");
    }

    #[test]
    fn a_password_is_not_shown_however_the_host_is_misspelt() {
        for host in
            ["svc:SEKRET@orders:8080", "//u:SEKRET@h", "http:/u:SEKRET@h", "amqp:/u:SEKRET@h", "ftp://u:SEKRET@h"]
        {
            let refused = clean(host).expect_err(host);
            assert!(!refused.contains("SEKRET"), "{refused}");
        }
    }
}
