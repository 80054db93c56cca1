//! `new-plugin`: a plugin to start from, complete and tested, outside of this workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cargo;
use crate::error::{Context, Result, TaskError};

/// Files of a new package and their texts. `{name}` and its like are filled in.
type Files = &'static [(&'static str, &'static str)];

const DRIVER: Files = &[
    ("Cargo.toml", include_str!("../templates/plugin/Cargo.toml.txt")),
    (".gitignore", include_str!("../templates/plugin/gitignore.txt")),
    ("README.md", include_str!("../templates/plugin/README.md")),
    ("siphon.json", include_str!("../templates/plugin/siphon.json")),
    ("src/lib.rs", include_str!("../templates/plugin/src/lib.rs")),
    ("src/publish.rs", include_str!("../templates/plugin/src/publish.rs")),
    ("tests/conformance.rs", include_str!("../templates/plugin/tests/conformance.rs")),
];

const MODIFIER: Files = &[
    ("Cargo.toml", include_str!("../templates/modifier/Cargo.toml.txt")),
    (".gitignore", include_str!("../templates/modifier/gitignore.txt")),
    ("README.md", include_str!("../templates/modifier/README.md")),
    ("siphon.json", include_str!("../templates/modifier/siphon.json")),
    ("src/lib.rs", include_str!("../templates/modifier/src/lib.rs")),
    ("tests/border.rs", include_str!("../templates/modifier/tests/border.rs")),
];

const HTTP_CLIENT: Files = &[
    ("Cargo.toml", include_str!("../templates/http-client/Cargo.toml.txt")),
    (".gitignore", include_str!("../templates/http-client/gitignore.txt")),
    ("README.md", include_str!("../templates/http-client/README.md")),
    ("siphon.json", include_str!("../templates/http-client/siphon.json")),
    ("src/lib.rs", include_str!("../templates/http-client/src/lib.rs")),
    ("tests/border.rs", include_str!("../templates/http-client/tests/border.rs")),
];

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Takes events from a broker, and publishes to it
    Driver,
    /// Changes requests and replies: plugin/req-resp-modifier
    Modifier,
    /// Makes the calls of a backend: plugin/http-client
    HttpClient,
}

impl Kind {
    fn files(self) -> Files {
        match self {
            Self::Driver => DRIVER,
            Self::Modifier => MODIFIER,
            Self::HttpClient => HTTP_CLIENT,
        }
    }
}

/// Write a complete, tested plugin to start from
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask new-plugin inbox ../inbox --kind driver")]
pub struct Arguments {
    /// The plugin's name: small letters, digits and `-`; a driver's namespace key will be `async/NAME`
    name: String,
    /// What it is for
    #[arg(long, value_enum, default_value_t = Kind::Driver)]
    kind: Kind,
    /// The new folder [default: siphon-plugin-NAME beside this workspace]
    folder: Option<PathBuf>,
    /// Take siphon-sdk from this git repository instead of from this folder
    #[arg(long, value_name = "URL")]
    git: Option<String>,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let name = checked_name(&arguments.name)?;
    let beside = || cargo::root().join("..").join(format!("siphon-plugin-{name}"));
    let folder = std::path::absolute(arguments.folder.clone().unwrap_or_else(beside)).context("find the folder")?;
    check_folder(&folder)?;
    for (file, text) in arguments.kind.files() {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(&folder)).at("make the folder of", &path)?;
        fs::write(&path, filled(text, name, arguments.git.as_deref())).at("write", &path)?;
    }
    // The versions that this workspace was tested with.
    let (from, to) = (cargo::root().join("Cargo.lock"), folder.join("Cargo.lock"));
    fs::copy(&from, &to).at("copy Cargo.lock to", &folder)?;
    println!("{}\nnext: cd there and run cargo test; README.md tells the rest", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn checked_name(name: &str) -> Result<&str> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(is_letter);
    match is_name && !name.ends_with('-') {
        true => Ok(name),
        false => Err(TaskError::new(format!(
            "{name:?} is no name for a plugin: it begins with a small letter and has small letters, digits and - only"
        ))),
    }
}

/// Nothing is overwritten, and a package inside of this workspace would not build.
fn check_folder(folder: &Path) -> Result<()> {
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) || folder.is_file() {
        return Err(TaskError::new(format!("{} is there already: name another folder", folder.display())));
    }
    let root = cargo::root();
    let real = folder.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or_default();
    if real.starts_with(&root) && !real.starts_with(root.join("target")) {
        let message = format!("{} is inside of this workspace: name a folder outside of it", folder.display());
        return Err(TaskError::new(message));
    }
    Ok(())
}

fn filled(text: &str, name: &str, git: Option<&str>) -> String {
    let dependency = |folder: &str| match git {
        Some(url) => format!("git = {url:?}"),
        None => format!("path = {:?}", cargo::root().join("crates").join(folder)),
    };
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let mut letters = name.chars();
    let label = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>();
    text.replace("{name}", name)
        .replace("{label}", &label)
        .replace("{sdk}", &dependency("sdk"))
        .replace("{testkit}", &dependency("testkit"))
        .replace("{library}", &format!("{prefix}siphon_plugin_{}{suffix}", name.replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of code of the template's driver: without blank lines and comments.
    #[test]
    fn a_minimal_source_needs_no_more_than_60_lines() {
        let (_, text) = DRIVER.iter().find(|(file, _)| *file == "src/lib.rs").expect("the driver");
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = text.lines().filter(is_code).count();
        assert!(lines <= 60, "{lines} lines");
    }

    #[test]
    fn every_place_is_filled_in() {
        for git in [None, Some("git@host:siphon")] {
            for (file, text) in [DRIVER, MODIFIER, HTTP_CLIENT].concat() {
                let text = filled(text, "in-box", git);
                let left = ["{name}", "{label}", "{sdk}", "{testkit}", "{library}"];
                assert!(left.iter().all(|place| !text.contains(place)), "{file}: {text}");
            }
        }
        assert!(filled("{ {sdk} }", "x", Some("URL")).contains("{ git = \"URL\" }"));
        assert_eq!(filled("{label}", "in-box", None), "In-box");
    }

    #[test]
    fn names_and_folders_that_cannot_work_are_refused() {
        for name in ["", "Inbox", "in box", "-inbox", "inbox-", "1box"] {
            assert!(checked_name(name).is_err(), "{name}");
        }
        assert!(checked_name("in-box2").is_ok());
        let error = |folder: &Path| check_folder(folder).expect_err("it is refused").to_string();
        assert!(error(&cargo::root()).contains("is there already"));
        assert!(error(&cargo::root().join("plugins/new")).contains("is inside of this workspace"));
        let outside = tempfile::tempdir().expect("a folder");
        assert!(check_folder(&outside.path().join("new")).is_ok());
    }
}
