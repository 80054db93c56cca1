//! The source.

use std::sync::Arc;

use siphon_sdk::{
    Batch, Capabilities, Context, Error, Finding, Message, Receiver, Settlement, Settler, Source, Verdict,
};

use crate::config::{Call, Config};
use crate::misbehave::Script;
use crate::queue::Queue;
use crate::{KEYS, LABEL};

/// Messages of a flood.
const FLOOD: usize = 10_000;

/// Bytes that are no UTF-8, with a zero among them.
const NO_TEXT: &[u8] = &[0xff, 0x00, 0xc3, 0x28];

/// The driver.
pub struct Chaos;

/// One connection. Its end gives back what is out.
struct Session {
    queue: Arc<Queue>,
    script: Script,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.queue.give_back_all();
    }
}

/// The receiving half.
pub struct Reader(Arc<Session>);

/// The settling half.
pub struct Judge(Arc<Session>);

impl Source for Chaos {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK;
    type Config = Config;
    type Receiver = Reader;
    type Settler = Judge;

    fn check(config: &Config, _: &Context) -> Vec<Finding> {
        assert!(!config.panic.contains(&Call::Check), "told to panic in Check");
        if config.panic.is_disjoint(&config.stall) {
            return Vec::new();
        }
        vec![Finding::error("stall", "a call cannot both panic and stall")]
    }

    async fn connect(config: Config, context: Context) -> Result<(Reader, Judge), Error> {
        let name = config.queue.clone().unwrap_or_else(|| context.agent.clone());
        let queue = Queue::named(&name, config.events);
        let script = Script::new(config);
        script.enter(Call::Connect).await?;
        tracing::info!(queue = name, topics = context.topics.len(), "chaos begins");
        tokio::spawn(async { tracing::debug!("a task of the library speaks for nobody") });
        let session = Arc::new(Session { queue, script });
        Ok((Reader(Arc::clone(&session)), Judge(session)))
    }
}

impl Receiver for Reader {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Session { queue, script } = &*self.0;
        script.enter(Call::Recv).await?;
        let room = if script.floods() { FLOOD } else { batch.room() };
        let events = queue.take(room).await;
        for (id, payload) in events {
            let message = message(script.config(), id, payload);
            if script.config().duplicate {
                batch.push(message.clone());
            }
            batch.push(message);
        }
        Ok(())
    }
}

fn message(config: &Config, id: u64, payload: Vec<u8>) -> Message {
    let message = match config.foreign {
        true => Message::new(u64::MAX - id, payload).generation(u64::MAX),
        false => Message::new(id, payload),
    };
    match config.garble {
        true => message.topic(NO_TEXT).key(NO_TEXT).header(NO_TEXT, NO_TEXT).attribute("message_id", NO_TEXT),
        false => message.topic("chaos"),
    }
}

impl Settler for Judge {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let Session { queue, script } = &*self.0;
        script.enter(Call::Settle).await?;
        for settlement in settlements {
            match settlement.verdict {
                Verdict::Ack | Verdict::Reject => queue.forget(settlement.id),
                Verdict::Requeue | Verdict::Retry { .. } => queue.give_back(settlement.id),
            }
        }
        tracing::debug!(count = settlements.len(), "settled");
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Error> {
        self.0.script.enter(Call::Ping).await
    }

    async fn pause(&mut self, _: bool) -> Result<(), Error> {
        self.0.script.enter(Call::Pause).await
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.0.script.enter(Call::Close).await
    }
}
