//! The types and services that calls are made of: descriptor sets, as `protoc --descriptor_set_out` writes them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde::Deserialize;
use siphon_config::Problem;
use siphon_config::model::Component;

use crate::components::{Checked, problem_at};
use crate::http::ClientSettings;

/// How a descriptor set's file is called, where a folder is named.
const EXTENSION: &str = "pb";

/// The service's catalog, read when the first backend asks for it.
#[derive(Debug, Default)]
pub(crate) struct Catalog(OnceLock<Checked<DescriptorPool>>);

/// The root's `grpc`.
#[derive(Debug, Deserialize)]
struct Settings {
    catalog: Vec<PathBuf>,
}

impl Catalog {
    /// # Errors
    ///
    /// Everything that is wrong with the catalog, its absence too.
    pub fn pool(&self, settings: &ClientSettings) -> Checked<DescriptorPool> {
        self.0.get_or_init(|| load(settings.http.grpc.as_ref())).clone()
    }
}

fn load(component: Option<&Component>) -> Checked<DescriptorPool> {
    let Some(component) = component else {
        let message = "backend/grpc needs the root's extra_config to have \"grpc\": {\"catalog\": [\"orders.pb\"]}";
        return Err(vec![problem_at("extra_config.grpc", message)]);
    };
    let settings: Settings = component.read().map_err(|problem| vec![problem])?;
    let mut problems: Vec<Problem> = Vec::new();
    let mut files: Files = Vec::new();
    for (index, path) in settings.catalog.iter().enumerate() {
        let added = sets(path).and_then(|sets| sets.into_iter().try_for_each(|file| add(file, &mut files)));
        problems.extend(added.err().map(|message| component.problem(&format!("catalog[{index}]"), &message)));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut pool = DescriptorPool::global();
    pool.add_file_descriptor_protos(files).map_err(|error| {
        let message = format!("does not fit together: {error}; protoc writes whole sets with --include_imports");
        vec![component.problem("catalog", &message)]
    })?;
    Ok(pool)
}

type Files = Vec<FileDescriptorProto>;

/// Sets often bring the same imports along; two that differ under one name cannot both be meant.
fn add(file: FileDescriptorProto, files: &mut Files) -> Result<(), String> {
    match files.iter().find(|known| known.name() == file.name()) {
        None => files.push(file),
        Some(known) if *known == file => {}
        Some(_) => return Err(format!("describes {} in another way than a set before it", file.name())),
    }
    Ok(())
}

/// The files that are described in the descriptor set `path`, or in those of the folder `path` and of its folders.
fn sets(path: &Path) -> Result<Files, String> {
    let unreadable = |path: &Path, error| {
        format!("{} cannot be read: {error}; it is relative to the working directory", path.display())
    };
    if !path.is_dir() {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
        let set = FileDescriptorSet::decode(bytes.as_slice());
        let set = set.map_err(|error| {
            format!("{} is no descriptor set: {error}; protoc writes one with --descriptor_set_out", path.display())
        })?;
        return Ok(set.file);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, error))?;
    let mut below: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    below.retain(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == EXTENSION));
    below.sort();
    let found = below.iter().map(|path| sets(path)).collect::<Result<Vec<_>, _>>()?.concat();
    if found.is_empty() {
        return Err(format!("{} holds no descriptor set (*.{EXTENSION})", path.display()));
    }
    Ok(found)
}

/// The method that `pattern` (`/package.Service/Method`) names.
///
/// # Errors
///
/// A sentence when there is none such, or none that takes one message and gives one.
pub(super) fn method(pool: &DescriptorPool, pattern: &str) -> Result<MethodDescriptor, String> {
    let names = pattern.trim_start_matches('/').split_once('/');
    let (service, name) = names.ok_or_else(|| format!("{pattern:?} names no method; write /package.Service/Method"))?;
    let Some(found) = pool.get_service_by_name(service) else {
        let known: Vec<_> = pool.services().map(|service| service.full_name().to_owned()).collect();
        return Err(format!("the catalog has no service {service:?}; it has {}", listed(&known)));
    };
    let Some(method) = found.methods().find(|method| method.name() == name) else {
        let known: Vec<_> = found.methods().map(|method| method.name().to_owned()).collect();
        return Err(format!("{service} has no method {name:?}; it has {}", listed(&known)));
    };
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(format!(
            "{name} is a streaming method; only those that take one message and give one can be called"
        ));
    }
    Ok(method)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
