//! A `url_pattern` with `{Placeholders}`, and what becomes of it for one call.

use std::borrow::Cow;
use std::fmt::Write as _;

use siphon_telemetry::redact;

use crate::error::PipeError;
use crate::message::Params;
use crate::percent;
use crate::reference::Reference;

/// A `url_pattern`, its text ready to be sent.
#[derive(Debug)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    has_query: bool,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Param {
        name: String,
        place: Place,
    },
    /// A value of an earlier reply: it may be more than one segment.
    Reply {
        name: String,
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
}

impl Pattern {
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let pattern = pattern.split('#').next().unwrap_or_default();
        let (path, query) = pattern.split_once('?').map_or((pattern, None), |(path, query)| (path, Some(query)));
        if let Some(escape) = percent::bad_escape(path) {
            let shown = redact::url(pattern);
            return Err(format!("parse \"{shown}\": invalid URL escape \"{escape}\"; write % itself as %25"));
        }
        let mut pieces = Vec::new();
        split(path, Place::Path, &mut pieces);
        if let Some(query) = query {
            pieces.push(Piece::Text("?".into()));
            split(query, Place::Query, &mut pieces);
        }
        Ok(Self { pieces: joined(pieces), has_query: query.is_some() })
    }

    /// The whole pattern, when nothing has to be filled in.
    pub fn fixed(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some("/"),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    pub fn fill(&self, params: &Params, query: &[(String, String)]) -> Result<String, PipeError> {
        let mut out = String::with_capacity(128);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Param { name, place } => match params.get(name) {
                    Some(value) => out.push_str(&percent::value(inside_segment(name, value, *place)?)),
                    None => _ = write!(out, "%7B{name}%7D"),
                },
                Piece::Reply { name, place } => match params.get(name) {
                    Some(value) => out.push_str(&raw(name, value, *place)?),
                    None => _ = write!(out, "%7B{name}%7D"),
                },
            }
        }
        self.append_query(query, &mut out);
        Ok(out)
    }

    fn append_query(&self, query: &[(String, String)], out: &mut String) {
        let mut sorted: Vec<_> = query.iter().collect();
        sorted.sort_by_key(|(key, _)| key);
        for (index, (key, value)) in sorted.into_iter().enumerate() {
            let has_query = self.has_query || out.contains('?');
            out.push(if index == 0 && !has_query { '?' } else { '&' });
            _ = write!(out, "{}={}", percent::value(key), percent::value(value));
        }
    }
}

/// Dots alone would be a way up the path, escaped or not.
fn inside_segment<'v>(name: &str, value: &'v str, place: Place) -> Result<&'v str, PipeError> {
    if place == Place::Path && matches!(value, "." | "..") {
        let reason = format!("the value \"{value}\" of {{{name}}} cannot stand in a path");
        return Err(PipeError::Invalid { reason });
    }
    Ok(value)
}

/// A value of a reply as it is, so far as a URL can have it: it may bring segments and a query, and no way up the path.
fn raw<'v>(name: &str, value: &'v str, place: Place) -> Result<Cow<'v, str>, PipeError> {
    if place == Place::Query {
        return Ok(percent::query_value(value));
    }
    let path = value.split('?').next().unwrap_or_default();
    let is_up = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(is_up) {
        let reason = format!("the value of {{{name}}} has . or .. as a segment, which cannot stand in a path");
        return Err(PipeError::Invalid { reason });
    }
    Ok(percent::path_value(value))
}

/// Cuts a path or a query at its `{Placeholders}`.
fn split(text: &str, place: Place, pieces: &mut Vec<Piece>) {
    let encode = if place == Place::Path { percent::path } else { percent::query };
    let mut rest = text;
    while let Some((before, name, after)) = placeholder(rest) {
        pieces.push(Piece::Text(encode(before).into_owned()));
        let is_reply = Reference::parse(name).is_some();
        let name = name.to_owned();
        pieces.push(if is_reply { Piece::Reply { name, place } } else { Piece::Param { name, place } });
        rest = after;
    }
    pieces.push(Piece::Text(encode(rest).into_owned()));
}

/// The names of all placeholders of a pattern.
pub(crate) fn placeholders(pattern: &str) -> impl Iterator<Item = &str> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let (_, name, after) = placeholder(rest)?;
        rest = after;
        Some(name)
    })
}

/// The first `{name}`: what stands before it, its name, what stands after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
    text.match_indices('{').find_map(|(open, _)| {
        let (name, after) = text[open + 1..].split_once('}')?;
        is_name(name).then_some((&text[..open], name, after))
    })
}

fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}
