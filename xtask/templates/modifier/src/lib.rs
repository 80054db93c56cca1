//! Tells a backend for whom an event is, and keeps what is internal out of its reply.

use serde_json::{Map, Value};
use siphon_sdk::{Context, Error, Finding, Modifier, Refusal, Reply, Request, Sides};

/// Where the tenant is found, and where it goes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The field of the payload that names the tenant, such as `customer`.
    field: String,
    /// The header that tells the backend. Default: `X-Tenant`.
    #[serde(default = "default_header")]
    header: String,
}

fn default_header() -> String {
    "X-Tenant".to_owned()
}

/// One value serves all events of its place at once.
struct Tenant(Config);

impl Modifier for Tenant {
    const NAMES: &'static [&'static str] = &["{name}"];
    const LABEL: &'static str = "{label}";
    const SIDES: Sides = Sides::Both;
    type Config = Config;

    fn check(config: &Config, _: &Context) -> Vec<Finding> {
        let is_empty = config.field.is_empty();
        is_empty.then(|| Finding::error("field", "must not be empty")).into_iter().collect()
    }

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        Ok(Self(config))
    }

    async fn request(&self, request: &mut Request) -> Result<(), Refusal> {
        let Config { field, header } = &self.0;
        let payload: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let Some(tenant) = payload.get(field).and_then(Value::as_str) else {
            // The event fails as if the backend had answered 422: trying again would not help.
            return Err(Refusal::new(format!("the payload has no text {field:?}")).status(422));
        };
        request.set_header(header.clone(), tenant.to_owned());
        Ok(())
    }

    async fn reply(&self, reply: &mut Reply) -> Result<(), Refusal> {
        let mut data: Map<String, Value> = reply.data()?;
        if data.remove("internal").is_some() {
            reply.set_data(&data)?;
        }
        Ok(())
    }
}

siphon_sdk::export_plugin!(siphon_sdk::modifier::<Tenant>());
