//! What calls to AWS have in common: whose they are, and how they are signed.

pub(super) mod credentials;
mod document;
pub(super) mod origin;
pub(super) mod signature;
mod sts;
#[cfg(test)]
pub(super) mod testing;

use ::http::Uri;

use crate::hosts::is_callable;

use origin::Environment;
use sts::Role;

/// A region as it stands in host names.
///
/// # Errors
///
/// A sentence when it is none.
pub(super) fn region(text: &str) -> Result<&str, String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || !text.bytes().all(is_name) {
        return Err(format!("{text:?} is no region of AWS; write one as \"eu-central-1\""));
    }
    Ok(text)
}

/// `https://SERVICE.REGION.amazonaws.com`, in China with its own ending.
pub(super) fn usual_endpoint(service: &str, region: &str) -> String {
    let end = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{service}.{region}.{end}")
}

/// A URL that calls can go to; without a query.
///
/// # Errors
///
/// A sentence when it is none.
pub(super) fn endpoint(text: &str) -> Result<Uri, String> {
    let is_http = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none();
    let url = text.parse::<Uri>().ok().filter(|url| is_http(url) && url.authority().is_some_and(is_callable));
    url.ok_or_else(|| {
        let shown = siphon_telemetry::redact::written(text);
        format!("{shown} is no http or https URL; write it whole, with scheme and host, without a query")
    })
}

/// A role that is taken on in `region`.
///
/// # Errors
///
/// A sentence when the name or the place is none.
pub(super) fn role(arn: &str, region: &str, environment: Environment<'_>) -> Result<Role, String> {
    if !arn.starts_with("arn:") || !arn.contains(":role/") {
        return Err(format!("{arn:?} is no ARN of a role; write it as \"arn:aws:iam::123456789012:role/caller\""));
    }
    Ok(Role::new(arn.to_owned(), region.to_owned(), origin::sts_endpoint(region, environment)?))
}
