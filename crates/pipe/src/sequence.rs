//! Several backends one after another: each may use what earlier ones answered (pipeline.md §6.3).

use std::sync::Arc;

use tokio::time::Instant;

use crate::choice::{Condition, Seen, Turns};
use crate::error::PipeError;
use crate::merge::{Merged, PERCENT_FOR_BACKENDS, in_time, share_of};
use crate::message::{Reply, Request, Response};
use crate::reference::Reference;
use crate::stage::{Context, Stage, StageFuture};

/// Calls its steps in their order, each with the whole payload, and lays their data over each other. It stops at the
/// first failure, and at the first incomplete reply. A step that does not take the event is passed over. All steps
/// together have the share of the time that a merge has.
pub(crate) struct Sequence {
    pub steps: Vec<Step>,
    /// Goes on after a failure and after an incomplete reply.
    pub goes_on: bool,
}

pub(crate) struct Step {
    pub stage: Box<dyn Stage>,
    /// Which events it takes; `None`: all.
    pub condition: Option<Condition>,
    /// What later steps use of this one's reply.
    pub provides: Vec<Reference>,
}

impl Stage for Sequence {
    fn call<'a>(&'a self, request: Request, context: &'a Context) -> StageFuture<'a> {
        Box::pin(async move {
            let context = Context { deadline: share_of(PERCENT_FOR_BACKENDS, context.deadline, Instant::now()) };
            self.run(self.cleaned(request), &context).await
        })
    }
}

impl Sequence {
    async fn run(&self, request: Request, context: &Context) -> Reply {
        let mut request = request;
        let mut merged = Merged::default();
        let (mut turns, nothing) = (Turns::default(), Response::empty());
        let mut errors = Vec::new();
        for step in &self.steps {
            let earlier = merged.so_far().unwrap_or(&nothing);
            let seen = Seen::between(&request, earlier, context.deadline);
            let reply = match turns.takes(step.condition.as_ref(), &seen) {
                Ok(false) => continue,
                Ok(true) => in_time(step.stage.as_ref(), request.clone(), context).await,
                Err(error) => error.into(),
            };
            let response = match (reply.response, reply.error) {
                (Some(response), None) => response,
                (_, error) => {
                    errors.push(error.unwrap_or(PipeError::NoResponse));
                    if self.goes_on {
                        continue;
                    }
                    return merged.into_reply(errors);
                }
            };
            let is_complete = response.complete;
            for reference in step.provides.iter().filter(|_| is_complete) {
                if let Some(value) = reference.value(&response) {
                    Arc::make_mut(&mut request.params).insert(reference.param.clone(), value);
                }
            }
            merged.add(Some(response));
            if !is_complete && !self.goes_on {
                break;
            }
        }
        errors.extend(turns.end().err());
        merged.into_reply(errors)
    }

