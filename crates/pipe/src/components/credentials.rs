//! Which header each of the `auth/…` components writes, so that none undoes what another has done.

use ::http::header::{AUTHORIZATION, HeaderName};
use siphon_config::model::Component;
use siphon_config::problem::Problem;

use super::{Checked, Site, api_key, aws_sigv4, basic, client_credentials, gcp};

/// Refuses `component` when another one of its backend writes the same header.
///
/// # Errors
///
/// One problem that names the other.
pub(super) fn refuse_second(component: &Component, site: &Site<'_>) -> Checked<()> {
    let Some(header) = header_of(component) else { return Ok(()) };
    let others = site.backend.into_iter().flat_map(|backend| &backend.components);
    let mut others = others.filter(|other| other.namespace != component.namespace);
    let second = others.find(|other| header_of(other).as_ref() == Some(&header));
    second.map_or(Ok(()), |other| Err(vec![both(component, other, &header)]))
}

fn both(component: &Component, other: &Component, header: &HeaderName) -> Problem {
    component.problem("", &format!("writes the header {header}, and so does {}; keep one", other.namespace))
}

/// `None`: no header, or settings that are refused elsewhere.
fn header_of(component: &Component) -> Option<HeaderName> {
    let is = |entry: &super::Entry| entry.namespaces.contains(&component.namespace.as_str());
    if is(&client_credentials::ENTRY) {
        let settings: client_credentials::Settings = component.read().ok()?;
        return Some(AUTHORIZATION).filter(|_| !settings.is_disabled);
    }
    if is(&gcp::ENTRY) {
        return component.read::<gcp::Settings>().ok()?.header().ok();
    }
    if is(&api_key::ENTRY) {
        return component.read::<api_key::Settings>().ok()?.header();
    }
    (is(&aws_sigv4::ENTRY) || is(&basic::ENTRY)).then_some(AUTHORIZATION)
}

#[cfg(test)]
mod tests {
    use crate::components::{Build, Entry, Layer, testing};
    use crate::http::{Client, ClientSettings};

    use super::*;

    /// Builds this component of a backend that has `auth/basic` as well.
    #[track_caller]
    fn refused(entry: &Entry, settings: &str) {
        let mut backend = crate::fixture::backend("http://h", "/");
        backend.components.push(testing::component("auth/basic", r#"{"user": "a", "password": "b"}"#));
        let Build::Exchange(Layer::AroundCall(build) | Layer::AroundHop(build)) = entry.build else {
            panic!("a layer")
        };
        let below = Box::new(Client::new(ClientSettings::from(&crate::fixture::http())));
        let component = testing::component(entry.namespaces[0], settings);
        let problems = testing::with_backend(&backend, |site| build(&component, site, below)).err().expect("refused");
        let said: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(said, ["writes the header authorization, and so does auth/basic; keep one"]);
    }

    #[test]
    fn each_of_them_is_refused_beside_another_one() {
        let token = r#"{"client_id": "a", "client_secret": "b", "token_url": "http://h/"}"#;
        refused(&client_credentials::ENTRY, token);
        refused(&gcp::ENTRY, r#"{"audience": "x"}"#);
        refused(&api_key::ENTRY, r#"{"key": "x", "prefix": "Token"}"#);
        refused(&aws_sigv4::ENTRY, r#"{"region": "eu-west-1", "service": "sqs"}"#);
    }
}
