//! Files, documentation and the command line, as users meet them.

#![forbid(unsafe_code)]

mod bad_input;
mod documents;
mod examples;
mod in_pipe;
mod invoke;
mod plugins;
mod publish;
mod reference;
