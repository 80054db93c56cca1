//! Putting libraries into the plugin folder.
//!
//! A running siphon has its libraries mapped: overwriting one in place can crash it. So a new library is written beside
//! the old one and renamed over it, and one that has not changed is left alone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::error::{Context, Result, TaskError};

/// Copies `file` into `folder` unless the same bytes are there already.
pub fn install(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().ok_or_else(|| TaskError::new(format!("{} is no file", file.display())))?;
    let to = folder.join(name);
    if has_same_bytes(file, &to) {
        return Ok(());
    }
    let mut part_name = name.to_owned();
    part_name.push(".part");
    let part = folder.join(part_name);
    fs::copy(file, &part).at("write", &part)?;
    fs::rename(&part, &to).at("replace", &to)
}

/// Removes from `folder` every file that is not called like one of `kept`: a plugin that was renamed would register its
/// namespaces twice.
pub fn remove_others(folder: &Path, kept: &BTreeSet<OsString>) -> Result<()> {
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let is_kept = path.file_name().is_some_and(|name| kept.contains(name));
        if path.is_file() && !is_kept {
            fs::remove_file(&path).at("remove", &path)?;
        }
    }
    Ok(())
}

fn has_same_bytes(one: &Path, other: &Path) -> bool {
    let length = |path| fs::metadata(path).map(|metadata| metadata.len()).ok();
    length(other).is_some() && length(one) == length(other) && fs::read(one).ok() == fs::read(other).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Installs `libx.so` with `new` over `old` (if any); says whether the installed file was replaced.
    #[track_caller]
    fn check(old: Option<&str>, new: &str, replaced: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, target) = (folder.path().join("libx.so"), folder.path().join("plugins"));
        fs::create_dir(&target).expect("a folder");
        fs::write(&source, new).expect("written");
        let installed = target.join("libx.so");
        if let Some(old) = old {
            fs::write(&installed, old).expect("written");
        }
        let inode = || fs::metadata(&installed).map(|metadata| metadata.ino()).ok();
        let before = inode();
        install(&source, &target).expect("installed");
        assert_eq!(fs::read_to_string(&installed).expect("there"), new);
        assert_eq!(inode() != before, replaced);
        assert_eq!(fs::read_dir(&target).expect("a folder").count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_new_library_is_copied() {
        check(None, "one", true);
    }

    #[test]
    fn a_changed_library_becomes_another_file() {
        check(Some("one"), "two", true);
        check(Some("one"), "longer", true);
    }

    #[test]
    fn an_unchanged_library_is_left_alone() {
        check(Some("one"), "one", false);
    }

    #[test]
    fn what_is_not_kept_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["liba.so", "libold.so", "libb.so.part"] {
            fs::write(folder.path().join(name), "x").expect("written");
        }
        remove_others(folder.path(), &BTreeSet::from(["liba.so".into()])).expect("removed");
        let left: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
        assert_eq!(left, ["liba.so"]);
    }
}
