//! `static`: fixed data that is laid over what the backends answered (pipeline.md §9). It changes no outcome: a failed
//! event stays failed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::json::Object;
use crate::merge::in_time;
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};

/// When the data is added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    #[default]
    Always,
    Success,
    Errored,
    Complete,
    Incomplete,
}

impl When {
    fn applies(self, reply: &Reply) -> bool {
        match self {
            Self::Always => true,
            Self::Success => reply.error.is_none(),
            Self::Errored => reply.error.is_some(),
            Self::Complete => reply.is_complete(),
            Self::Incomplete => !reply.response.as_ref().is_some_and(|response| response.complete),
        }
    }
}

/// The data and when it is added.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub when: When,
    pub data: Object,
}

impl Fixed {
    fn add(&self, reply: Reply) -> Reply {
        if !self.when.applies(&reply) {
            return reply;
        }
        let mut response = reply.response.unwrap_or_else(|| Response { complete: false, ..Response::empty() });
        let mut fields = std::mem::take(&mut response.data).into_object().unwrap_or_default();
        fields.extend(self.data.clone());
        response.data = fields.into();
        Reply { response: Some(response), error: reply.error }
    }
}

/// The stage that adds it. What is below has to be back in time, for a failure of time is data's cue as well.
pub(crate) struct WithFixed {
    pub fixed: Fixed,
    pub inner: Box<dyn Stage>,
}

impl Stage for WithFixed {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move { self.fixed.add(in_time(self.inner.as_ref(), request, context).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PipeError;
    use crate::json::Json;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).expect(text)
    }

    /// The reference's table (pipeline.md §14, rows 69–72): to which replies the data is added.
    #[track_caller]
    fn check(when: When, expected: [bool; 4]) {
        let fixed = Fixed { when, data: json(r#"{"st":1,"id":"S"}"#).into_object().expect("an object") };
        let response = |complete| Some(Response { complete, ..Response::complete(json(r#"{"id":1}"#)) });
        let replies = [
            (Reply { response: response(true), error: None }, r#"{"id":"S","st":1}"#),
            (Reply::from(PipeError::NoHosts), r#"{"st":1,"id":"S"}"#),
            (Reply { response: response(false), error: None }, r#"{"id":"S","st":1}"#),
            (Reply { response: response(false), error: Some(PipeError::NoHosts) }, r#"{"id":"S","st":1}"#),
        ];
        for ((reply, with), is_added) in replies.into_iter().zip(expected) {
            let data = |reply: &Reply| reply.response.as_ref().map(|response| response.data.to_string());
            let before = (data(&reply), reply.is_complete(), reply.error.is_some());
            let after = fixed.add(reply);
            let wanted = if is_added { Some(with.to_owned()) } else { before.0 };
            assert_eq!(
                (data(&after), after.is_complete(), after.error.is_some()),
                (wanted, before.1, before.2),
                "{when:?}"
            );
        }
    }

    #[test]
    fn each_strategy_has_its_replies_and_changes_no_outcome() {
        check(When::Always, [true, true, true, true]);
        check(When::Success, [true, false, true, false]);
        check(When::Complete, [true, false, false, false]);
        check(When::Errored, [false, true, false, true]);
        check(When::Incomplete, [false, true, true, true]);
    }

    #[test]
    fn data_that_is_null_becomes_an_object_and_a_raw_body_stays() {
        let fixed = Fixed { when: When::Always, data: Object::from_iter([("a".into(), json("1.50"))]) };
        let response = Response { raw: Some("raw".into()), ..Response::complete(Json::NULL) };
        let response = fixed.add(Ok(response).into()).response.expect("a response");
        assert_eq!(
            (response.data.to_string(), response.raw.as_deref()),
            ("{\"a\":1.50}".into(), Some(b"raw".as_slice()))
        );
        assert!(response.complete);
    }
}
