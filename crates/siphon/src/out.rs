//! Standard output, as a good neighbour in a pipe: when the reader has had enough, the program ends without a word.

use std::fmt;
use std::io::{ErrorKind, Write as _};

/// Writes one line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}

pub(crate) use say;

/// See [`say!`].
pub(crate) fn line(text: fmt::Arguments<'_>) {
    let written = writeln!(std::io::stdout().lock(), "{text}");
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => eprintln!("error: standard output cannot be written: {error}"),
    }
}
