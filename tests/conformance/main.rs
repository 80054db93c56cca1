//! What siphon does with libraries that do not fit, and with one that fits and misbehaves.

mod chaos;
mod fixtures;
mod misfits;
mod new_plugin;
