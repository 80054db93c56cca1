//! The HTTP service beside the agents: health, a backend to debug with, an echo.
//!
//! [`Admin::bind`] takes the port, so that a taken one ends the start; [`Admin::serve`] answers until it is told to
//! stop. What health shows comes from a [`HealthSource`]: this crate knows neither the core nor its agents.
//!
//! [`route`] decides what a request asks for; [`health`], `debug` and `echo` make the answers; [`server`] is the shell
//! that holds sockets.

#![forbid(unsafe_code)]

mod answer;
mod body;
mod debug;
mod echo;
mod go_time;
pub mod health;
pub mod route;
pub mod server;

pub use health::{AgentHealth, AgentState, HealthReport, HealthSource, LastError};
pub use server::{Admin, AdminSettings, BindError};
