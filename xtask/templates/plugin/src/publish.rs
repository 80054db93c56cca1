//! Events on their way into the folder: `siphon publish` uses it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use siphon_sdk::{Context, Error, OutgoingMessage, Sink};

use crate::Config;

pub struct Writer(PathBuf, u64);

impl Sink for Writer {
    const KEYS: &'static [&'static str] = &["async/{name}"];
    const LABEL: &'static str = "{label}";
    type Config = Config;

    async fn connect(config: Config, _: Context) -> Result<Self, Error> {
        std::fs::create_dir_all(&config.folder).map_err(crate::failed)?;
        Ok(Self(config.folder, 0))
    }

    async fn publish(&mut self, messages: &[OutgoingMessage]) -> Vec<Result<(), Error>> {
        messages.iter().map(|message| self.write(message)).collect()
    }
}

impl Writer {
    /// Under another name until it is whole: the reader must not see half of it.
    fn write(&mut self, message: &OutgoingMessage) -> Result<(), Error> {
        self.1 += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let path = self.0.join(format!("{now}-{}-{}", std::process::id(), self.1));
        let part = path.with_extension("part");
        let written = std::fs::write(&part, &message.payload).and_then(|()| std::fs::rename(&part, &path));
        written.map_err(crate::failed)
    }
}
