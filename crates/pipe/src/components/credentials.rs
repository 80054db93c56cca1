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
