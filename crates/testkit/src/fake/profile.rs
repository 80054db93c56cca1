//! Which broker a fake one plays.

use siphon_sdk::Capabilities;

/// What a broker does natively, as its driver would declare it.
pub trait Profile: Send + 'static {
    const KEYS: &'static [&'static str];
    const LABEL: &'static str;
    const CAPABILITIES: Capabilities;
    /// Its session ends when it is not polled.
    const POLLS_WITHOUT_ROOM: bool = false;
}

/// A classic queue: gives back at once, counts nothing, delivers again when a connection is lost.
#[derive(Debug)]
pub struct RabbitMq;

/// Partitions and offsets: nothing is given back, partitions move, the session lives from being polled.
#[derive(Debug)]
pub struct Kafka;

/// Delays and counts; mends its own connection.
#[derive(Debug)]
pub struct JetStream;

/// The embedded queue: delays and counts, and has no connection to lose.
#[derive(Debug)]
pub struct Sqlite;

impl Profile for RabbitMq {
    const KEYS: &'static [&'static str] = &["async/fake-rabbitmq"];
    const LABEL: &'static str = "FakeRabbitMQ";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::REJECT)
        .and(Capabilities::ORDER)
        .and(Capabilities::BATCH_SETTLE)
        .and(Capabilities::PAUSE);
}

impl Profile for Kafka {
    const KEYS: &'static [&'static str] = &["async/fake-kafka"];
    const LABEL: &'static str = "FakeKafka";
    const CAPABILITIES: Capabilities = Capabilities::ORDER
        .and(Capabilities::BATCH_SETTLE)
        .and(Capabilities::PAUSE)
        .and(Capabilities::LAG)
        .and(Capabilities::SELF_HEALING);
    const POLLS_WITHOUT_ROOM: bool = true;
}

impl Profile for JetStream {
    const KEYS: &'static [&'static str] = &["async/fake-jetstream"];
    const LABEL: &'static str = "FakeJetStream";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::DELAY)
        .and(Capabilities::ATTEMPTS)
        .and(Capabilities::REJECT)
        .and(Capabilities::SELF_HEALING);
    /// What happens to the connection is known at once, whether or not there is room for messages.
    const POLLS_WITHOUT_ROOM: bool = true;
}

impl Profile for Sqlite {
    const KEYS: &'static [&'static str] = &["async/fake-sqlite"];
    const LABEL: &'static str = "FakeSQLite";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK
        .and(Capabilities::DELAY)
        .and(Capabilities::ATTEMPTS)
        .and(Capabilities::REJECT)
        .and(Capabilities::ORDER)
        .and(Capabilities::BATCH_SETTLE);
}
