//! `docs`: the tables of configuration keys in the manual, written from the schemas that the plugins register.
//!
//! A page holds `<!-- fields: async/amqp -->` and `<!-- end of fields -->`; what stands between them is this task's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::build;
use crate::cargo::{self, Profile};
use crate::error::{Context, Result, TaskError};

/// Pages with tables are here.
const FOLDER: &str = "docs/drivers";

const BEGIN: &str = "<!-- fields: ";
const END: &str = "<!-- end of fields -->";

/// Write the tables of configuration keys in docs/drivers from the schemas of the plugins
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask docs --check")]
pub struct Arguments {
    /// Change nothing; fail when a table is not as the schema says
    #[arg(long)]
    check: bool,
}

pub fn task(arguments: &Arguments) -> Result<ExitCode> {
    let schemas = schemas()?;
    let mut stale = Vec::new();
    for page in pages()? {
        let text = fs::read_to_string(&page).at("read", &page)?;
        let name = page.strip_prefix(cargo::root()).unwrap_or(&page).display().to_string();
        let written = rewrite(&text, &schemas).map_err(|error| TaskError::new(format!("{name}: {error}")))?;
        if written != text {
            if !arguments.check {
                fs::write(&page, written).at("write", &page)?;
            }
            stale.push(name);
        }
    }
    stale.iter().for_each(|page| println!("docs: {page}: {}", if arguments.check { "is stale" } else { "written" }));
    match arguments.check && !stale.is_empty() {
        true => Err(TaskError::new("tables are not as the schemas say; write them with: cargo xtask docs")),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn pages() -> Result<Vec<PathBuf>> {
    let folder = cargo::root().join(FOLDER);
    let entries = fs::read_dir(&folder).at("read the folder", &folder)?;
    let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    Ok(pages)
}

/// What each namespace key is configured with, from every library of the plugin folder.
fn schemas() -> Result<BTreeMap<String, Value>> {
    let (siphon, folder) = artifacts()?;
    let mut schemas = BTreeMap::new();
    let files = fs::read_dir(&folder).at("read the folder", &folder)?.flatten().map(|entry| entry.path());
    for file in files.filter(|path| path.to_string_lossy().ends_with(std::env::consts::DLL_SUFFIX)) {
        let text = cargo::output(Command::new(&siphon).args(["plugins", "inspect", "--json"]).arg(&file))?;
        let library: Value = serde_json::from_str(&text).at("understand what siphon says of", &file)?;
        for component in list(&library["components"]) {
            let key = component["keys"][0].as_str().unwrap_or_default();
            // The source comes first; a sink of the same key has the same keys.
            schemas.entry(key.to_owned()).or_insert_with(|| component["fields"].clone());
        }
    }
    Ok(schemas)
}

/// The program and the plugin folder: those that `cargo xtask test` has built, else built here.
fn artifacts() -> Result<(PathBuf, PathBuf)> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let (Some(siphon), Some(plugins)) = (named("SIPHON_TEST_BIN"), named("SIPHON_TEST_PLUGINS")) {
        return Ok((siphon, plugins));
    }
    let built = build::everything(&Profile::named("dev"))?;
    Ok((built.binary()?.clone(), built.folder))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The page with its tables written anew.
///
/// # Errors
///
/// A marker without its end, or a key that no plugin registers.
fn rewrite(page: &str, schemas: &BTreeMap<String, Value>) -> Result<String> {
    let mut written = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (key, after) = after.split_once(" -->").ok_or_else(|| TaskError::new(format!("a {BEGIN:?} has no -->")))?;
        let (_, after) = after.split_once(END).ok_or_else(|| TaskError::new(format!("{key} has no {END}")))?;
        let fields = schemas.get(key).ok_or_else(|| TaskError::new(format!("no plugin registers {key}")))?;
        written += &format!("{before}{BEGIN}{key} -->\n{}{END}", table(fields));
        rest = after;
    }
    Ok(written + rest)
}

// Writing to a string cannot fail.
fn table(fields: &Value) -> String {
    let mut table = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for field in list(fields) {
        let text = |name: &str| field[name].as_str().unwrap_or_default().replace('|', "\\|");
        let (default, meaning) = default_and_meaning(field, &text("description"));
        let _ = writeln!(table, "| `{}` | {} | {default} | {meaning} |", text("path"), text("type"));
    }
    table
}

/// A `Default: …` of the doc comment gets its column. Defaults that say no more than nothing are left out.
fn default_and_meaning(field: &Value, text: &str) -> (String, String) {
    let required = if field["required"] == true { "required" } else { "" };
    if let Some((before, after)) = text.split_once("Default: ") {
        let end = after.find(". ").unwrap_or(after.len());
        let (default, rest) = after.split_at(end);
        let meaning = format!("{before}{}", rest.trim_start_matches(". "));
        return (default.trim_end_matches('.').to_owned(), meaning.trim().to_owned());
    }
    let is_nothing = |default: &Value| default.is_null() || *default == Value::Array(Vec::new()) || default == "";
    let is_empty = |default: &Value| is_nothing(default) || default.as_object().is_some_and(serde_json::Map::is_empty);
    let default = Some(&field["default"]).filter(|default| !is_empty(default)).map(|default| format!("`{default}`"));
    (default.unwrap_or_else(|| required.to_owned()), text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas() -> BTreeMap<String, Value> {
        let fields = json!([
            {"path": "a", "type": "string", "required": true, "default": null, "description": "One | two."},
            {"path": "b.c", "type": "integer", "required": false, "default": 7, "description": "Count. Default: 7. Or so."},
            {"path": "d", "type": "boolean", "required": false, "default": false, "description": "Flag."},
            {"path": "e", "type": "list", "required": false, "default": [], "description": "Files."},
        ]);
        BTreeMap::from([("async/x".to_owned(), fields)])
    }

    #[test]
    fn what_stands_between_the_markers_is_written_anew() {
        let page = "before\n<!-- fields: async/x -->\nold\n<!-- end of fields -->\nafter\n";
        let expected = "before\n<!-- fields: async/x -->\n\
            | key | type | default | meaning |\n| --- | --- | --- | --- |\n\
            | `a` | string | required | One \\| two. |\n\
            | `b.c` | integer | 7 | Count. Or so. |\n\
            | `d` | boolean | `false` | Flag. |\n\
            | `e` | list |  | Files. |\n\
            <!-- end of fields -->\nafter\n";
        let written = rewrite(page, &schemas()).expect("the key is known");
        assert_eq!(written, expected);
        assert_eq!(rewrite(&written, &schemas()).expect("the same again"), expected);
    }

    #[test]
    fn a_page_without_markers_stays_and_a_wrong_marker_is_named() {
        assert_eq!(rewrite("text", &schemas()).expect("nothing to do"), "text");
        let error = |page: &str| rewrite(page, &schemas()).expect_err("it is wrong").to_string();
        assert_eq!(error("<!-- fields: async/y -->\n<!-- end of fields -->"), "no plugin registers async/y");
        assert_eq!(error("<!-- fields: async/x -->\n"), "async/x has no <!-- end of fields -->");
    }
}
