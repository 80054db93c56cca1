//! `build`: siphon and its plugins, with the plugins in the folder where siphon looks for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::artifacts::{Artifacts, Plugin};
use crate::cargo::{self, Profile};
use crate::error::{Context, Result, TaskError};
use crate::install::{install, remove_others};

/// Build siphon and every plugin; print the plugin folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask build --release -p siphon -p siphon-plugin-sqlite")]
pub struct Arguments {
    #[command(flatten)]
    profile: Profile,
    /// Build this package only (may be repeated); other plugins in the folder stay
    #[arg(short, long = "package")]
    package: Vec<String>,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let built = match &arguments.package[..] {
        [] => everything(&arguments.profile)?,
        packages => some(&arguments.profile, packages)?,
    };
    println!("{}", built.folder.display());
    Ok(ExitCode::SUCCESS)
}

/// A build with its plugins in place.
#[derive(Debug)]
pub struct Built {
    /// The plugin folder: `plugins` beside the program.
    pub folder: PathBuf,
    pub plugins: Vec<Plugin>,
    pub(crate) binary: Option<PathBuf>,
}

impl Built {
    /// The program. An error where the build did not include it.
    pub fn binary(&self) -> Result<&PathBuf> {
        self.binary.as_ref().ok_or_else(|| TaskError::new("the build made no program; add -p siphon"))
    }
}

/// Builds the whole workspace but tasks and tests. Files in the plugin folder that are not ours are removed.
pub fn everything(profile: &Profile) -> Result<Built> {
    everything_with(profile, &[])
}

/// The same with these features, each written `PACKAGE/FEATURE`.
pub fn everything_with(profile: &Profile, features: &[&str]) -> Result<Built> {
    let mut selection = vec!["--workspace", "--exclude", "xtask", "--exclude", "siphon-tests"];
    selection.extend(features.iter().flat_map(|feature| ["--features", *feature]));
    let built = build(profile, &selection)?;
    let names = built.plugins.iter().filter_map(|plugin| plugin.library.file_name());
    remove_others(&built.folder, &names.map(ToOwned::to_owned).collect::<BTreeSet<_>>())?;
    Ok(built)
}

/// Builds these packages.
pub fn some(profile: &Profile, packages: &[impl AsRef<str>]) -> Result<Built> {
    let selection: Vec<_> = packages.iter().flat_map(|package| ["--package", package.as_ref()]).collect();
    build(profile, &selection)
}

fn build(profile: &Profile, selection: &[&str]) -> Result<Built> {
    let mut command = cargo::command();
    command.args(["build", "--message-format=json-render-diagnostics"]);
    let messages = cargo::output(command.args(profile.arguments()).args(selection))?;
    let artifacts = Artifacts::read(messages.lines(), &cargo::root().join("plugins"));
    let folder = artifacts
        .plugin_folder()
        .ok_or_else(|| TaskError::new("these packages are neither siphon nor a plugin; cargo build builds them"))?;
    fs::create_dir_all(&folder).at("make the folder", &folder)?;
    artifacts.plugins.iter().try_for_each(|plugin| install(&plugin.library, &folder))?;
    Ok(Built { folder, plugins: artifacts.plugins, binary: artifacts.binary })
}
