//! Components as a configuration has them.

use siphon_config::Document;
use siphon_config::model::{Backend, Component};

/// A component with these settings (JSON).
pub fn component(namespace: &str, settings: &str) -> Component {
    let document = Document::parse("settings.json", settings).expect(settings);
    let path = format!("async_agent[0].backend[0].extra_config.{namespace}");
    Component { namespace: namespace.into(), path, settings: document.root().clone() }
}

/// `backend` with one more component.
pub fn with(backend: Backend, namespace: &str, settings: &str) -> Backend {
    let mut backend = backend;
    backend.components.push(component(namespace, settings));
    backend
}
