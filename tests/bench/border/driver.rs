//! A source that has as many messages as it is told, and takes settlements without a word.

use std::sync::atomic::{AtomicUsize, Ordering};

use siphon_sdk::schemars::{self, JsonSchema};
use siphon_sdk::{Batch, Capabilities, Context, Error, Message, Receiver, Settlement, Settler, Source};

static FILLED: AtomicUsize = AtomicUsize::new(0);

/// How many sources have put everything into their ring.
pub fn filled() -> usize {
    FILLED.load(Ordering::Acquire)
}

#[derive(Debug, Clone, Copy, serde::Deserialize, JsonSchema)]
pub struct Config {
    events: usize,
    payload: usize,
    batch: usize,
    /// All messages at once, and then nothing more happens on the driver's side.
    is_filled: bool,
}

pub struct Border;

pub struct Messages {
    config: Config,
    made: usize,
}

pub struct Forget {
    is_resting: bool,
}

impl Source for Border {
    const KEYS: &'static [&'static str] = &["async/border"];
    const LABEL: &'static str = "Border";
    const CAPABILITIES: Capabilities = Capabilities::BATCH_SETTLE;
    type Config = Config;
    type Receiver = Messages;
    type Settler = Forget;

    async fn connect(config: Config, _: Context) -> Result<(Messages, Forget), Error> {
        Ok((Messages { config, made: 0 }, Forget { is_resting: config.is_filled }))
    }
}

impl Receiver for Messages {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Config { events, payload, batch: at_once, is_filled } = self.config;
        let left = events - self.made;
        if left == 0 {
            FILLED.fetch_add(usize::from(is_filled), Ordering::AcqRel);
            return std::future::pending().await;
        }
        let count = if is_filled { left } else { left.min(at_once).min(batch.room()) };
        for id in self.made..self.made + count {
            batch.push(Message::new(id as u64, vec![b'x'; payload]));
        }
        self.made += count;
        Ok(())
    }
}

impl Settler for Forget {
    async fn settle(&mut self, _: &[Settlement]) -> Result<(), Error> {
        match self.is_resting {
            true => std::future::pending().await,
            false => Ok(()),
        }
    }
}
