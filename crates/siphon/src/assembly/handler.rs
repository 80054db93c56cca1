//! The pipe as the core's handler: an event becomes a request, a reply becomes an outcome.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use siphon_config::model::Agent;
use siphon_core::{Event, Failure, FailureKind, Handled, Handler, OnDone, Outcome, Subscription};
use siphon_pipe::{Params, Pipe, PipeError, Request, Response, Taken};
use siphon_telemetry::{Label, ShadowsOverrun};
use tokio::time::Instant;

/// Headers of a message that always reach the pipe, besides its content type: a trace goes on.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

/// One agent's pipe.
pub struct PipeHandler {
    pipe: Pipe,
    /// Who speaks on the log.
    label: Label,
    headers: Headers,
    /// Whether anything in the pipe looks at what the driver knows about the message.
    needs_params: bool,
    /// Those of the pipe's backends.
    subscriptions: Vec<Arc<Subscription>>,
}

impl PipeHandler {
    pub(super) fn new(pipe: Pipe, subscriptions: Vec<Arc<Subscription>>, agent: &Agent, label: Label) -> Self {
        let has_placeholder = agent.backends.iter().any(|backend| backend.url_pattern.contains('{'));
        let has_components =
            !agent.components.is_empty() || agent.backends.iter().any(|backend| !backend.components.is_empty());
        let needs_params = has_placeholder || has_components;
        let headers = Headers::new(&agent.input_headers);
        Self { pipe, label, headers, needs_params, subscriptions }
    }

    pub fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Says on the log when shadows get fewer events than there are.
    fn tell_overrun(&self) {
        if let Some(limit) = self.pipe.overrun_shadows() {
            ShadowsOverrun { limit }.emit(&self.label);
        }
    }

    fn request(&self, event: &Event) -> Request {
        let params = if self.needs_params { Arc::new(params(event)) } else { Arc::default() };
        Request { headers: self.headers.of(event), params, ..Request::new(event.payload().clone()) }
    }
}

impl Handler for PipeHandler {
    type Reply = Response;

    async fn handle(&self, event: &Event, deadline: Instant) -> Handled<Response> {
        let taken = UntilDone(if self.subscriptions.is_empty() { Taken::default() } else { Taken::open() });
        let request = Request { taken: taken.0.clone(), ..self.request(event) };
        let reply = self.pipe.run(request, deadline).await;
        self.tell_overrun();
        let on_done = (!self.subscriptions.is_empty()).then(|| taken.on_done());
        Handled { reply: reply.response, failure: reply.error.map(|error| failure(&error)), on_done }
    }

    async fn finish(&self) {
        self.pipe.finish().await;
        for subscription in &self.subscriptions {
            if let Err(error) = subscription.close().await {
                let (agent, agent_type) = (&*self.label.agent, &*self.label.agent_type);
                tracing::warn!(agent, agent_type, %error, "a backend did not close in order");
            }
        }
    }
}

/// What the pipe took for an event: given back where nobody says that the event is done.
struct UntilDone(Taken);

impl UntilDone {
    fn on_done(self) -> OnDone {
        Box::new(move || {
            let taken = self; // whole, with its drop
            taken.0.done();
        })
    }
}

impl Drop for UntilDone {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

fn failure(error: &PipeError) -> Failure {
    let kind = match error.kind() {
        siphon_pipe::FailureKind::Status(status) => FailureKind::Status(status),
        siphon_pipe::FailureKind::Timeout => FailureKind::Timeout,
        siphon_pipe::FailureKind::Connect => FailureKind::Connect,
        siphon_pipe::FailureKind::Invalid => FailureKind::Invalid,
        siphon_pipe::FailureKind::Other => FailureKind::Other,
    };
    let outcome = error.outcome().map(|outcome| match outcome {
        siphon_pipe::Outcome::Retry => Outcome::Retry,
        siphon_pipe::Outcome::DeadLetter => Outcome::DeadLetter,
        siphon_pipe::Outcome::Discard => Outcome::Discard,
    });
    Failure { kind, message: error.to_string(), retry_after: error.retry_after(), outcome }
}

/// What the driver knows about a message, for placeholders and scripts.
fn params(event: &Event) -> Params {
    let mut params = Params::default();
    let mut put = |name: Cow<'static, str>, value: &[u8]| {
        if !value.is_empty() {
            params.insert(name, String::from_utf8_lossy(value));
        }
    };
    for (name, value) in event.attributes() {
        put(String::from_utf8_lossy(name).into_owned().into(), value);
    }
    put("topic".into(), event.topic());
    put("key".into(), event.key());
    let numbers = [
        ("partition", event.partition().map(i64::from)),
        ("offset", event.offset()),
        ("attempt", event.attempt().map(i64::from)),
    ];
    for (name, number) in numbers {
        put(name.into(), number.map(|number| number.to_string()).unwrap_or_default().as_bytes());
    }
    params
}

/// Which headers a message gives to its pipe.
struct Headers {
    /// Lower-case names from `input_headers`.
    wanted: Vec<String>,
    wants_all: bool,
    /// What most events have: shared, not built anew.
    none: Arc<HeaderMap>,
    json: Arc<HeaderMap>,
}

