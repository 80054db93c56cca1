//! How the backends of one agent are called: their connections and their hosts, from the settings.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use rustls::ClientConfig;
use siphon_config::model::{self, Agent, Backend, HttpSettings};
use siphon_telemetry::redact;

#[cfg(feature = "grpc")]
use crate::components::Catalog;
use crate::components::{Checked, Site, problem_at};
use crate::discovery::{Discovery, Name};
use crate::http::{Client, ClientSettings, Proxies, TlsSettings, Way};
use crate::target::Target;

/// The service's settings with the proxies of the environment.
///
/// # Errors
///
/// A variable of the environment that cannot be used.
pub(crate) fn settings(http: &HttpSettings) -> Checked<ClientSettings> {
    let proxies = Proxies::from_environment(|name| std::env::var(name).ok());
    let proxies = proxies.map_err(|why| vec![problem_at("", format!("environment: {why}"))])?;
    Ok(ClientSettings { proxies, ..ClientSettings::from(http) })
}

/// What the backends of one agent share.
pub(crate) struct Calling {
    settings: ClientSettings,
    plain: Way,
    pub client: Arc<Client>,
    #[cfg(feature = "grpc")]
    catalog: Catalog,
}

impl Calling {
    /// # Errors
    ///
    /// What cannot work in the service's `client_tls`.
    pub fn new(settings: ClientSettings) -> Checked<Self> {
        let plain = Way { tls: service_tls(&settings)?, ..Way::default() };
        let client = Arc::new(Client::in_way(&settings, &plain));
        Ok(Self {
            settings,
            plain,
            client,
            #[cfg(feature = "grpc")]
            catalog: Catalog::default(),
        })
    }

    /// Where the components of `agent` stand.
    pub fn site<'s>(&'s self, agent: &'s Agent) -> Site<'s> {
        Site {
            agent,
            backend: None,
            client: &self.client,
            service: &self.client,
            settings: &self.settings,
            #[cfg(feature = "grpc")]
            catalog: &self.catalog,
        }
    }

    /// The connections of one backend: those of the agent, unless its configuration changes how they are opened.
    pub fn client(&self, own: &Way) -> Arc<Client> {
        if own.is_plain() {
            return Arc::clone(&self.client);
        }
        let tls = own.tls.clone().or_else(|| self.plain.tls.clone());
        Arc::new(Client::in_way(&self.settings, &Way { tls, ..own.clone() }))
    }

    /// Where the calls of one backend go.
    ///
    /// # Errors
    ///
    /// One problem for each host and pattern that no URL can be made of.
    pub fn target(&self, backend: &Backend) -> Checked<Target> {
        let target = match backend.discovery {
            model::Discovery::Static => Target::new(&backend.hosts, &backend.url_pattern, random()),
            model::Discovery::Dns { tls } => {
                Target::discovered(&backend.url_pattern, |path| self.discovery(backend, tls, path))
            }
        };
        target.map_err(|messages| at_backend(messages, backend))
    }

    fn discovery(&self, backend: &Backend, tls: bool, path: Option<&str>) -> Result<Discovery, String> {
        let [host] = backend.hosts.as_slice() else { return Err("service discovery takes one name".into()) };
        let name = host.rsplit_once("://").map_or(host.as_str(), |(_, name)| name);
        if name.is_empty() || name.contains([':', '/', '@']) {
            let shown = redact::written(host);
            return Err(format!("host {shown} is no name of a service; write one such as _http._tcp.orders.example"));
        }
        let (ttl, server, path) =
            (self.settings.http.dns_cache_ttl, self.settings.name_server, path.map(str::to_owned));
        Ok(Discovery::new(Name { name: name.to_owned(), tls, ttl, server, path }))
    }
}

/// The target of a backend that is not called over HTTP: the path alone.
///
/// # Errors
///
/// A pattern that no path can be made of.
pub(crate) fn local_target(backend: &Backend) -> Checked<Target> {
    let target = Target::new(&[], &backend.url_pattern, 0).map(Target::local);
    target.map_err(|messages| at_backend(messages, backend))
}

fn at_backend(messages: Vec<String>, backend: &Backend) -> Vec<siphon_config::Problem> {
    messages.into_iter().map(|message| problem_at(&backend.path, message)).collect()
}

/// The service's `client_tls`, its files read.
pub(crate) fn service_tls(settings: &ClientSettings) -> Checked<Option<Arc<ClientConfig>>> {
    let Some(component) = &settings.http.client_tls else { return Ok(None) };
    let tls: TlsSettings = component.read().map_err(|problem| vec![problem])?;
    let problems =
        |wrongs: Vec<(String, String)>| wrongs.iter().map(|(key, why)| component.problem(key, why)).collect();
    tls.client_config(&settings.roots()).map(|config| Some(Arc::new(config))).map_err(problems)
}

/// Which host is asked first, so that many agents do not all begin with the same one.
pub(crate) fn random() -> usize {
    RandomState::new().build_hasher().finish() as usize
}
