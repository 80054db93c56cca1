//! A driver whose connection breaks while messages wait in the ring.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use siphon_core::plugin::{Arrival, Registry, Source as Opened, SourceEnd};
use siphon_sdk::{Batch, Capabilities, Context, Error, Message, Receiver, Settlement, Settler, Source, Verdict};
use siphon_testkit::{Watched, spec_for};

/// What the test tells the driver, and what it saw. One test uses it.
#[derive(Debug, Default)]
struct Scene {
    is_broken: bool,
    settled: Vec<(u64, Verdict)>,
    closes: usize,
}

static SCENE: LazyLock<Watched<Scene>> = LazyLock::new(Watched::default);

struct Breaking;
struct Three(bool);
struct Noting;

impl Source for Breaking {
    const KEYS: &'static [&'static str] = &["async/breaking"];
    const LABEL: &'static str = "Breaking";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK;
    type Config = BTreeMap<String, String>;
    type Receiver = Three;
    type Settler = Noting;

    async fn connect(_: Self::Config, _: Context) -> Result<(Three, Noting), Error> {
        Ok((Three(false), Noting))
    }
}

impl Receiver for Three {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if !std::mem::replace(&mut self.0, true) {
            (1..=3).for_each(|id| batch.push(Message::new(id, "x")));
            return Ok(());
        }
        let broken = tokio::task::spawn_blocking(|| SCENE.wait_until("the break", |scene| scene.is_broken)).await;
        broken.map_err(|error| Error::fatal(error.to_string()))?;
        Err(Error::connection("it broke"))
    }
}

impl Settler for Noting {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        SCENE.change(|scene| scene.settled.extend(settlements.iter().map(|one| (one.id, one.verdict))));
        Ok(())
    }

    async fn close(&mut self) -> Result<(), Error> {
        SCENE.change(|scene| scene.closes += 1);
        Ok(())
    }
}

#[tokio::test]
async fn what_the_host_has_not_taken_goes_back_untouched_before_the_driver_ends() {
    let mut registry = Registry::default();
    registry.add_in_process("breaking", vec![siphon_sdk::source::<Breaking>()]).unwrap();
    let driver = std::sync::Arc::clone(registry.source("async/breaking").unwrap());
    let mut source = Opened::open(&driver, &spec_for(driver.clone(), "{}".into()).open_options()).unwrap();
    let mut taken = 0;
    let end = loop {
        let mut count = |arrival| taken += usize::from(matches!(arrival, Arrival::Event(_)));
        // One message only; the others wait in the ring when the connection breaks.
        match source.next(1, &mut count) {
            Ok(_) if taken == 1 => {
                SCENE.change(|scene| scene.is_broken = true);
                SCENE.wait_until("the driver's end", |scene| scene.closes == 1);
            }
            Ok(0) => source.rung().await,
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert!(matches!(&end, SourceEnd::Failed(error) if error.message == "it broke"), "{end:?}");
    assert_eq!(taken, 1, "nothing was handed over after the break");
    SCENE.look(|scene| assert_eq!(scene.settled, [(2, Verdict::Requeue), (3, Verdict::Requeue)]));
}
