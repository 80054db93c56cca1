//! URLs in parts.

use ::http::Uri;
use ::http::uri::PathAndQuery;

/// `url` with another path and query, both escaped already.
///
/// # Errors
///
/// Why that is no URL.
pub(crate) fn with_target(url: &Uri, path: &str, query: Option<&str>) -> Result<Uri, String> {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let wrong = |error: &dyn std::fmt::Display| format!("the modified URL is none: {error}");
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|error| wrong(&error))?);
    Uri::from_parts(parts).map_err(|error| wrong(&error))
}
