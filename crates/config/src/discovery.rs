//! `sd` and `sd_scheme` of a backend: what its hosts are.

use crate::model::Discovery;
use crate::section::{Field, Section};
use crate::weak;

/// `hosts`: how many the backend has.
pub(crate) fn read(section: &Section<'_>, hosts: usize) -> Discovery {
    let scheme = section.field("sd_scheme");
    let Some(field) = section.field("sd") else { return without_discovery(scheme) };
    match field.read(weak::text).as_deref() {
        None | Some("" | "static") => without_discovery(scheme),
        Some("dns") if hosts > 1 => {
            field.error("service discovery by \"dns\" takes one name; leave one in host");
            Discovery::Static
        }
        Some("dns") => Discovery::Dns { tls: scheme.is_some_and(|scheme| is_https(&scheme)) },
        Some("dns-shared") => {
            field.error("service discovery by \"dns-shared\" is not in this build of siphon; write \"dns\"");
            Discovery::Static
        }
        Some(_) => {
            field.error(format!("{} is no service discovery; \"static\" and \"dns\" are", field.shown()));
            Discovery::Static
        }
    }
}

fn without_discovery(scheme: Option<Field<'_>>) -> Discovery {
    if let Some(field) = scheme {
        field.notice("has no effect without service discovery");
    }
    Discovery::Static
}

fn is_https(scheme: &Field<'_>) -> bool {
    match scheme.read(weak::text).as_deref() {
        None | Some("" | "http") => false,
        Some("https") => true,
        Some(_) => {
            scheme.error(format!("{} is no scheme of a backend; http and https are", scheme.shown()));
            false
        }
    }
}
