//! What the host says when it opens a component, turned into the author's types.

use serde::de::DeserializeOwned;
use siphon_abi::OpenArgs;

use crate::{Context, Error};

/// Copies the arguments.
pub(super) fn context(args: &OpenArgs<'_>) -> Context {
    Context {
        agent: args.agent.as_str().to_owned(),
        namespace: args.namespace.as_str().to_owned(),
        topics: args.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        workers: args.workers.max(1) as usize,
        read_ahead: args.read_ahead.max(1) as usize,
        max_in_flight: args.max_in_flight.max(args.read_ahead).max(1) as usize,
    }
}

/// The configuration in its type.
///
/// # Errors
///
/// What does not fit, with its path, such as `tls.ca_certs[0]`.
pub(super) fn config<C: DeserializeOwned>(args: &OpenArgs<'_>) -> Result<C, Error> {
    let text = args.config.as_str();
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        // serde_json adds the place in *its* text, which is not the user's file.
        let message = error.inner().to_string();
        let message = message.rsplit_once(" at line ").map_or(message.clone(), |(before, _)| before.to_owned());
        Error::config(if path == "." { String::new() } else { path }, message)
    })
}
