//! A panic inside a driver is an error of the agent that called it.

use siphon_core::plugin::{OpenOptions, Outgoing, Sink};
use siphon_core::{AgentEnd, AgentSpec, AgentState};
use siphon_testkit::{Call, FakeBroker, ScriptedHandler, Step, TestAgent, driver, spec};

/// Lets the driver panic in `call` while events flow: the agent connects again and finishes, another never notices.
async fn check(call: Call) {
    let (broker, other) = (FakeBroker::rabbitmq(), FakeBroker::rabbitmq());
    broker.publish_many("order", 10);
    broker.panic_in(call);
    let handler = ScriptedHandler::always(Step::Succeed);
    let often = AgentSpec { health_interval: std::time::Duration::from_millis(5), ..spec(&broker) };
    let (agent, neighbour) = (TestAgent::start(often, &handler), TestAgent::start(spec(&other), &handler));
    broker.wait_until("the panic", move |state| !state.faults.panics.contains(&call)).await;
    broker.wait_until("all acks", |state| state.all_acked()).await;
    other.publish("a");
    other.wait_until("the neighbour's ack", |state| state.all_acked()).await;
    agent.wait_until("the state", |status| status.state == AgentState::Running).await;
    assert_eq!(other.look(|state| state.connects), 1);
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert_eq!(neighbour.drain().await, AgentEnd::Drained);
    broker.assert_no_violations();
}

#[tokio::test]
async fn in_connect() {
    check(Call::Connect).await;
}

#[tokio::test]
async fn in_recv() {
    check(Call::Recv).await;
}

#[tokio::test]
async fn in_settle() {
    check(Call::Settle).await;
}

#[tokio::test]
async fn in_ping() {
    check(Call::Ping).await;
}

#[tokio::test]
async fn in_the_release_of_a_message() {
    check(Call::DropMessage).await;
}

#[tokio::test]
async fn the_error_says_that_it_was_a_panic_and_what_it_said() {
    let broker = FakeBroker::rabbitmq();
    broker.panic_in(Call::Connect);
    let agent =
        TestAgent::start(AgentSpec { max_retries: Some(0), ..spec(&broker) }, &ScriptedHandler::always(Step::Succeed));
    assert_eq!(agent.ended().await, AgentEnd::Failed("the plugin panicked: told to panic in Connect".into()));
}

#[tokio::test]
async fn in_close_the_agent_ends_all_the_same() {
    let broker = FakeBroker::rabbitmq();
    broker.publish("a");
    broker.panic_in(Call::Close);
    let agent = TestAgent::start(spec(&broker), &ScriptedHandler::always(Step::Succeed));
    broker.wait_until("the ack", |state| state.all_acked()).await;
    assert_eq!(agent.drain().await, AgentEnd::Drained);
    assert_eq!(broker.look(|state| state.goodbyes), 0);
}

#[tokio::test]
async fn in_check_it_is_a_finding() {
    let broker = FakeBroker::rabbitmq();
    broker.panic_in(Call::Check);
    let findings = driver(&broker).check(&spec(&broker).open_options());
    let said: Vec<_> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(said, ["the plugin panicked: told to panic in Check"]);
}

#[tokio::test]
async fn in_publish_the_caller_gets_an_error() {
    let broker = FakeBroker::rabbitmq();
    broker.panic_in(Call::Publish);
    let registry = siphon_testkit::fake::registry();
    let component = registry.sink(broker.key()).unwrap();
    let options: OpenOptions = spec(&broker).open_options();
    let sink = Sink::open(component, &options).unwrap();
    let (confirmed, result) = sink.publish(&[Outgoing { payload: "a".into(), ..Outgoing::default() }]).await;
    assert_eq!((confirmed, result.is_err()), (0, true));
    let again = sink.publish(&[Outgoing::default()]).await;
    assert!(again.1.is_err(), "its object is of no further use");
}