    /// The request without params that only replies may give: a message must not bring its own.
    fn cleaned(&self, request: Request) -> Request {
        let mut request = request;
        let references = self.steps.iter().flat_map(|step| &step.provides);
        for reference in references {
            if request.params.get(&reference.param).is_some() {
                Arc::make_mut(&mut request.params).remove(&reference.param);
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::message::Params;
    use crate::stage::ready;
    use std::time::Duration;

    /// Answers with `answer`, and with the params that it saw.
    struct Scripted(Answer);

    #[derive(Clone, Copy)]
    enum Answer {
        Data(&'static str),
        Incomplete(&'static str),
        Failure,
        Nothing,
        Late,
        Param(&'static str),
    }
    use Answer::{Data, Failure, Incomplete, Late, Nothing, Param};

    impl Stage for Scripted {
        fn call<'a>(&'a self, request: Request, _: &'a Context) -> StageFuture<'a> {
            let response = |text: &str| Response::complete(Json::parse(text.as_bytes()).expect(text));
            match self.0 {
                Data(text) => ready(Ok(response(text))),
                Incomplete(text) => ready(Ok(Response { complete: false, ..response(text) })),
                Failure => ready(PipeError::NoHosts),
                Nothing => ready(Reply::default()),
                Late => Box::pin(std::future::pending()),
                Param(name) => {
                    let value = request.params.get(name).map_or(Json::NULL, Json::string);
                    ready(Ok(Response::complete(Json::field("seen", value))))
                }
            }
        }
    }

    async fn run(answers: &[Answer], references: &[&str], request: Request) -> Reply {
        let references: Vec<_> = references.iter().map(|text| Reference::parse(text).expect("a reference")).collect();
        let step = |(index, answer): (usize, &Answer)| Step {
            stage: Box::new(Scripted(*answer)),
            condition: None,
            provides: references.iter().filter(|reference| reference.backend == index).cloned().collect(),
        };
        let sequence = Sequence { steps: answers.iter().enumerate().map(step).collect(), goes_on: false };
        let is_late = answers.iter().any(|answer| matches!(answer, Late));
        let limit = if is_late { Duration::from_millis(20) } else { Duration::from_secs(20) };
        sequence.call(request, &Context { deadline: Instant::now() + limit }).await
    }

    /// `expected`: data, whether complete, error.
    async fn check(answers: &[Answer], references: &[&str], expected: (Option<&str>, bool, Option<&str>)) {
        let reply = run(answers, references, Request::new("")).await;
        let complete = reply.response.as_ref().is_some_and(|response| response.complete);
        let data = reply.response.map(|response| response.data.to_string());
        let error = reply.error.map(|error| error.to_string());
        assert_eq!((data.as_deref(), complete, error.as_deref()), expected);
    }

    #[tokio::test]
    async fn later_steps_win_key_by_key() {
        check(&[Data(r#"{"a":1,"b":1}"#), Data(r#"{"b":2}"#)], &[], (Some(r#"{"a":1,"b":2}"#), true, None)).await;
    }

    #[tokio::test]
    async fn a_failure_stops_and_leaves_what_came_before() {
        check(&[Failure, Data("{}")], &[], (None, false, Some("no hosts available"))).await;
        check(&[Nothing, Data("{}")], &[], (None, false, Some("invalid response"))).await;
        let cut = (Some(r#"{"a":1}"#), false, Some("no hosts available"));
        check(&[Data(r#"{"a":1}"#), Failure, Data(r#"{"c":1}"#)], &[], cut).await;
    }

    #[tokio::test]
    async fn what_is_late_is_a_failure_and_what_came_before_stays() {
        let late = (Some(r#"{"a":1}"#), false, Some("context deadline exceeded"));
        check(&[Data(r#"{"a":1}"#), Late, Data("{}")], &[], late).await;
    }

    #[tokio::test]
    async fn an_incomplete_reply_stops_without_an_error() {
        let stopped = (Some(r#"{"e":1}"#), false, None);
        check(&[Incomplete(r#"{"e":1}"#), Data(r#"{"b":1}"#)], &[], stopped).await;
    }

    #[tokio::test]
    async fn a_null_reply_goes_on_and_leaves_the_whole_incomplete() {
        check(&[Data("null"), Data(r#"{"b":1}"#)], &["resp0_x"], (Some(r#"{"b":1}"#), false, None)).await;
        check(&[Data("null"), Failure], &[], (Some("{}"), false, Some("no hosts available"))).await;
    }

    #[tokio::test]
    async fn every_later_step_sees_a_value() {
        let answers = [Data(r#"{"id":7}"#), Data("{}"), Param("Resp0_id")];
        check(&answers, &["resp0_id"], (Some(r#"{"id":7,"seen":"7"}"#), true, None)).await;
    }

    #[tokio::test]
    async fn a_missing_value_is_no_param() {
        check(&[Data("{}"), Param("Resp0_id")], &["resp0_id"], (Some(r#"{"seen":null}"#), true, None)).await;
    }

    #[tokio::test]
    async fn a_message_cannot_bring_the_value_of_a_reply() {
        let mut params = Params::default();
        params.insert("Resp0_id", "forged");
        let request = Request { params: Arc::new(params), ..Request::new("") };
        let reply = run(&[Data("{}"), Param("Resp0_id")], &["resp0_id"], request).await;
        assert_eq!(reply.response.map(|response| response.data.to_string()).as_deref(), Some(r#"{"seen":null}"#));
    }
}
