//! The texts of a component: its source files, `pre` and `post`, read and checked at load.

use std::io::{Error, Read};
use std::path::Path;

use md5::{Digest, Md5};
use mlua::Lua;
use siphon_config::model::Component;
use siphon_config::problem::Problem;

use super::{Settings, fault, machine};

/// Bytes of a source file, at most.
const SOURCE_LIMIT: u64 = 16 * 1024 * 1024;

/// What the scripts of one component are.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub sources: Sources,
    /// Read again for each event.
    pub live: bool,
    pub pre: String,
    pub post: String,
    pub allow_open_libs: bool,
    paths: Vec<String>,
}

/// All source files as one chunk: a `local` of one is known to those after it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    pub text: String,
    /// Base name and number of lines of each file.
    files: Vec<(String, u32)>,
}

impl Program {
    pub const SOURCES: &str = "sources";
    pub const PRE: &str = "pre-script";
    pub const POST: &str = "post-script";
    pub const CHUNKS: [&str; 3] = [Self::SOURCES, Self::PRE, Self::POST];

    /// # Errors
    ///
    /// Everything that is wrong with the settings and with the files that they name.
    pub fn load(settings: &Settings, component: &Component) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let refuse = |path: String, message: String| component.problem(&path, &message);
        let mut texts = Vec::new();
        for (index, path) in settings.sources.iter().enumerate() {
            match read(path) {
                Ok(text) => texts.push((path.clone(), text)),
                Err(message) => problems.push(refuse(format!("sources[{index}]"), message)),
            }
        }
        problems.extend(sums(settings, &texts).into_iter().map(|(path, message)| refuse(path, message)));
        let mut check = |path: String, name: &str, text: &str| {
            problems.extend(syntax(name, text).err().map(|message| refuse(path, message)));
        };
        for (index, (path, text)) in texts.iter().enumerate() {
            check(format!("sources[{index}]"), path, code(text));
        }
        check("pre".into(), Self::PRE, &settings.pre);
        check("post".into(), Self::POST, &settings.post);
        if !problems.is_empty() {
            return Err(problems);
        }
        let sources = Sources::of(&texts);
        if texts.len() > 1
            && let Err(message) = syntax(Self::SOURCES, &sources.text)
        {
            let (index, message) = sources.together(&message);
            return Err(vec![refuse(format!("sources[{index}]"), message)]);
        }
        Ok(Self {
            sources,
            live: settings.live && !settings.sources.is_empty(),
            pre: settings.pre.clone(),
            post: settings.post.clone(),
            allow_open_libs: settings.allow_open_libs,
            paths: settings.sources.clone(),
        })
    }

    /// Whether there is something to run before the layers below.
    pub fn runs_before(&self) -> bool {
        !self.paths.is_empty() || !self.pre.is_empty()
    }

    pub fn runs_after(&self) -> bool {
        !self.post.is_empty()
    }

    /// The sources as they are on the disk now.
    ///
    /// # Errors
    ///
    /// The reference's words for a file that cannot be read, and why.
    pub fn sources_now(&self) -> Result<Sources, String> {
        let load = |path: &String| match read(path) {
            Ok(text) => Ok((path.clone(), text)),
            Err(why) => Err(format!("lua: unable to load required source {why}")),
        };
        self.paths.iter().map(load).collect::<Result<Vec<_>, _>>().map(|texts| Sources::of(&texts))
    }
}

impl Sources {
    fn of(texts: &[(String, String)]) -> Self {
        let base = |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lines = |text: &str| text.matches('\n').count() as u32 + 1;
        Self {
            text: texts.iter().map(|(_, text)| code(text)).collect::<Vec<_>>().join("\n"),
            files: texts.iter().map(|(path, text)| (base(path), lines(text))).collect(),
        }
    }

    /// Script and line of a line of a chunk.
    pub fn place<'a>(&'a self, chunk: &'a str, line: u32) -> Option<(&'a str, u32)> {
        if chunk != Program::SOURCES {
            return Some((chunk, line));
        }
        self.file(line).map(|(index, line)| (self.files[index].0.as_str(), line))
    }

    /// The file of a line of all, and the line in it.
    fn file(&self, line: u32) -> Option<(usize, u32)> {
        let mut line = line;
        for (index, (_, lines)) in self.files.iter().enumerate() {
            if line <= *lines {
                return Some((index, line));
            }
            line -= lines;
        }
        None
    }

    /// What is wrong with files that are right each for itself: the file, and the message with the line in it.
    fn together(&self, message: &str) -> (usize, String) {
        let hint =
            "all sources are one chunk: only the last may end with return, and a local is known to those after it";
        let place = fault::leading_place(message).and_then(|(chunk, line)| {
            let text = message.strip_prefix(&format!("{chunk}:{line}: "))?;
            self.file(line).map(|(index, line)| (index, format!("{}:{line}: {text}; {hint}", self.files[index].0)))
        });
        place.unwrap_or_else(|| (0, format!("{message}; {hint}")))
    }
}

fn read(path: &str) -> Result<String, String> {
    let utf8 = |text: Vec<u8>| String::from_utf8(text).map_err(|_| Error::other("it is no UTF-8"));
    let text = bytes(path).and_then(utf8);
    text.map_err(|error| format!("{path}: {error}; paths are relative to the working directory"))
}

/// A file of Lua. Devices may have no end.
///
/// # Errors
///
/// Where it cannot be read, or is larger than [`SOURCE_LIMIT`].
pub(super) fn bytes(path: &str) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let length = std::fs::File::open(path)?.take(SOURCE_LIMIT + 1).read_to_end(&mut text)?;
    match length as u64 > SOURCE_LIMIT {
        true => Err(Error::other(format!("larger than {SOURCE_LIMIT} bytes"))),
        false => Ok(text),
    }
}

fn code(text: &str) -> &str {
    &text[start(text.as_bytes())..]
}

/// Where the Lua of a file begins: behind its byte order mark, and at the end of the line that a shell reads.
pub(super) fn start(bytes: &[u8]) -> usize {
    let mark = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    let rest = &bytes[mark..];
    let line =
        if rest.starts_with(b"#") { rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()) } else { 0 };
    mark + line
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// `md5`: each source has its sum, and there is no other.
fn sums(settings: &Settings, texts: &[(String, String)]) -> Vec<(String, String)> {
    if settings.md5.is_empty() {
        return Vec::new();
    }
    if settings.live {
        let message = "cannot be kept beside live, which takes whatever is in the files; remove one of them";
        return vec![("md5".into(), message.into())];
    }
    let mut wrong = Vec::new();
    for file in settings.md5.keys().filter(|file| !settings.sources.contains(file)) {
        wrong.push((format!("md5.{file}"), "is none of the sources".to_owned()));
    }
    for (file, text) in texts {
        let have: String = Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        match settings.md5.get(file) {
            Some(want) if want.eq_ignore_ascii_case(&have) => {}
            Some(want) => wrong.push((
                format!("md5.{file}"),
                format!("lua: wrong checksum for source {file}. have: {have}, want: {want}"),
            )),
            None => wrong.push(("md5".into(), format!("has no sum of {file}; it is {have}"))),
        }
    }
    wrong
}

/// # Errors
///
/// `name:line: what is wrong`.
fn syntax(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match machine::compile(&Lua::new_with(mlua::StdLib::NONE, mlua::LuaOptions::default()).map_err(said)?, name, text) {
        Ok(_) => Ok(()),
        Err(error) => Err(said(error)),
    }
}

fn said(error: mlua::Error) -> String {
    match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => message,
        other => other.to_string(),
    }
}
