//! Namespaces that KrakenD's files use, whether or not this build has them.
//!
//! Source: KrakenD CE 2.13, its schema v2.13 and the list of aliases that it normalises at start.

use crate::catalogue::Level::{self, Agent, Backend, Service};

/// What a namespace is, apart from what is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A driver, and the plugin that brings it.
    Driver(&'static str),
    /// Does something to the events of an agent.
    Component,
    /// Concerns HTTP endpoints, which siphon does not serve.
    EndpointOnly,
}

pub(crate) struct Known {
    pub name: &'static str,
    /// Older names, equally accepted.
    pub aliases: &'static [&'static str],
    /// Where it may stand.
    pub levels: &'static [Level],
    pub sort: Sort,
}

const fn driver(name: &'static str, plugin: &'static str, aliases: &'static [&'static str]) -> Known {
    Known { name, aliases, levels: &[Agent], sort: Sort::Driver(plugin) }
}

const fn component(name: &'static str, levels: &'static [Level], aliases: &'static [&'static str]) -> Known {
    Known { name, aliases, levels, sort: Sort::Component }
}

const fn endpoint_only(name: &'static str, levels: &'static [Level], aliases: &'static [&'static str]) -> Known {
    Known { name, aliases, levels, sort: Sort::EndpointOnly }
}

const BOTH: &[Level] = &[Agent, Backend];
const EVERYWHERE: &[Level] = &[Service, Agent, Backend];
const SERVICE: &[Level] = &[Service];
const OUTSIDE_BACKENDS: &[Level] = &[Service, Agent];

