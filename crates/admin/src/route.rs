//! What a request asks for, decided by its method and path alone.

use http::Method;

/// Path of the endpoint that answers `pong`; everything below it, too.
pub const DEBUG_PATH: &str = "/__debug";
/// Path of the endpoint that answers with what it was sent; everything below it, too.
pub const ECHO_PATH: &str = "/__echo";
/// Path of the metrics.
pub const METRICS_PATH: &str = "/metrics";
/// Where health is unless the configuration names another path.
pub const HEALTH_PATH: &str = "/__health";

/// Which endpoints exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Path of health; `None` where it is switched off.
    pub health_path: Option<String>,
    pub metrics: bool,
    pub debug: bool,
    pub echo: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Self { health_path: Some(HEALTH_PATH.into()), metrics: false, debug: false, echo: false }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Health,
    Metrics,
    Debug,
    Echo,
    /// The path exists, but only for the methods `allowed`.
    WrongMethod {
        allowed: &'static str,
    },
    NotFound,
}

impl Routes {
    /// A trailing slash makes no difference and never a redirect: clients drop bodies when they follow one.
    pub fn route(&self, method: &Method, path: &str) -> Route {
        let is_health = self.health_path.as_deref().is_some_and(|health| is_same(path, health));
        let is_metrics = self.metrics && is_same(path, METRICS_PATH);
        match () {
            () if is_health && method == Method::GET => Route::Health,
            () if is_metrics && method == Method::GET => Route::Metrics,
            () if is_health || is_metrics => Route::WrongMethod { allowed: "GET" },
            () if self.debug && is_at_or_below(path, DEBUG_PATH) => Route::Debug,
            () if self.echo && is_at_or_below(path, ECHO_PATH) => Route::Echo,
            () => Route::NotFound,
        }
    }
}

fn is_same(path: &str, wanted: &str) -> bool {
    path == wanted || path.strip_suffix('/') == Some(wanted)
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: Route = Route::WrongMethod { allowed: "GET" };

    #[track_caller]
    fn check(routes: &Routes, cases: &[(&str, &str, Route)]) {
        for (method, path, expected) in cases {
            let method = method.parse().expect("a method");
            assert_eq!(routes.route(&method, path), *expected, "{method} {path}");
        }
    }

    fn all() -> Routes {
        Routes { metrics: true, debug: true, echo: true, ..Routes::default() }
    }

    #[test]
    fn health_is_for_get_only() {
        let cases = [("GET", "/__health", Route::Health), ("GET", "/__health/", Route::Health)];
        check(&all(), &cases);
        check(&all(), &[("HEAD", "/__health", WRONG), ("POST", "/__health", WRONG), ("OPTIONS", "/__health", WRONG)]);
    }

    #[test]
    fn metrics_are_for_get_only() {
        check(&all(), &[("GET", "/metrics", Route::Metrics), ("GET", "/metrics/", Route::Metrics)]);
        check(
            &all(),
            &[("HEAD", "/metrics", WRONG), ("POST", "/metrics", WRONG), ("GET", "/metrics/a", Route::NotFound)],
        );
    }

    #[test]
    fn debug_and_echo_take_any_method_at_and_below_their_paths() {
        for (path, route) in [("/__debug", Route::Debug), ("/__echo", Route::Echo)] {
            for rest in ["", "/", "/a", "/a/b"] {
                check(&all(), &[("GET", &format!("{path}{rest}"), route), ("PURGE", &format!("{path}{rest}"), route)]);
            }
        }
    }

    #[test]
    fn a_path_that_only_begins_alike_is_not_found() {
        let cases = ["/__debugger", "/__healthy", "/__echoes", "/", "", "//__debug", "/__DEBUG"];
        cases.iter().for_each(|path| check(&all(), &[("GET", path, Route::NotFound)]));
    }

    #[test]
    fn what_is_switched_off_is_not_found() {
        let none = Routes { health_path: None, ..Routes::default() };
        check(&none, &[("GET", "/__health", Route::NotFound), ("HEAD", "/__health", Route::NotFound)]);
        check(&none, &[("GET", "/metrics", Route::NotFound), ("POST", "/metrics", Route::NotFound)]);
        check(&none, &[("GET", "/__debug", Route::NotFound), ("GET", "/__echo/x", Route::NotFound)]);
    }

    #[test]
    fn health_can_have_another_path() {
        let routes = Routes { health_path: Some("/hc".into()), ..all() };
        check(&routes, &[("GET", "/hc", Route::Health), ("GET", "/__health", Route::NotFound)]);
    }
}
