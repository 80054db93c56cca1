//! Literals that can be judged at load: names of headers, and what is converted (`timestamp("2024-01-01T00:00:00Z")`).

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::{Context, Value};
use http::HeaderName;
use siphon_config::canonical_header;

use super::limits::children;
use super::{ENVIRONMENT, names};

const CONVERSIONS: [&str; 6] = ["timestamp", "duration", "int", "uint", "double", "bool"];

/// Everything that has no value, or is never there, whatever the event is.
pub(super) fn check(root: &IdedExpr, places: &SourceInfo) -> Vec<String> {
    let mut problems = Vec::new();
    visit(root, &mut |node| {
        if let Some((id, message)) = problem(node) {
            problems.push(names::placed(places, id, &message));
        }
    });
    problems
}

fn visit(node: &IdedExpr, say: &mut dyn FnMut(&IdedExpr)) {
    say(node);
    children(&node.expr).into_iter().for_each(|child| visit(child, say));
}

fn problem(node: &IdedExpr) -> Option<(u64, String)> {
    let Expr::Call(call) = &node.expr else { return None };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::INDEX, [map, name]) | (operators::IN, [name, map]) if is_headers(map) => misspelt(name),
        _ => unreadable(node, call),
    }
}

fn is_headers(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Ident(name) => matches!(name.as_str(), "req_headers" | "resp_metadata_headers"),
        Expr::Select(select) if !select.test && select.field == "headers" => {
            matches!(&select.operand.expr, Expr::Ident(name) if name == "event")
        }
        _ => false,
    }
}

fn misspelt(name: &IdedExpr) -> Option<(u64, String)> {
    let written = literal(name)?;
    if HeaderName::from_bytes(written.as_bytes()).is_err() {
        return Some((name.id, format!("no header can be called {written:?}")));
    }
    let right = canonical_header(written);
    let message = || format!("no header is spelt {written:?} here; write {right:?}");
    (written != right).then(|| (name.id, message()))
}

/// A conversion of a text that is none of the type.
fn unreadable(node: &IdedExpr, call: &CallExpr) -> Option<(u64, String)> {
    let [argument] = call.args.as_slice() else { return None };
    if call.target.is_some() || !CONVERSIONS.contains(&call.func_name.as_str()) {
        return None;
    }
    let text = literal(argument)?;
    let context = Context::with_env(Arc::clone(&ENVIRONMENT));
    Value::resolve_val(node, &context).err()?;
    Some((argument.id, format!("{}() cannot read {text:?}{}", call.func_name, example(&call.func_name))))
}

fn example(function: &str) -> &'static str {
    match function {
        "timestamp" => "; it reads texts such as \"2024-01-31T12:00:00Z\"",
        "duration" => "; it reads texts such as \"90s\" and \"1h30m\"",
        _ => "",
    }
}

fn literal(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
