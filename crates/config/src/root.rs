//! The root of the file: service, agents, and what of a gateway's file has no effect here.

use std::time::Duration;

use crate::agent;
use crate::catalogue::Level;
use crate::client_tls;
use crate::components::{Components, Found};
use crate::host;
use crate::logging;
use crate::model::{Component, Config, HttpSettings, PluginSettings, Service};
use crate::problem::Severity;
use crate::section::{Field, Section};
use crate::timing::{self, Zero};
use crate::tree::{Entry, Node, Value, join};
use crate::weak;

/// Default of the root's `timeout`.
const TIMEOUT: Duration = Duration::from_secs(2);
const PORT: u16 = 8080;
/// Where the admin service shows its metrics, always.
const METRICS_PATH: &str = "/metrics";
const HEALTH_PATH: &str = "/__health";
/// Go's default between TCP keep-alive probes.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(15);
const IDLE_CONNECTIONS_PER_HOST: usize = 250;
const DNS_CACHE_TTL: Duration = Duration::from_secs(30);
/// Anything shorter counts as not given, as in the reference.
const SHORTEST_DNS_CACHE_TTL: Duration = Duration::from_secs(1);

/// Keys of a gateway's file that do nothing for agents; all are scalars.
pub(crate) const WITHOUT_EFFECT: [&str; 13] = [
    "cache_ttl",
    "output_encoding",
    "sequential_start",
    "disable_rest",
    "use_h2c",
    "max_shutdown_wait_time",
    "read_timeout",
    "write_timeout",
    "idle_timeout",
    "read_header_timeout",
    "max_header_bytes",
    "dialer_fallback_delay",
    "expect_continue_timeout",
];

/// `router` keys that shape answers to HTTP clients.
const ROUTER_WITHOUT_EFFECT: [&str; 20] = [
    "disable_access_log",
    "logger_skip_paths",
    "hide_version_header",
    "error_body",
    "return_error_msg",
    "auto_options",
    "disable_redirect_trailing_slash",
    "disable_redirect_fixed_path",
    "disable_handle_method_not_allowed",
    "disable_path_decoding",
    "remove_extra_slash",
    "forwarded_by_client_ip",
    "remote_ip_headers",
    "trusted_proxies",
    "app_engine",
    "max_multipart_memory",
    "use_h2c",
    "max_payload",
    "decompress_gzip",
    "disable_gzip",
];

/// What agents inherit from the root.
pub(crate) struct Inherited {
    pub timeout: Duration,
    /// Cleaned.
    pub hosts: Vec<String>,
}

pub(crate) fn read<'a>(file: &str, root: Section<'a>, components: &Components<'a>) -> Config {
    version(&root);
    let inherited = Inherited {
        timeout: timing::positive(&root, "timeout", Zero::IsDefault).unwrap_or(TIMEOUT),
        hosts: hosts(&root),
    };
    let name = root.text("name").unwrap_or_default();
    let service = service(&root, components, inherited.timeout);
    let agents = agent::read_all(&root, components, &inherited);
    endpoints(&root);
    refused(&root);
    without_effect(&root, &WITHOUT_EFFECT);
    root.finish(Severity::Warning);
    Config { file: file.to_owned(), name, service, agents }
}

fn version(root: &Section<'_>) {
    const WANTED: i64 = 3;
    match root.field("version") {
        None => root.report.error(root.at, "version", "is missing; write \"version\": 3"),
        Some(field) => match field.read(weak::integer) {
            Some(WANTED) | None => {}
            Some(other) => field.error(format!("unsupported version: {other} (want: {WANTED})")),
        },
    }
}

fn hosts(root: &Section<'_>) -> Vec<String> {
    let Some(field) = root.field("host") else { return Vec::new() };
    let clean = |item: &crate::section::Field<'_>| {
        let host = item.read(weak::text)?;
        host::clean(&host).map_err(|why| item.error(why)).ok()
    };
    field.items().iter().filter_map(clean).collect()
}

fn service<'a>(root: &Section<'a>, components: &Components<'a>, timeout: Duration) -> Service {
    let found = components.read(Level::Service, root.field("extra_config"));
    Service {
        timeout,
        port: port(root),
        listen_ip: listen_ip(root),
        debug_endpoint: root.boolean("debug_endpoint"),
        echo_endpoint: root.boolean("echo_endpoint"),
        health_path: health_path(root, &found),
        http: HttpSettings { grpc: found.own("grpc").and_then(|field| grpc(&field)), ..http(root) },
        plugin: plugin(root),
        logging: found.own("telemetry/logging").and_then(|field| logging::read(&field)),
        components: found.components,
    }
}

fn port(root: &Section<'_>) -> u16 {
    let Some(field) = root.field("port") else { return PORT };
    match field.read(weak::integer).map(u16::try_from) {
        None | Some(Ok(0)) => PORT,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            field.error(format!("{} is no port; a port is a number from 1 to 65535", field.shown()));
            PORT
        }
    }
}