impl Headers {
    fn new(input_headers: &[String]) -> Self {
        let wanted = input_headers.iter().map(|name| name.to_ascii_lowercase()).collect();
        let json = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let wants_all = input_headers.iter().any(|name| name == "*");
        Self { wanted, wants_all, none: Arc::default(), json: Arc::new(json) }
    }

    fn of(&self, event: &Event) -> Arc<HeaderMap> {
        let usual = if looks_like_json(event.payload()) { &self.json } else { &self.none };
        let mut own = HeaderMap::new();
        for (name, value) in event.headers().filter(|(name, _)| self.is_wanted(name)) {
            // What HTTP cannot carry stays behind: it is the sender's, and no reason to fail the event.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                own.append(name, value);
            }
        }
        self.add_properties(event, &mut own);
        if own.is_empty() {
            return Arc::clone(usual);
        }
        if let (false, Some(json)) = (own.contains_key(CONTENT_TYPE), usual.get(CONTENT_TYPE)) {
            own.insert(CONTENT_TYPE, json.clone());
        }
        Arc::new(own)
    }

    /// What the driver knows about the message can be asked for too: `message_id` as `Message-Id`. A header of the
    /// message itself wins.
    fn add_properties(&self, event: &Event, own: &mut HeaderMap) {
        if !self.wants_all && self.wanted.is_empty() {
            return;
        }
        for (name, value) in event.attributes() {
            let name: Vec<u8> = name.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
            let is_asked_for =
                self.wants_all || self.wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()));
            if let (true, Ok(name), Ok(value)) =
                (is_asked_for, HeaderName::from_bytes(&name), HeaderValue::from_bytes(value))
                && !own.contains_key(&name)
            {
                own.insert(name, value);
            }
        }
    }

    fn is_wanted(&self, name: &[u8]) -> bool {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        is("content-type") || TRACE.into_iter().any(is) || self.wants_all || self.wanted.iter().any(|wanted| is(wanted))
    }
}

/// The first character that is no white space says it.
fn looks_like_json(payload: &[u8]) -> bool {
    let first = payload.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphon_core::EventParts;

    fn event(payload: &'static str, headers: &[(&str, &str)]) -> Event {
        let pair = |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        EventParts { payload: payload.into(), headers: headers.iter().map(pair).collect(), ..EventParts::default() }
            .into()
    }

    /// The headers that `payload` with `given` gives to a pipe whose agent wants `input_headers`.
    #[track_caller]
    fn check(input_headers: &[&str], payload: &'static str, given: &[(&str, &str)], expected: &[(&str, &str)]) {
        let wanted: Vec<_> = input_headers.iter().map(|name| (*name).to_owned()).collect();
        let found = Headers::new(&wanted).of(&event(payload, given));
        let mut found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_payload_that_starts_like_json_is_called_json() {
        check(&[], " {\"a\": 1}", &[], &[JSON]);
        check(&[], "[1]", &[], &[JSON]);
        check(&[], "hello", &[], &[]);
        check(&[], "", &[], &[]);
    }

    #[test]
    fn the_messages_own_content_type_wins() {
        check(
            &[],
            "{}",
            &[("Content-Type", "application/cloudevents+json")],
            &[("content-type", "application/cloudevents+json")],
        );
    }

    #[test]
    fn a_trace_goes_on_and_other_headers_only_by_name() {
        let given = [("traceparent", "00-1-2-01"), ("X-Tenant", "7"), ("x-other", "8")];
        check(&[], "{}", &given, &[JSON, ("traceparent", "00-1-2-01")]);
        check(&["X-Tenant"], "{}", &given, &[JSON, ("traceparent", "00-1-2-01"), ("x-tenant", "7")]);
        check(&["*"], "{}", &given, &[JSON, ("traceparent", "00-1-2-01"), ("x-other", "8"), ("x-tenant", "7")]);
    }

    #[test]
    fn what_http_cannot_carry_stays_behind() {
        check(&["*"], "x", &[("no name", "v"), ("x-line", "a\nb"), ("ok", "1")], &[("ok", "1")]);
    }

    #[test]
    fn properties_are_headers_where_they_are_asked_for() {
        let parts = || EventParts {
            attributes: vec![(b"message_id".to_vec(), b"m-1".to_vec()), (b"type".to_vec(), b"t".to_vec())],
            headers: vec![(b"Type".to_vec(), b"own".to_vec())],
            ..EventParts::default()
        };
        type Case = (&'static [&'static str], &'static [(&'static str, &'static str)]);
        let cases: [Case; 4] = [
            (&[], &[]),
            (&["Message-Id"], &[("message-id", "m-1")]),
            (&["Type"], &[("type", "own")]),
            (&["*"], &[("message-id", "m-1"), ("type", "own")]),
        ];
        for (wanted, expected) in cases {
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let found = Headers::new(&wanted).of(&parts().into());
            let mut found: Vec<_> =
                found.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn params_are_what_the_driver_knows() {
        let parts = EventParts {
            topic: b"orders.new".to_vec(),
            attributes: vec![(b"message_id".to_vec(), b"m-1".to_vec()), (b"empty".to_vec(), Vec::new())],
            ..EventParts::default()
        };
        let params = params(&parts.into());
        let found = ["Topic", "Message_id", "Key", "Empty", "Partition"].map(|name| params.get(name));
        assert_eq!(found, [Some("orders.new"), Some("m-1"), None, None, None]);
    }
}
