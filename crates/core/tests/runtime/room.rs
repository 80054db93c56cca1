//! A receiver that is asked although nobody has room for what it could bring.

use std::collections::BTreeMap;

use siphon_core::plugin::{Arrival, Registry, Source as Opened};
use siphon_sdk::{Batch, Capabilities, Context, Error, Message, Receiver, Settlement, Settler, Source};
use siphon_testkit::spec_for;

const MESSAGES: u64 = 40;

struct Counting;
struct Numbers(u64);
struct Forgetting;

impl Source for Counting {
    const KEYS: &'static [&'static str] = &["async/counting"];
    const LABEL: &'static str = "Counting";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK;
    type Config = BTreeMap<String, String>;
    type Receiver = Numbers;
    type Settler = Forgetting;

    async fn connect(_: Self::Config, _: Context) -> Result<(Numbers, Forgetting), Error> {
        Ok((Numbers(0), Forgetting))
    }
}

impl Receiver for Numbers {
    const POLLS_WITHOUT_ROOM: bool = true;

    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if batch.room() == 0 || self.0 == MESSAGES {
            batch.room_changed().await;
            return Ok(());
        }
        self.0 += 1;
        batch.push(Message::new(self.0, self.0.to_string()));
        Ok(())
    }
}

impl Settler for Forgetting {
    async fn settle(&mut self, _: &[Settlement]) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::test]
async fn a_receiver_without_room_is_woken_by_room() {
    let mut registry = Registry::default();
    registry.add_in_process("counting", vec![siphon_sdk::source::<Counting>()]).unwrap();
    let driver = std::sync::Arc::clone(registry.source("async/counting").unwrap());
    let mut source = Opened::open(&driver, &spec_for(driver.clone(), "{}".into()).open_options()).unwrap();
    let mut payloads = Vec::new();
    while payloads.len() < MESSAGES as usize {
        // One at a time: the ring fills up between two of them.
        let mut take = |arrival| {
            if let Arrival::Event(event) = arrival {
                payloads.push(String::from_utf8_lossy(event.payload()).into_owned());
            }
        };
        if source.next(1, &mut take).expect("it goes on") == 0 {
            source.rung().await;
        }
    }
    assert_eq!(payloads, (1..=MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>());
}
