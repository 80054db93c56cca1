//! What a backend of gRPC cannot be, said at load.

#![cfg(feature = "grpc")]

#[path = "support/grpc.rs"]
#[allow(dead_code, reason = "nothing is called")]
mod service;
mod support;

use service::{backend, backend_at, descriptor_set, root};
use siphon_config::{Problem, Severity};
use siphon_pipe::Pipe;
use support::loaded;

/// What the configuration or the pipe refuses: path and message of each error.
fn problems(root: &str, backend: &str) -> Vec<(String, String)> {
    let (config, found) = loaded::checked(&loaded::file(root, backend));
    let errors: Vec<Problem> = found.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    let found = match config.filter(|_| errors.is_empty()) {
        None => errors,
        Some(config) => Pipe::build(&config.agents[0], &config.service.http).err().unwrap_or_default(),
    };
    found.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[track_caller]
fn refused(root: &str, backend: &str, path: &str, message: &str) {
    let found = problems(root, backend);
    let fits = |(at, said): &(String, String)| at == path && said.contains(message);
    assert!(matches!(found.as_slice(), [one] if fits(one)), "{backend}: {found:?}");
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    let here = "async_agent[0].backend[0]";
    let at = |pattern: &str| backend_at("\"h:1\"", pattern, "{}");
    let pattern = format!("{here}.url_pattern");
    refused(&root(), &at("/shop.Order/Place"), &pattern, "no service \"shop.Order\"; it has shop.Orders");
    refused(&root(), &at("/shop.Orders/Plac"), &pattern, "shop.Orders has no method \"Plac\"; it has Place, Watch");
    refused(&root(), &at("/shop.Orders/Watch"), &pattern, "Watch is a streaming method");
    refused(&root(), &at("/shop"), &pattern, "write /package.Service/Method");
    let grpc = |settings: &str| backend("h:1", settings);
    let key = |key: &str| format!("{here}.extra_config.backend/grpc.{key}");
    let cases = [
        (r#"{"input_mapping": {"key": "nr"}}"#, "input_mapping.key", "shop.Order has no field \"nr\""),
        (r#"{"input_mapping": {"key": "customer"}}"#, "input_mapping.key", "is a message; name a field in it"),
        (r#"{"input_mapping": {"key": "items"}}"#, "input_mapping.key", "is a list or a map"),
        (r#"{"input_mapping": {"key": "id.x"}}"#, "input_mapping.key", "leads into a field that is no message"),
        (r#"{"input_mapping": {"key": "id"}, "disable_query_params": true}"#, "input_mapping", "has no effect beside"),
        (r#"{"input_assume_bytes": true}"#, "input_assume_bytes", "is not in this build of siphon"),
        (r#"{"response_naming_convention": "kebab"}"#, "response_naming_convention", "none of"),
    ];
    for (settings, path, message) in cases {
        refused(&root(), &grpc(settings), &key(path), message);
    }
    let hosts = format!("{here}.host");
    refused(&root(), &backend_at("", "/shop.Orders/Place", "{}"), &hosts, "write \"host\"");
    refused(&root(), &backend("amqp://h", "{}"), &hosts, "amqp host is not in this build");
    refused(&root(), &backend("http://h", r#"{"client_tls": {}}"#), &hosts, "write https://");
}

#[test]
fn a_catalog_that_cannot_be_read_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: &str| serde_json::to_string(&folder.path().join(name)).expect("text");
    std::fs::write(folder.path().join("bad.pb"), "no set").expect("written");
    std::fs::create_dir(folder.path().join("empty")).expect("made");
    let root = |paths: &str| format!(r#""extra_config": {{"grpc": {{"catalog": [{paths}]}}}},"#);
    let one = backend("h:1", "{}");
    refused("", &one, "extra_config.grpc", "backend/grpc needs the root's extra_config");
    refused(&root(""), &one, "extra_config.grpc.catalog", "is missing");
    refused(&root(&named("none.pb")), &one, "extra_config.grpc.catalog[0]", "cannot be read");
    refused(&root(&named("bad.pb")), &one, "extra_config.grpc.catalog[0]", "is no descriptor set");
    refused(&root(&named("empty")), &one, "extra_config.grpc.catalog[0]", "holds no descriptor set");
    // A folder is searched, and what is there twice counts once.
    std::fs::remove_file(folder.path().join("bad.pb")).expect("removed");
    std::fs::create_dir(folder.path().join("deep")).expect("made");
    for name in ["a.pb", "deep/b.pb"] {
        std::fs::copy(descriptor_set(), folder.path().join(name)).expect("copied");
    }
    std::fs::remove_dir(folder.path().join("empty")).expect("removed");
    let whole = serde_json::to_string(folder.path()).expect("text");
    assert_eq!(problems(&root(&whole), &one), []);
}
