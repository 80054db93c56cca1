//! Several backends at once, their data laid over each other in the order of the configuration (pipeline.md §6.2).

use std::time::Duration;

use ::http::HeaderMap;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::choice::Choice;
use crate::error::PipeError;
use crate::json::Json;
use crate::message::{Reply, Request, Response};
use crate::stage::{Context, Stage, StageFuture};

/// Share of the time left that the backends get; the rest is for what comes after them.
pub(crate) const PERCENT_FOR_BACKENDS: u32 = 85;

/// Calls all parts at once, each with the whole payload, and waits for all of them. A part that is not back in time
/// counts as failed; the others' data stays.
pub(crate) struct Merge {
    pub parts: Vec<Box<dyn Stage>>,
    /// Which parts take an event; `None`: all. The others are no parts of it.
    pub choice: Option<Choice>,
}

impl Stage for Merge {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let context = &Context { deadline: share_of(PERCENT_FOR_BACKENDS, context.deadline, Instant::now()) };
            let taken = match self.choice.as_ref().map(|choice| choice.of(&request, context.deadline)).transpose() {
                Ok(taken) => taken,
                Err(error) => return error.into(),
            };
            let is_taken = |index: usize| taken.as_ref().is_none_or(|taken| taken[index]);
            let parts = self.parts.iter().enumerate().filter(|(index, _)| is_taken(*index));
            let calls = parts.map(|(_, part)| in_time(part.as_ref(), request.clone(), context));
            fold(join_all(calls).await)
        })
    }
}

/// When the time is up of those who get so many per cent of what is left.
pub(crate) fn share_of(percent: u32, deadline: Instant, now: Instant) -> Instant {
    let left = deadline.saturating_duration_since(now);
    now + left.checked_mul(percent).map_or(left, |share: Duration| share / 100)
}

/// The part's reply, or a failure when it is not there in time.
pub(crate) async fn in_time(part: &dyn Stage, request: Request, context: &Context) -> Reply {
    timeout_at(context.deadline, part.call(request, context)).await.unwrap_or_else(|_| PipeError::TimedOut.into())
}

/// One reply of many, later ones over earlier ones, key by key.
fn fold(replies: Vec<Reply>) -> Reply {
    let mut errors = Vec::new();
    let mut merged = Merged::default();
    for reply in replies {
        match (reply.response, reply.error) {
            (None, None) => errors.push(PipeError::NoResponse),
            (response, error) => {
                errors.extend(error);
                merged.add(response);
            }
        }
    }
    merged.into_reply(errors)
}

/// The responses so far.
#[derive(Default)]
pub(crate) struct Merged {
    whole: Option<Response>,
    is_lacking: bool,
    is_any: bool,
}

impl Merged {
    /// A part without data makes the whole incomplete and adds nothing.
    pub fn add(&mut self, part: Option<Response>) {
        let Some(part) = part else { return };
        self.is_any = true;
        if !part.data.is_object() {
            self.is_lacking = true;
            return;
        }
        self.is_lacking |= !part.complete;
        self.whole = Some(match self.whole.take() {
            None => part,
            Some(whole) => combined(whole, part),
        });
    }

    /// What was added so far.
    pub fn so_far(&self) -> Option<&Response> {
        self.whole.as_ref()
    }

    /// Everything that was added, and the failures of the others.
    pub fn into_reply(self, errors: Vec<PipeError>) -> Reply {
        let mut errors = errors;
        let response = self.into_response(errors.is_empty());
        let error = if errors.len() > 1 { Some(PipeError::Merge(errors)) } else { errors.pop() };
        Reply { response, error }
    }

    fn into_response(self, no_errors: bool) -> Option<Response> {
        let complete = no_errors && !self.is_lacking;
        match self.whole {
            Some(whole) => Some(Response { complete, ..whole }),
            None if self.is_any => Some(Response { complete, ..Response::empty() }),
            None => None,
        }
    }
}

