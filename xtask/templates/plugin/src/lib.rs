//! Every file of a folder is an event. A file that is done is deleted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use siphon_sdk::{Batch, Capabilities, Context, Error, Message, Receiver, Settlement, Settler, Source, Verdict};

mod publish;

/// A folder as a queue.
#[derive(Debug, Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder with the events, such as `inbox`. It is created when there is none.
    folder: PathBuf,
}

struct Folder;

/// The files that are out, by the number under which siphon knows each.
type Out = Arc<Mutex<HashMap<u64, PathBuf>>>;

struct Reader(PathBuf, Out, u64);
struct Judge(Out);

impl Source for Folder {
    const KEYS: &'static [&'static str] = &["async/{name}"];
    const LABEL: &'static str = "{label}";
    const CAPABILITIES: Capabilities = Capabilities::GIVE_BACK;
    type Config = Config;
    type Receiver = Reader;
    type Settler = Judge;

    async fn connect(config: Config, _: Context) -> Result<(Reader, Judge), Error> {
        std::fs::create_dir_all(&config.folder).map_err(failed)?;
        let out = Out::default();
        Ok((Reader(config.folder, Arc::clone(&out), 0), Judge(out)))
    }
}

impl Receiver for Reader {
    async fn recv(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let before = self.2;
        for path in std::fs::read_dir(&self.0).map_err(failed)?.flatten().map(|entry| entry.path()) {
            let mut out = self.1.lock().map_err(|_| Error::fatal("it has panicked before"))?;
            let is_whole = path.extension().is_none_or(|extension| extension != "part");
            if batch.room() > 0 && is_whole && !out.values().any(|taken| *taken == path) {
                self.2 += 1;
                batch.push(Message::new(self.2, std::fs::read(&path).map_err(failed)?).topic("file"));
                out.insert(self.2, path);
            }
        }
        if self.2 == before {
            // A folder does not say when it changes.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Settler for Judge {
    async fn settle(&mut self, settlements: &[Settlement]) -> Result<(), Error> {
        let mut out = self.0.lock().map_err(|_| Error::fatal("it has panicked before"))?;
        for Settlement { id, verdict, .. } in settlements {
            // Taken out of the list it comes again; what is not in the list was settled before.
            if let (Some(path), Verdict::Ack | Verdict::Reject) = (out.remove(id), verdict) {
                std::fs::remove_file(path).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::connection(format!("cannot use the folder: {error}"))
}

siphon_sdk::export_plugin!(siphon_sdk::source::<Folder>(), siphon_sdk::sink::<publish::Writer>());
