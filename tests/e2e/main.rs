//! The whole program on real plugin libraries, queue files and HTTP.

#![forbid(unsafe_code)]

mod admin;
mod backends;
mod checks;
mod delivery;
mod exposition;
mod files;
mod fleet;
mod logs;
mod metrics;
mod payloads;
mod publishing;
mod restart;
mod sharing;
