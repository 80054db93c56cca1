//! What a build has made, read from the messages that cargo prints with `--message-format=json`.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>. Fresh artifacts are
//! reported, too, so a build with nothing to do still lists everything.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a build has made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// The program `siphon`, where it was asked for.
    pub binary: Option<PathBuf>,
    pub plugins: Vec<Plugin>,
}

/// A plugin's library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Name of its folder below `plugins/`.
    pub folder: String,
    /// The library that cargo has built.
    pub library: PathBuf,
}

impl Artifacts {
    /// Reads cargo's messages, one a line. `plugins` is the folder that holds the plugins' sources. Lines that are not
    /// about an artifact are skipped.
    pub fn read<'a>(lines: impl Iterator<Item = &'a str>, plugins: &Path) -> Self {
        let messages = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut artifacts = Self::default();
        for message in messages.filter(|message| message["reason"] == "compiler-artifact") {
            artifacts.plugins.extend(plugin(&message, plugins));
            artifacts.binary = binary(&message).or(artifacts.binary);
        }
        artifacts
    }

    /// The folder that siphon reads plugins from: beside the program. Right for every profile and target folder.
    pub fn plugin_folder(&self) -> Option<PathBuf> {
        let built = self.binary.as_deref().or(self.plugins.first().map(|plugin| &*plugin.library))?;
        built.parent().map(|folder| folder.join("plugins"))
    }
}

fn binary(message: &Value) -> Option<PathBuf> {
    let executable = message["executable"].as_str().filter(|_| message["target"]["name"] == "siphon");
    executable.map(PathBuf::from)
}

fn plugin(message: &Value, plugins: &Path) -> Option<Plugin> {
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let below = manifest.strip_prefix(plugins).ok()?;
    let folder = below.iter().next()?.to_string_lossy().into_owned();
    let is_library = list(&message["target"]["crate_types"]).any(|kind| kind == "cdylib");
    let mut files = list(&message["filenames"]).filter(|_| is_library);
    let library = files.find(|file| file.ends_with(std::env::consts::DLL_SUFFIX))?;
    Some(Plugin { folder, library: library.into() })
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(manifest: &str, name: &str, kind: &str, files: &[&str], executable: Option<&str>) -> String {
        let target = json!({"name": name, "crate_types": [kind]});
        let message = json!({
            "reason": "compiler-artifact", "manifest_path": manifest, "target": target,
            "filenames": files, "executable": executable,
        });
        message.to_string()
    }

    fn library(name: &str) -> String {
        format!("/w/target/dev/{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
    }

    fn read(lines: &[String]) -> Artifacts {
        Artifacts::read(lines.iter().map(String::as_str), Path::new("/w/plugins"))
    }

    #[test]
    fn the_program_and_the_plugins_are_found_among_everything_else() {
        let sqlite = library("siphon_sqlite");
        let artifacts = read(&[
            "not json".into(),
            json!({"reason": "build-finished", "success": true}).to_string(),
            message("/w/crates/core/Cargo.toml", "siphon_core", "lib", &["/w/target/dev/libsiphon_core.rlib"], None),
            message("/w/crates/siphon/Cargo.toml", "siphon", "lib", &["/w/target/dev/libsiphon.rlib"], None),
            message(
                "/w/crates/siphon/Cargo.toml",
                "siphon",
                "bin",
                &["/w/target/dev/siphon"],
                Some("/w/target/dev/siphon"),
            ),
            message("/w/plugins/sqlite/Cargo.toml", "siphon_sqlite", "cdylib", &["/w/target/dev/x.d", &sqlite], None),
            message("/registry/other/Cargo.toml", "other", "cdylib", &[&library("other")], None),
        ]);
        let expected = Plugin { folder: "sqlite".into(), library: sqlite.into() };
        assert_eq!(artifacts.plugins, [expected]);
        assert_eq!(artifacts.binary, Some("/w/target/dev/siphon".into()));
        assert_eq!(artifacts.plugin_folder(), Some("/w/target/dev/plugins".into()));
    }

    #[test]
    fn a_build_of_a_plugin_alone_knows_the_folder_too() {
        let sqlite = library("siphon_sqlite");
        let artifacts = read(&[message("/w/plugins/sqlite/Cargo.toml", "siphon_sqlite", "cdylib", &[&sqlite], None)]);
        assert_eq!(artifacts.plugin_folder(), Some("/w/target/dev/plugins".into()));
    }

    #[test]
    fn a_build_of_other_crates_has_no_folder() {
        assert_eq!(read(&[]).plugin_folder(), None);
    }
}
