//! A modifier and an HTTP client that misbehave.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use siphon_sdk::{Answer, Context, Error, HttpClient, Modifier, Refusal, Reply, Request, Sides};

use crate::LABEL;

/// Bytes that are no UTF-8.
const NO_TEXT: &[u8] = &[0xff, 0xc3, 0x28];

/// The header and the field that tell which modifiers were there, in their order.
const MARKS: &str = "x-marks";

/// `chaos` of `plugin/req-resp-modifier` and of `plugin/http-client`. All keys are optional.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What becomes of a request. Default: nothing.
    request: Does,
    /// What becomes of a reply. Default: nothing.
    reply: Does,
    /// What becomes of a client's call. Default: it answers with the body that it got.
    call: Does,
    /// What `mark` adds to the header and the field `x-marks`.
    mark: String,
    /// Opening it panics. Default: false.
    panic_at_open: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Does {
    #[default]
    Nothing,
    /// Adds its mark.
    Mark,
    /// Panics at once.
    Panic,
    /// Panics after it has waited, on the plugin's thread.
    PanicLater,
    /// Fails as if the backend had answered 503.
    Fail,
    /// Fails as if the backend had answered 422.
    Refuse,
    /// Never answers.
    Stall,
    /// Hands back what is no text, no JSON, no header.
    Garble,
    /// Hands back a URL that is none, or a status that is none.
    Lie,
}

impl Does {
    async fn begin(self) -> Result<(), Refusal> {
        match self {
            Self::Panic => panic!("told to panic"),
            Self::PanicLater => {
                tokio::task::yield_now().await;
                panic!("told to panic later")
            }
            Self::Fail => Err(Refusal::new("told to fail").status(503)),
            Self::Refuse => Err(Refusal::new("told to refuse").status(422)),
            Self::Stall => std::future::pending().await,
            Self::Nothing | Self::Mark | Self::Garble | Self::Lie => Ok(()),
        }
    }
}

/// The modifier.
pub struct Meddler(Config);

impl Modifier for Meddler {
    const NAMES: &'static [&'static str] = &["chaos", "chaos-again"];
    const LABEL: &'static str = LABEL;
    const SIDES: Sides = Sides::Both;
    type Config = Config;

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        assert!(!config.panic_at_open, "told to panic while opening");
        Ok(Self(config))
    }

    async fn request(&self, request: &mut Request) -> Result<(), Refusal> {
        self.0.request.begin().await?;
        match self.0.request {
            Does::Mark => {
                let marks = request.header(MARKS).map(|marks| String::from_utf8_lossy(marks).into_owned());
                let marks = joined(marks.as_deref(), &self.0.mark);
                request.set_header(MARKS, marks);
            }
            Does::Garble => request.set_header(NO_TEXT, "1"),
            Does::Lie => request.set_url("nowhere at all"),
            _ => {}
        }
        Ok(())
    }

    async fn reply(&self, reply: &mut Reply) -> Result<(), Refusal> {
        self.0.reply.begin().await?;
        match self.0.reply {
            Does::Mark => {
                let mut data: Map<String, Value> = reply.data()?;
                let marks = joined(data.get(MARKS).and_then(Value::as_str), &self.0.mark);
                data.insert(MARKS.to_owned(), marks.into());
                reply.set_data(&data)?;
            }
            Does::Garble => reply.set_data_text(NO_TEXT),
            Does::Lie => reply.set_data_text("[1]"),
            _ => {}
        }
        Ok(())
    }
}

fn joined(before: Option<&str>, mark: &str) -> String {
    before.map_or_else(|| mark.to_owned(), |before| format!("{before},{mark}"))
}

/// The client: it answers with the body that it got, and calls nobody.
pub struct Parrot(Config);

impl HttpClient for Parrot {
    const NAMES: &'static [&'static str] = &["chaos"];
    const LABEL: &'static str = LABEL;
    type Config = Config;

    fn open(config: Config, _: Context) -> Result<Self, Error> {
        assert!(!config.panic_at_open, "told to panic while opening");
        Ok(Self(config))
    }

    async fn call(&self, request: Request) -> Result<Answer, Refusal> {
        self.0.call.begin().await?;
        let answer = Answer::new(if self.0.call == Does::Lie { 7 } else { 200 }, request.body().to_vec());
        Ok(if self.0.call == Does::Garble { answer.header(NO_TEXT, "1") } else { answer })
    }
}