fn listen_ip(root: &Section<'_>) -> Option<std::net::IpAddr> {
    let field = root.field("listen_ip")?;
    let text = field.read(weak::text).filter(|text| !text.is_empty())?;
    let parsed = text.parse();
    if parsed.is_err() {
        field.error(format!("{} is no IP address; write one such as 127.0.0.1 or ::1, not a name", field.shown()));
    }
    parsed.ok()
}

fn health_path(root: &Section<'_>, found: &Found<'_>) -> Option<String> {
    let router = found
        .own("router")
        .and_then(|field| Section::open(field.node, &field.path, field.report))
        .unwrap_or_else(|| Section::empty(root.at, "extra_config.router", root.report));
    let disabled = router.boolean("disable_health");
    let path = router.text("health_path").filter(|path| !path.is_empty());
    if let Some(field) = router.field("health_path")
        && path.as_ref().is_some_and(|path| !path.starts_with('/'))
    {
        field.error(format!("{} has to begin with a slash", field.shown()));
    }
    if let Some(field) = router.field("health_path")
        && path.as_ref().is_some_and(|path| path.trim_end_matches('/') == METRICS_PATH)
    {
        field.error(format!("{} is the path of the metrics; choose another", field.shown()));
    }
    without_effect(&router, &ROUTER_WITHOUT_EFFECT);
    router.finish(Severity::Warning);
    (!disabled).then(|| path.unwrap_or_else(|| HEALTH_PATH.to_owned()))
}

fn http(root: &Section<'_>) -> HttpSettings {
    HttpSettings {
        max_idle_connections: count(root, "max_idle_connections"),
        max_idle_connections_per_host: count(root, "max_idle_connections_per_host")
            .unwrap_or(IDLE_CONNECTIONS_PER_HOST),
        idle_connection_timeout: timing::positive(root, "idle_connection_timeout", Zero::IsDefault),
        connect_timeout: timing::positive(root, "dialer_timeout", Zero::IsDefault),
        tcp_keep_alive: timing::keep_alive(root, "dialer_keep_alive", TCP_KEEP_ALIVE),
        response_header_timeout: timing::positive(root, "response_header_timeout", Zero::IsDefault),
        disable_keep_alives: root.boolean("disable_keep_alives"),
        disable_compression: root.boolean("disable_compression"),
        client_tls: client_tls::service(root),
        dns_cache_ttl: timing::positive(root, "dns_cache_ttl", Zero::IsDefault)
            .filter(|ttl| *ttl >= SHORTEST_DNS_CACHE_TTL)
            .unwrap_or(DNS_CACHE_TTL),
        grpc: None,
    }
}

/// The root's `grpc`: its catalog. What the files hold is judged by whoever calls with them.
fn grpc(field: &Field<'_>) -> Option<Component> {
    let section = Section::open(field.node, &field.path, field.report)?;
    let catalog = section.field("catalog");
    if catalog.as_ref().is_none_or(|catalog| catalog.items().is_empty()) {
        field.report.error(section.at, &join(&field.path, "catalog"), "is missing; name files with descriptor sets");
    }
    let paths: Vec<Node> = catalog
        .iter()
        .flat_map(Field::items)
        .filter(|item| item.read(weak::text).is_some())
        .map(|item| item.node.clone())
        .collect();
    without_effect(&section, &["server"]);
    section.finish(Severity::Warning);
    let at = catalog?.node.at;
    let entry = Entry { key: "catalog".into(), at, value: Node { value: Value::List(paths), at } };
    let settings = Node { value: Value::Map(vec![entry]), at: field.node.at };
    Some(Component { namespace: "grpc".into(), path: field.path.clone(), settings })
}

/// A number of things; 0 counts as not given.
fn count(section: &Section<'_>, key: &'static str) -> Option<usize> {
    let field = section.field(key)?;
    let number = field.read(weak::integer)?;
    if number < 0 {
        field.error(format!("{} is negative", field.shown()));
    }
    usize::try_from(number).ok().filter(|number| *number > 0)
}

pub(crate) fn plugin(root: &Section<'_>) -> PluginSettings {
    let plugin = root.section("plugin");
    let settings = PluginSettings { folder: plugin.text("folder"), pattern: plugin.text("pattern") };
    plugin.finish(Severity::Warning);
    settings
}

fn endpoints(root: &Section<'_>) {
    let Some(field) = root.field("endpoints") else { return };
    let count = field.items().len();
    if count > 0 {
        field.warning(format!("siphon serves no endpoints; {count} of them ignored"));
    }
}

/// What would promise security that this build does not have.
fn refused(root: &Section<'_>) {
    let Some(field) = root.field("tls") else { return };
    let disabled = Section::open(field.node, &field.path, field.report).is_some_and(|tls| tls.boolean("disabled"));
    if !disabled {
        field.error("\"tls\" is not in this build of siphon: the admin service speaks plain HTTP; remove it");
    }
}

/// One notice for all keys that are known and do nothing.
pub(crate) fn without_effect(section: &Section<'_>, keys: &[&'static str]) {
    let present = section.present(keys);
    let Some(first) = present.first().and_then(|key| section.field(key)) else { return };
    let message = format!("without effect on agents: {}", present.join(", "));
    section.report.notice(first.node.at, &section.path, message);
}
