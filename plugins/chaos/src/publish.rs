//! The sink: publishes into the queue of the same name.

use std::sync::Arc;

use siphon_sdk::{Context, Error, OutgoingMessage, Sink};

use crate::config::{Call, Config};
use crate::misbehave::Script;
use crate::queue::Queue;
use crate::{KEYS, LABEL};

/// An open publisher.
pub struct Publisher {
    queue: Arc<Queue>,
    script: Script,
}

impl Sink for Publisher {
    const KEYS: &'static [&'static str] = KEYS;
    const LABEL: &'static str = LABEL;
    type Config = Config;

    async fn connect(config: Config, context: Context) -> Result<Self, Error> {
        let name = config.queue.clone().unwrap_or(context.agent);
        let queue = Queue::named(&name, config.events);
        let script = Script::new(config);
        script.enter(Call::Connect).await?;
        Ok(Self { queue, script })
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            let result = self.script.enter(Call::Publish).await;
            results.push(result.map(|()| self.queue.add(message.payload.to_vec())));
        }
        results
    }
}