/// Drivers, components of the pipe, telemetry, and what is for HTTP endpoints only, in this order.
pub(crate) const KNOWN: &[Known] = &[
    driver("async/amqp", "amqp", &["github.com/devopsfaith/krakend-amqp/agent"]),
    driver("async/kafka", "kafka", &[]),
    driver("async/nats", "nats", &[]),
    driver("async/sqlite", "sqlite", &[]),
    component("proxy", BOTH, &["github.com/devopsfaith/krakend/proxy"]),
    component("validation/cel", BOTH, &["github.com/devopsfaith/krakend-cel"]),
    component("validation/json-schema", &[Agent], &["github.com/devopsfaith/krakend-jsonschema"]),
    component("validation/response-json-schema", BOTH, &[]),
    component("modifier/lua-proxy", &[Agent], &["github.com/devopsfaith/krakend-lua/proxy"]),
    component("modifier/lua-backend", &[Backend], &["github.com/devopsfaith/krakend-lua/proxy/backend"]),
    component("modifier/martian", &[Backend], &["github.com/devopsfaith/krakend-martian"]),
    component("modifier/jmespath", BOTH, &[]),
    component("modifier/request-body-generator", BOTH, &["modifier/body-generator"]),
    component("modifier/request-body-extractor", &[Agent], &[]),
    component("modifier/response-body-generator", BOTH, &[]),
    component("modifier/response-body", BOTH, &[]),
    component("plugin/req-resp-modifier", BOTH, &["github.com/devopsfaith/krakend/proxy/plugin"]),
    component("plugin/http-client", &[Backend], &["github.com/devopsfaith/krakend/transport/http/client/executor"]),
    component("security/policies", BOTH, &[]),
    component("workflow", &[Backend], &[]),
    component("backend/amqp/consumer", &[Backend], &["github.com/devopsfaith/krakend-amqp/consume"]),
    component("backend/amqp/producer", &[Backend], &["github.com/devopsfaith/krakend-amqp/produce"]),
    component("backend/pubsub/publisher", &[Backend], &["github.com/devopsfaith/krakend-pubsub/publisher"]),
    component("backend/pubsub/subscriber", &[Backend], &["github.com/devopsfaith/krakend-pubsub/subscriber"]),
    component("backend/pubsub/publisher/kafka", &[Backend], &[]),
    component("backend/pubsub/subscriber/kafka", &[Backend], &[]),
    component("backend/http", &[Backend], &["github.com/devopsfaith/krakend/http"]),
    component("backend/http/client", &[Backend], &[]),
    component("backend/graphql", &[Backend], &["github.com/devopsfaith/krakend/transport/http/client/graphql"]),
    component("backend/lambda", &[Backend], &["github.com/devopsfaith/krakend-lambda"]),
    component("backend/grpc", &[Backend], &[]),
    component("backend/soap", &[Backend], &[]),
    component("backend/conditional", &[Backend], &[]),
    component("backend/static-filesystem", &[Backend], &[]),
    component("qos/circuit-breaker", &[Backend], &["github.com/devopsfaith/krakend-circuitbreaker/gobreaker"]),
    component("qos/circuit-breaker/http", &[Backend], &[]),
    component("qos/http-cache", &[Backend], &["github.com/devopsfaith/krakend-httpcache"]),
    component("qos/ratelimit/proxy", &[Backend], &[]),
    component("auth/client-credentials", &[Backend], &["github.com/devopsfaith/krakend-oauth2-clientcredentials"]),
    component("auth/aws-sigv4", &[Backend], &[]),
    component("auth/gcp", &[Backend], &[]),
    component("auth/ntlm", &[Backend], &[]),
    component("auth/api-key", &[Backend], &[]),
    component("telemetry/opentelemetry", EVERYWHERE, &[]),
    component("telemetry/metrics", SERVICE, &["github_com/devopsfaith/krakend-metrics"]),
    component("telemetry/gelf", SERVICE, &["github_com/devopsfaith/krakend-gelf"]),
    component("telemetry/logging", SERVICE, &["github_com/devopsfaith/krakend-gologging"]),
    component("telemetry/logstash", SERVICE, &["github_com/devopsfaith/krakend-logstash"]),
    component("telemetry/influx", SERVICE, &["github_com/letgoapp/krakend-influx"]),
    component("telemetry/opencensus", SERVICE, &["github_com/devopsfaith/krakend-opencensus"]),
    component("telemetry/newrelic", EVERYWHERE, &[]),
    component("router", SERVICE, &["github_com/luraproject/lura/router/gin"]),
    component("async/delivery", &[Agent], &[]),
    endpoint_only("security/cors", OUTSIDE_BACKENDS, &["github_com/devopsfaith/krakend-cors"]),
    endpoint_only("security/http", OUTSIDE_BACKENDS, &["github_com/devopsfaith/krakend-httpsecure"]),
    endpoint_only("security/bot-detector", OUTSIDE_BACKENDS, &["github_com/devopsfaith/krakend-botdetector"]),
    endpoint_only("auth/validator", OUTSIDE_BACKENDS, &["github.com/devopsfaith/krakend-jose/validator"]),
    endpoint_only("auth/signer", OUTSIDE_BACKENDS, &["github.com/devopsfaith/krakend-jose/signer"]),
    endpoint_only("auth/revoker", SERVICE, &["github_com/devopsfaith/bloomfilter"]),
    endpoint_only("auth/api-keys", OUTSIDE_BACKENDS, &[]),
    endpoint_only("auth/basic", OUTSIDE_BACKENDS, &[]),
    endpoint_only("qos/ratelimit/router", OUTSIDE_BACKENDS, &[]),
    endpoint_only("qos/ratelimit/service", SERVICE, &[]),
    endpoint_only("qos/ratelimit/tiered", OUTSIDE_BACKENDS, &[]),
    endpoint_only("documentation/openapi", OUTSIDE_BACKENDS, &[]),
    endpoint_only("documentation/postman", OUTSIDE_BACKENDS, &[]),
    endpoint_only("modifier/lua-endpoint", SERVICE, &["github.com/devopsfaith/krakend-lua/router"]),
    endpoint_only("modifier/response-headers", OUTSIDE_BACKENDS, &[]),
    endpoint_only("plugin/http-server", SERVICE, &["github_com/devopsfaith/krakend/transport/http/server/handler"]),
    endpoint_only("server/static-filesystem", SERVICE, &[]),
    endpoint_only("server/virtualhost", SERVICE, &[]),
    endpoint_only("websocket", OUTSIDE_BACKENDS, &[]),
    endpoint_only("grpc", SERVICE, &[]),
];

/// Names of the *backend* consumer. On an agent the founding page uses the first as the driver's.
const MISPLACED_DRIVER: [&str; 2] = ["github.com/devopsfaith/krakend-amqp/consume", "backend/amqp/consumer"];

/// Whether `key` is a backend's name that selects the AMQP driver when it stands on an agent.
pub(crate) fn is_misplaced_driver(level: Level, key: &str) -> bool {
    level == Agent && MISPLACED_DRIVER.contains(&key)
}

/// What is known about `key` where it stands at `level`.
pub(crate) fn find(level: Level, key: &str) -> Option<&'static Known> {
    let key = if is_misplaced_driver(level, key) { "async/amqp" } else { key };
    KNOWN.iter().find(|known| known.name == key || known.aliases.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once() {
        let mut names: Vec<_> = KNOWN.iter().flat_map(|known| known.aliases.iter().chain([&known.name])).collect();
        names.sort();
        let repeated: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(repeated.is_empty(), "{repeated:?}");
    }

    #[test]
    fn the_founding_page_s_key_is_the_driver_on_agents_only() {
        let name = |level| find(level, "github.com/devopsfaith/krakend-amqp/consume").map(|known| known.name);
        assert_eq!(name(Agent), Some("async/amqp"));
        assert_eq!(name(Backend), Some("backend/amqp/consumer"));
    }
}
