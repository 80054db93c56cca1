//! Where the built program and its plugins are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder with all plugins, built from the sources as they are now.
///
/// `cargo xtask test` has built them and names the folder in `SIPHON_TEST_PLUGINS`; otherwise they are built here, once
/// per process (0.2 s when there is nothing to do).
///
/// # Panics
///
/// When the build fails: its errors are on stderr.
pub fn plugins_dir() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| from_environment("SIPHON_TEST_PLUGINS").unwrap_or_else(build))
}

/// The program `siphon`, built like [`plugins_dir`], beside whose folder it lies.
///
/// # Panics
///
/// As [`plugins_dir`].
pub fn siphon_bin() -> PathBuf {
    let beside = || {
        let folder = plugins_dir().parent().expect("the plugin folder lies beside the program");
        folder.join(format!("siphon{}", std::env::consts::EXE_SUFFIX))
    };
    from_environment("SIPHON_TEST_BIN").unwrap_or_else(beside)
}

/// The library of the workspace's plugin `name` (its folder's name, such as `sqlite`).
///
/// # Panics
///
/// As [`plugins_dir`].
pub fn plugin_file(name: &str) -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    plugins_dir().join(format!("{prefix}siphon_{name}{suffix}"))
}

/// The folder `shared` beside the checkout, where the executable cases are. Without it the test says so and skips.
pub fn shared_dir() -> Option<PathBuf> {
    let folder = workspace().parent()?.join("shared");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no folder {}", folder.display());
    None
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the workspace")
}

/// A cargo of the same toolchain, in the workspace, without what the outer cargo told this test.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    let inherited = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST");
    std::env::vars().filter(|(name, _)| inherited(name)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

fn from_environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn build() -> PathBuf {
    let mut command = cargo();
    command.args(["xtask", "build"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).output().expect("cargo can be started");
    assert!(output.status.success(), "cargo xtask build ended with {}", output.status);
    let folder = String::from_utf8(output.stdout).expect("the folder's name is text");
    PathBuf::from(folder.trim())
}