/// Status, headers and raw body belong to one backend: they are lost where two are joined.
fn combined(whole: Response, part: Response) -> Response {
    let mut fields = whole.data.into_object().unwrap_or_default();
    fields.extend(part.data.into_object().unwrap_or_default());
    Response { data: Json::object(fields), complete: true, status: None, headers: HeaderMap::new(), raw: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::View;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Part {
        Data(&'static str),
        Incomplete(&'static str),
        Failure,
        Nothing,
    }
    use Part::{Data, Failure, Incomplete, Nothing};

    fn reply(part: &Part) -> Reply {
        let response = |text: &str| Response::complete(Json::parse(text.as_bytes()).expect(text));
        match part {
            Data(text) => Reply { response: Some(response(text)), error: None },
            Incomplete(text) => Reply { response: Some(Response { complete: false, ..response(text) }), error: None },
            Failure => PipeError::NoHosts.into(),
            Nothing => Reply::default(),
        }
    }

    /// `expected`: data, whether complete, error.
    #[track_caller]
    fn check(parts: &[Part], expected: (Option<&str>, bool, Option<&str>)) {
        let whole = fold(parts.iter().map(reply).collect());
        let complete = whole.response.as_ref().is_some_and(|response| response.complete);
        let data = whole.response.map(|response| response.data);
        let error = whole.error.map(|error| error.to_string());
        let wanted = expected.0.map(|text| Json::parse(text.as_bytes()).expect(text));
        assert_eq!((data, complete, error.as_deref()), (wanted, expected.1, expected.2));
    }

    #[test]
    fn later_backends_win_key_by_key_and_objects_are_not_merged_deeply() {
        let parts = [Data(r#"{"o":{"x":1},"a":1}"#), Data(r#"{"o":{"y":2},"b":2}"#)];
        check(&parts, (Some(r#"{"o":{"y":2},"a":1,"b":2}"#), true, None));
        let parts = [Data(r#"{"u":{"id":1}}"#), Data(r#"{"name":"n"}"#), Data(r#"{"z":1}"#)];
        check(&parts, (Some(r#"{"u":{"id":1},"name":"n","z":1}"#), true, None));
    }

    #[test]
    fn one_failure_leaves_partial_data_and_an_error() {
        check(&[Data(r#"{"a":1}"#), Failure], (Some(r#"{"a":1}"#), false, Some("no hosts available")));
        check(&[Failure, Data(r#"{"a":1}"#)], (Some(r#"{"a":1}"#), false, Some("no hosts available")));
    }

    #[test]
    fn failures_are_told_in_the_order_of_the_list() {
        check(&[Failure, Nothing], (None, false, Some("no hosts available\ninvalid response")));
        check(&[Nothing, Failure], (None, false, Some("invalid response\nno hosts available")));
    }

    #[test]
    fn a_null_part_is_no_failure_but_lacks() {
        check(&[Data("null"), Data(r#"{"b":1}"#)], (Some(r#"{"b":1}"#), false, None));
        check(&[Data("null"), Data("null")], (Some("{}"), false, None));
        check(&[Data("null"), Failure], (Some("{}"), false, Some("no hosts available")));
    }

    #[test]
    fn an_incomplete_part_makes_the_whole_incomplete() {
        check(&[Data(r#"{"a":1}"#), Incomplete(r#"{"e":1}"#)], (Some(r#"{"a":1,"e":1}"#), false, None));
    }

    #[test]
    fn the_raw_body_of_a_part_is_lost_in_a_merge_and_stays_alone() {
        let raw = || Reply {
            response: Some(Response { raw: Some("raw".into()), status: Some(200), ..Response::empty() }),
            error: None,
        };
        let alone = fold(vec![raw(), PipeError::NoHosts.into()]).response.expect("a response");
        assert_eq!((alone.raw.as_deref(), alone.status), (Some(b"raw".as_slice()), Some(200)));
        let joined = fold(vec![raw(), reply(&Data(r#"{"j":2}"#))]).response.expect("a response");
        assert_eq!((joined.raw, joined.status, joined.data.to_string()), (None, None, "{\"j\":2}".to_owned()));
    }

    fn any_part() -> impl Strategy<Value = Part> {
        let texts = [r#"{"a":1}"#, r#"{"a":2,"b":{"c":[1.50]}}"#, r#"{"b":3}"#, "{}", "null"];
        prop_oneof![
            proptest::sample::select(texts.to_vec()).prop_map(Data),
            proptest::sample::select(texts.to_vec()).prop_map(Incomplete),
            Just(Failure),
            Just(Nothing),
        ]
    }

    proptest! {
        #[test]
        fn a_merge_is_complete_only_of_complete_parts_and_keeps_every_key(parts in vec(any_part(), 1..6)) {
            let whole = fold(parts.iter().map(reply).collect());
            let is_whole = |part: &Part| matches!(part, Data(text) if *text != "null");
            prop_assert_eq!(whole.is_complete(), parts.iter().all(is_whole));
            let lacks = parts.iter().any(|part| matches!(part, Failure | Nothing));
            prop_assert_eq!(whole.error.is_some(), lacks);
            let data = whole.response.map(|response| response.data).unwrap_or_default();
            for part in parts.iter().map(reply).filter_map(|reply| reply.response) {
                if let View::Object(mut fields) = part.data.view() {
                    prop_assert!(fields.all(|(key, _)| data.get(key).is_some()));
                }
            }
        }

        #[test]
        fn the_same_answer_twice_is_the_answer_once(part in any_part()) {
            let data = |count: usize| {
                let whole = fold((0..count).map(|_| reply(&part)).collect());
                whole.response.map(|response| (response.data, response.complete))
            };
            prop_assert_eq!(data(1), data(2));
        }
    }

    #[test]
    fn backends_get_85_percent_of_the_time_left() {
        let now = Instant::now();
        let share =
            |millis| share_of(PERCENT_FOR_BACKENDS, now + Duration::from_millis(millis), now).duration_since(now);
        assert_eq!((share(200), share(0)), (Duration::from_millis(170), Duration::ZERO));
    }
}
