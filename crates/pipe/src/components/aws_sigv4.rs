//! `auth/aws-sigv4`: each call of a backend is signed as AWS wants it (components-traffic.md §10).

use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;
use siphon_config::model::Component;

use super::aws::credentials::{Provider, of_role, provider};
use super::aws::origin::{self, Environment};
use super::aws::role;
use super::aws::signature::{Scope, signed};
use super::credentials::refuse_second;
use super::{Build, Checked, Entry, Layer, Level, Site, UnknownKeys};
use crate::error::PipeError;
use crate::http::{Answer, Exchange, ExchangeFuture, Outgoing};
use crate::stage::Context;

pub(super) const ENTRY: Entry = Entry {
    namespaces: &["auth/aws-sigv4"],
    level: Level::Backend,
    unknown_keys: UnknownKeys::Warn,
    effect: "signs each call for AWS",
    schema,
    build: Build::Exchange(Layer::AroundHop(build)),
};

/// `auth/aws-sigv4`. The keys come from where AWS' own tools take them: environment, shared file, container, instance.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// Region of the service. Example: `eu-central-1`.
    region: String,
    /// Name of the service in signatures. Example: `execute-api`.
    service: String,
    /// A role to take on first. Example: `arn:aws:iam::123456789012:role/caller`. Default: none.
    #[serde(default)]
    assume_role_arn: String,
    /// Region in which the role is taken on. Default: `region`.
    #[serde(default)]
    sts_region: String,
    /// Has no effect. Default: false.
    #[serde(default)]
    #[expect(dead_code, reason = "a known key that does nothing here")]
    debug: bool,
}

fn schema() -> serde_json::Value {
    schemars::schema_for!(Settings).to_value()
}

/// Around each hop: calls to hosts of the configuration are signed.
struct Signing {
    keys: Provider,
    scope: Scope,
    below: Box<dyn Exchange>,
}

impl Exchange for Signing {
    fn exchange<'a>(&'a self, call: Outgoing, context: &'a Context) -> ExchangeFuture<'a> {
        if call.is_abroad {
            return self.below.exchange(call, context);
        }
        Box::pin(self.call(call, context))
    }
}

impl Signing {
    async fn call(&self, call: Outgoing, context: &Context) -> Result<Answer, PipeError> {
        let keys = self.keys.get().await;
        let (keys, _) = keys.map_err(|unavailable| unavailable.for_call(call.call()))?;
        self.below.exchange(signed(call, &keys, &self.scope, SystemTime::now()), context).await
    }
}

fn build(component: &Component, site: &Site<'_>, below: Box<dyn Exchange>) -> Checked<Box<dyn Exchange>> {
    refuse_second(component, site)?;
    build_in(component, site, below, &origin::of_process)
}

fn build_in(
    component: &Component,
    site: &Site<'_>,
    below: Box<dyn Exchange>,
    environment: Environment<'_>,
) -> Checked<Box<dyn Exchange>> {
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let refuse = |(key, message): (&str, String)| vec![component.problem(key, &message)];
    let scope = scope(&settings).map_err(refuse)?;
    let keys = keys(&settings, site, environment).map_err(refuse)?;
    Ok(Box::new(Signing { keys, scope, below }))
}

fn scope(settings: &Settings) -> Result<Scope, (&'static str, String)> {
    let region = super::aws::region(&settings.region).map_err(|message| ("region", message))?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if settings.service.is_empty() || !settings.service.bytes().all(is_name) {
        return Err(("service", format!("{:?} is no service of AWS; write one as \"execute-api\"", settings.service)));
    }
    Ok(Scope { region: region.to_owned(), service: settings.service.clone() })
}

fn keys(
    settings: &Settings,
    site: &Site<'_>,
    environment: Environment<'_>,
) -> Result<Provider, (&'static str, String)> {
    let located = origin::locate(&settings.region, environment).map_err(|message| ("", message))?;
    let own = provider(located, site.service).map_err(|message| ("", message))?;
    if settings.assume_role_arn.is_empty() {
        return Ok(own);
    }
    let region = Some(&settings.sts_region).filter(|region| !region.is_empty()).unwrap_or(&settings.region);
    let region = super::aws::region(region).map_err(|message| ("sts_region", message))?;
    let role = role(&settings.assume_role_arn, region, environment).map_err(|message| ("assume_role_arn", message))?;
    of_role(own, Arc::new(role), site.service).map_err(|message| ("assume_role_arn", message))
}

#[cfg(test)]
mod tests;
