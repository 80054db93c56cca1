//! Loads one library, in three steps, so that every misfit ends in a sentence and none in a crash.

use std::path::Path;

use libloading::Library as Dynamic;
use siphon_abi::abi_stable::library::lib_header_from_path;
use siphon_abi::{ABI_REV, Component, HANDSHAKE_SYMBOL, Handshake, MAGIC, PluginRef, RErr, ROk, UNWINDS};

use super::host_api::Speaker;
use super::registry::Library;
use super::{Misfit, file};

/// How file names of shared libraries end on this system.
pub const LIBRARY_SUFFIX: &str = std::env::consts::DLL_SUFFIX;

/// Letters of a layout report that are shown.
const LONGEST_REASON: usize = 200;

/// Who a library is, and what it registers.
pub(super) type Loaded = (Library, Vec<Component>);

/// Loads the library at `path`, which must be absolute: `dlopen` looks for bare names elsewhere.
///
/// # Errors
///
/// Why the library does not fit. It may stay mapped, but nothing of it is used.
pub(super) fn load(path: &Path) -> Result<Loaded, Misfit> {
    file::inspect(path)?;
    let library = shake_hands(path)?;
    let plugin = check_layout(path)?;
    let (speaker, host) = Speaker::new(&library.name);
    // SAFETY: the layout was checked, and this is the first call.
    match unsafe { plugin.init()(host) } {
        ROk(components) => {
            components.first().into_iter().for_each(|component| speaker.set_label(&component.label));
            Ok((library, components.into_iter().collect()))
        }
        RErr(error) if error.kind == siphon_abi::ErrorKind::PANIC => Err(Misfit::Panicked(error.message.into())),
        RErr(error) => Err(Misfit::NotRegistered(error.message.into())),
    }
}

/// Maps the library and reads its handshake, plain C that is the same for every revision.
fn shake_hands(path: &Path) -> Result<Library, Misfit> {
    // SAFETY: loading runs the library's constructors; whoever puts a file into the plugin folder vouches for them.
    let dynamic = unsafe { Dynamic::new(path) }.map_err(|error| Misfit::NotLoadable(innermost(&error)))?;
    // SAFETY: a data symbol of this name is a `Handshake`, whose shape never changes; its magic is checked first.
    let symbol =
        unsafe { dynamic.get::<*const Handshake>(HANDSHAKE_SYMBOL.as_bytes()) }.map_err(|_| Misfit::NotAPlugin)?;
    // SAFETY: as above; the symbol's address is that of the struct.
    let handshake = unsafe { &**symbol };
    let library = read_handshake(path, handshake);
    // Never unloaded: threads and thread-locals of a plugin have no end that could be awaited.
    std::mem::forget(dynamic);
    library
}

fn read_handshake(path: &Path, handshake: &Handshake) -> Result<Library, Misfit> {
    if handshake.magic != MAGIC {
        return Err(Misfit::BrokenHandshake);
    }
    // SAFETY: the slices of a handshake are constant data of the library.
    let text = |slice: siphon_abi::Slice| String::from_utf8_lossy(unsafe { slice.get() }).into_owned();
    if handshake.abi_rev != ABI_REV {
        return Err(Misfit::OtherRevision { theirs: handshake.abi_rev, sdk: text(handshake.sdk) });
    }
    if handshake.flags & UNWINDS == 0 {
        return Err(Misfit::CannotUnwind);
    }
    Ok(Library {
        file: path.to_owned(),
        name: text(handshake.name),
        version: text(handshake.version),
        sdk: text(handshake.sdk),
        rustc: text(handshake.rustc),
        abi_rev: handshake.abi_rev,
    })
}

fn check_layout(path: &Path) -> Result<PluginRef, Misfit> {
    let header = lib_header_from_path(path).map_err(|error| Misfit::OtherLayout(in_one_line(&error.to_string())))?;
    header.init_root_module::<PluginRef>().map_err(|error| Misfit::OtherLayout(in_one_line(&error.to_string())))
}

/// abi_stable's layout reports are hundreds of lines; the sentence that matters is the block behind the first `Error:`.
fn in_one_line(report: &str) -> String {
    let error = report.split_once("Error:").map_or(report, |(_, rest)| rest);
    let block = error.trim_start().lines().map(str::trim).take_while(|line| !line.is_empty());
    let words: Vec<_> =
        block.map(|line| line.replace("Expected:", ", expected").replace("Found:", ", found")).collect();
    let sentence = words.join(" ").replace(" ,", ",");
    sentence.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect()
}

/// libloading's own text is a wrapper; what `dlopen` said is the source.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
