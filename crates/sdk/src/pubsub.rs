//! What `backend/pubsub/publisher` and `backend/pubsub/subscriber` say, the same for every scheme: a URL.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a backend writes under `backend/pubsub/publisher`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct PubsubTopic {
    /// Whereto, behind the backend's first `host`: together `SCHEME://NAME?PARAMETER=VALUE`.
    pub topic_url: String,

    /// What stands before `topic_url`. Default: the backend's `host`.
    #[serde(default)]
    pub host: Vec<String>,
}

impl PubsubTopic {
    /// # Errors
    ///
    /// The URL is not of this scheme, or names nothing.
    pub fn url(&self, scheme: &str) -> Result<PubsubUrl, String> {
        PubsubUrl::parse(scheme, &self.host, &self.topic_url)
    }
}

/// What a backend writes under `backend/pubsub/subscriber`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct PubsubSubscription {
    /// Where from, behind the backend's first `host`: together `SCHEME://NAME?PARAMETER=VALUE`.
    pub subscription_url: String,

    /// What stands before `subscription_url`. Default: the backend's `host`.
    #[serde(default)]
    pub host: Vec<String>,
}

impl PubsubSubscription {
    /// # Errors
    ///
    /// As [`PubsubTopic::url`].
    pub fn url(&self, scheme: &str) -> Result<PubsubUrl, String> {
        PubsubUrl::parse(scheme, &self.host, &self.subscription_url)
    }
}

/// `SCHEME://NAME?PARAMETER=VALUE&…`. Parameters are taken out by those who know them; what is left is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubsubUrl {
    /// Host and path: a topic, an exchange, a subject, a group.
    pub name: String,
    parameters: Vec<String>,
}

impl PubsubUrl {
    fn parse(scheme: &str, host: &[String], rest: &str) -> Result<Self, String> {
        let host = host.first().filter(|_| !rest.contains("://")).map_or("", String::as_str);
        let url = host.to_owned() + rest;
        let wanted = format!("{scheme}://");
        let rest = url.strip_prefix(&wanted).ok_or_else(|| format!("is no {wanted}NAME"))?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let name = name.trim_matches('/').to_owned();
        if name.is_empty() {
            return Err(format!("names nothing: write {wanted}NAME"));
        }
        let parameters = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        Ok(Self { name, parameters })
    }

    /// Takes out all values of a parameter, in order; one without a value is empty.
    pub fn take(&mut self, name: &str) -> Vec<String> {
        let of_name = |pair: &String| match pair.split_once('=') {
            Some((own, value)) => (own == name).then(|| value.to_owned()),
            None => (pair == name).then(String::new),
        };
        let found = self.parameters.iter().filter_map(of_name).collect();
        self.parameters.retain(|pair| of_name(pair).is_none());
        found
    }

    /// The one value of a parameter that names something.
    ///
    /// # Errors
    ///
    /// It is empty, or there are several.
    pub fn take_one(&mut self, name: &str) -> Result<Option<String>, String> {
        match <[String; 1]>::try_from(self.take(name)) {
            Ok([value]) if !value.is_empty() => Ok(Some(value)),
            Err(none) if none.is_empty() => Ok(None),
            _ => Err(format!("has the parameter {name} without a value, or twice: write {name}=VALUE once")),
        }
    }

    /// A parameter that is true or false; bare, it is true.
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn take_flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name).last().map(String::as_str) {
            None => Ok(None),
            Some("" | "true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(format!("has {name}={other}: write true or false")),
        }
    }

    /// Nothing may be left. `known`: what could have been there, for the message.
    ///
    /// # Errors
    ///
    /// Names a parameter that nobody knows.
    pub fn finish(self, known: &str) -> Result<String, String> {
        match self.parameters.first() {
            None => Ok(self.name),
            Some(pair) => Err(format!("has the parameter {pair:?}: only {known} is known")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, topic_url: &str, expected: Result<(&str, Option<&str>), &str>) {
        let read = || {
            let topic = PubsubTopic { topic_url: topic_url.into(), host: vec![host.into()] };
            let mut url = topic.url("rabbit")?;
            let key = url.take_one("key_name")?;
            url.finish("key_name=HEADER").map(|name| (name, key))
        };
        let found = read();
        let found = found.as_ref().map(|(name, key)| (name.as_str(), key.as_deref())).map_err(String::as_str);
        assert_eq!(found, expected);
    }

    #[test]
    fn the_url_is_the_host_and_the_topic_together() {
        check("rabbit://", "shop", Ok(("shop", None)));
        check("rabbit://", "shop?key_name=X-Key", Ok(("shop", Some("X-Key"))));
        check("http://ignored", "rabbit://shop/", Ok(("shop", None)));
        check("rabbit://", "", Err("names nothing: write rabbit://NAME"));
        check("nats://", "shop", Err("is no rabbit://NAME"));
    }

    #[test]
    fn a_parameter_that_nobody_knows_is_refused() {
        check("rabbit://", "shop?x=1", Err("has the parameter \"x=1\": only key_name=HEADER is known"));
        let twice = "has the parameter key_name without a value, or twice: write key_name=VALUE once";
        check("rabbit://", "shop?key_name=a&key_name=b", Err(twice));
        check("rabbit://", "shop?key_name", Err(twice));
    }

    #[test]
    fn a_flag_may_be_bare() {
        let flag = |query: &str| {
            let host = vec!["nats://".to_owned()];
            PubsubSubscription { subscription_url: format!("a?{query}"), host }.url("nats")?.take_flag("natsv2")
        };
        assert_eq!(
            ["natsv2", "natsv2=true", "natsv2=false", ""].map(flag),
            [Ok(Some(true)), Ok(Some(true)), Ok(Some(false)), Ok(None)]
        );
        assert_eq!(flag("natsv2=yes"), Err("has natsv2=yes: write true or false".into()));
    }
}
