//! The configurations that the documentation shows are accepted.
//!
//! Every fenced block of JSON, YAML or TOML with a `version` that is a number is taken for a whole configuration. A further word on the
//! fence, as in ```` ```json amqp ````, names the plugin that the block needs and that is allowed to be missing.

use std::path::{Path, PathBuf};

use siphon_tests::Lab;

/// A fenced block that is a whole configuration.
struct Block {
    page: String,
    line: usize,
    /// `json`, `yaml` or `toml`.
    language: String,
    /// The plugin that may be missing; empty: none.
    plugin: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every page: those of the root, and `docs` with its folders.
fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let inside = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders = [root(), root().join("docs"), root().join("docs/drivers")];
    let mut pages: Vec<PathBuf> = folders.into_iter().flat_map(inside).filter(is_page).collect();
    pages.sort();
    pages
}

fn blocks(page: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(page).expect("a page");
    let name = page.file_name().expect("a name").to_string_lossy().into_owned();
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => block.text += &format!("{line}\n"),
            (None, Some(fence)) => {
                let (language, plugin) = fence.split_once(' ').unwrap_or((fence, ""));
                let (language, plugin, page) = (language.to_owned(), plugin.to_owned(), name.clone());
                open = Some(Block { page, line: index + 1, language, plugin, text: String::new() });
            }
            (None, None) => {}
        }
    }
    found.retain(|block| ["json", "yaml", "toml"].contains(&block.language.as_str()) && has_version(&block.text));
    found
}

/// A `version` that is a number: that of a Cargo.toml is a text.
fn has_version(text: &str) -> bool {
    let value = |line: &str| {
        let rest = line.trim_start_matches(['{', ' ', '"']).strip_prefix("version")?;
        let value = rest.trim_start_matches(['"', ' ']).strip_prefix([':', '='])?;
        value.trim_start().chars().next()
    };
    text.lines().any(|line| value(line).is_some_and(|first| first.is_ascii_digit()))
}

#[track_caller]
fn check(block: &Block) {
    let Block { page, line, language, plugin, text } = block;
    let file = format!("{page}-{line}.{language}");
    let is_built = !plugin.is_empty() && siphon_testkit::plugin_file(plugin).is_file();
    let lab = if is_built { Lab::empty().with_plugin(plugin) } else { Lab::empty() };
    lab.write(&file, text);
    let ran = lab.siphon(&["check", "-c", &file, "--plugins", "plugins"]);
    if plugin.is_empty() || is_built {
        assert_eq!(ran.status, 0, "{page}, line {line}: {}", ran.stderr);
        return;
    }
    let is_missing = |line: &str| line.contains(&format!("whose plugin {plugin:?} is not loaded"));
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.iter().all(|line| is_missing(line)), "{page}, line {line}: {}", ran.stderr);
}

#[test]
fn every_configuration_in_the_documentation_passes_check() {
    let blocks: Vec<Block> = pages().iter().flat_map(|page| blocks(page.as_path())).collect();
    blocks.iter().for_each(check);
    assert!(blocks.iter().any(|block| block.page == "configuration.md"), "the pages are read");
}

/// `cargo xtask docs` writes them.
#[test]
fn the_tables_of_keys_are_as_the_schemas_say() {
    let mut command = siphon_testkit::artifacts::cargo();
    command.args(["xtask", "docs", "--check"]);
    command.env("SIPHON_TEST_BIN", siphon_testkit::siphon_bin());
    let output = command.env("SIPHON_TEST_PLUGINS", siphon_testkit::plugins_dir()).output().expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_block_is_found_with_its_place_and_its_plugin() {
    let lab = Lab::empty();
    let page = lab.write(
        "page.md",
        "text\n```json amqp\n{\"version\": 3}\n```\n```yaml\nname: x\n```\n```toml\nversion = 3\n```\n```toml\nversion = \"3\"\n```\n",
    );
    let found: Vec<_> = blocks(&page).into_iter().map(|block| (block.line, block.language, block.plugin)).collect();
    assert_eq!(found, [(2, "json".to_owned(), "amqp".to_owned()), (8, "toml".to_owned(), String::new())]);
}
