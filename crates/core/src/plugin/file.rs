//! Looks at a library's file before it is loaded: a truncated library dies with SIGBUS inside `dlopen`, and one of another
//! architecture fails with a sentence that nobody understands.

#![forbid(unsafe_code)]

use std::path::Path;

use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Architecture, LittleEndian, Object as _, ObjectSegment as _, ObjectSymbol as _, elf};
use siphon_abi::HANDSHAKE_SYMBOL;

use super::Misfit;

/// Whether the file is a whole shared library of this architecture that calls itself a siphon plugin.
///
/// # Errors
///
/// The first thing that does not fit.
pub(super) fn inspect(path: &Path) -> Result<(), Misfit> {
    let data = std::fs::read(path).map_err(|error| Misfit::Unreadable(error.to_string()))?;
    inspect_bytes(&data)
}

fn inspect_bytes(data: &[u8]) -> Result<(), Misfit> {
    elf_is_whole(data)?;
    let file = object::File::parse(data).map_err(|_| Misfit::NotALibrary)?;
    if file.kind() != object::ObjectKind::Dynamic {
        return Err(Misfit::NotALibrary);
    }
    right_architecture(file.architecture())?;
    is_whole(file.segments().map(|segment| segment.file_range()), data.len() as u64)?;
    let mut names =
        file.dynamic_symbols().filter(|symbol| symbol.is_definition()).filter_map(|symbol| symbol.name().ok());
    // Mach-O puts an underscore in front.
    names.any(|name| name.strip_prefix('_').unwrap_or(name) == HANDSHAKE_SYMBOL).then_some(()).ok_or(Misfit::NotAPlugin)
}

/// The same for ELF by its program headers alone: in a truncated file the section headers, which come last, are missing,
/// and the full parse would call the file no library.
fn elf_is_whole(data: &[u8]) -> Result<(), Misfit> {
    if !data.starts_with(&elf::ELFMAG) {
        return Ok(());
    }
    let cut = || Misfit::Truncated { has: data.len() as u64, needs: data.len() as u64 + 1 };
    let Ok(header) = elf::FileHeader64::<LittleEndian>::parse(data) else {
        // Too short for its header, or of another word size or byte order: the full parse tells.
        return object::File::parse(data).map(drop).map_err(|_| cut());
    };
    let endian = header.endian().map_err(|_| Misfit::NotALibrary)?;
    right_architecture(architecture_of(header.e_machine(endian)))?;
    let headers = header.program_headers(endian, data).map_err(|_| cut())?;
    is_whole(headers.iter().map(|header| header.file_range(endian)), data.len() as u64)?;
    let sections = header.e_shoff(endian) + u64::from(header.e_shnum(endian)) * u64::from(header.e_shentsize(endian));
    is_whole([(0, sections)].into_iter(), data.len() as u64)
}

fn architecture_of(machine: u16) -> Architecture {
    match machine {
        elf::EM_X86_64 => Architecture::X86_64,
        elf::EM_AARCH64 => Architecture::Aarch64,
        elf::EM_RISCV => Architecture::Riscv64,
        elf::EM_PPC64 => Architecture::PowerPc64,
        elf::EM_S390 => Architecture::S390x,
        _ => Architecture::Unknown,
    }
}

fn right_architecture(theirs: Architecture) -> Result<(), Misfit> {
    let name = match theirs {
        Architecture::X86_64 => "x86_64",
        Architecture::Aarch64 => "aarch64",
        Architecture::Riscv64 => "riscv64",
        Architecture::PowerPc64 => "powerpc64",
        Architecture::S390x => "s390x",
        Architecture::I386 => "x86",
        Architecture::Arm => "arm",
        _ => "an unknown machine",
    };
    if name == std::env::consts::ARCH { Ok(()) } else { Err(Misfit::ForeignArchitecture { theirs: name.to_owned() }) }
}

fn is_whole(ranges: impl Iterator<Item = (u64, u64)>, has: u64) -> Result<(), Misfit> {
    let needs = ranges.map(|(offset, size)| offset.saturating_add(size)).max().unwrap_or(0);
    if needs > has { Err(Misfit::Truncated { has, needs }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test program is no shared library, but its file is as real as one.
    fn this_program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().expect("this program has a path")).expect("this program can be read")
    }

    #[test]
    fn text_is_no_library() {
        assert_eq!(inspect_bytes(b"hello"), Err(Misfit::NotALibrary));
        assert_eq!(inspect_bytes(b""), Err(Misfit::NotALibrary));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_ends_early_is_cut_off_wherever_it_ends() {
        let whole = this_program();
        for length in [5, 63, 64, 200, whole.len() / 2, whole.len() - 1] {
            let found = inspect_bytes(&whole[..length]);
            assert!(matches!(found, Err(Misfit::Truncated { .. })), "{length} bytes: {found:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn another_machine_is_named() {
        let mut file = this_program();
        let other = if cfg!(target_arch = "aarch64") { elf::EM_X86_64 } else { elf::EM_AARCH64 };
        file[18..20].copy_from_slice(&other.to_le_bytes());
        let theirs = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
        assert_eq!(inspect_bytes(&file), Err(Misfit::ForeignArchitecture { theirs: theirs.into() }));
    }

    #[test]
    fn a_library_without_the_symbol_is_no_plugin() {
        let found = inspect_bytes(&this_program());
        assert!(matches!(found, Err(Misfit::NotAPlugin | Misfit::NotALibrary)), "{found:?}");
    }
}
