//! What an expression may name, found by a walk over its syntax tree: the crate would find out with the first event.

use cel::ParseError;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, SelectExpr, SourceInfo, operators};
use siphon_config::nearest;

use super::{constants, sorts};

/// Variables of before the call, of after it, and of both sides.
const REQUEST: [&str; 5] = ["req_method", "req_path", "req_params", "req_headers", "req_querystring"];
const RESPONSE: [&str; 4] = ["resp_completed", "resp_metadata_status", "resp_metadata_headers", "resp_data"];
const COMMON: [&str; 2] = ["event", "now"];

/// What `event` has.
const EVENT: [&str; 3] = ["payload", "headers", "attempt"];

/// Types that can be compared with: `type(x) == int`.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
const TIMES: [&str; 2] = ["google.protobuf.Timestamp", "google.protobuf.Duration"];

/// Name, and how many arguments it takes: as a function, and called on a value.
const FUNCTIONS: [(&str, &[usize], &[usize]); 26] = [
    ("bool", &[1], &[]),
    ("bytes", &[1], &[]),
    ("contains", &[], &[1]),
    ("double", &[1], &[]),
    ("duration", &[1], &[]),
    ("dyn", &[1], &[]),
    ("endsWith", &[], &[1]),
    ("getDate", &[], &[0, 1]),
    ("getDayOfMonth", &[], &[0, 1]),
    ("getDayOfWeek", &[], &[0, 1]),
    ("getDayOfYear", &[], &[0, 1]),
    ("getFullYear", &[], &[0, 1]),
    ("getHours", &[], &[0, 1]),
    ("getMilliseconds", &[], &[0, 1]),
    ("getMinutes", &[], &[0, 1]),
    ("getMonth", &[], &[0, 1]),
    ("getSeconds", &[], &[0, 1]),
    ("int", &[1], &[]),
    ("matches", &[2], &[1]),
    ("size", &[1], &[0]),
    ("startsWith", &[], &[1]),
    ("string", &[1], &[]),
    ("timestamp", &[1], &[]),
    ("type", &[1], &[]),
    ("uint", &[1], &[]),
    // Macros: what is left of them in the tree was written with wrong arguments.
    ("has", &[], &[]),
];

/// Macros that stand on a value, and what they want.
const MACROS: [(&str, &str); 6] = [
    ("has", "one field, as in has(event.payload.id)"),
    ("all", "a name and a condition, as in list.all(x, x > 0)"),
    ("exists", "a name and a condition, as in list.exists(x, x > 0)"),
    ("exists_one", "a name and a condition, as in list.exists_one(x, x > 0)"),
    ("map", "a name and an expression, as in list.map(x, x * 2)"),
    ("filter", "a name and a condition, as in list.filter(x, x > 0)"),
];

/// Which variables an expression names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// One of `req_…`: it can be evaluated before the call.
    pub request: bool,
    /// One of `resp_…`: it can be evaluated after the answer.
    pub response: bool,
    pub event: bool,
}

/// What an expression names, or everything in it that cannot work.
pub(super) fn check(root: &IdedExpr, places: &SourceInfo) -> Result<Uses, Vec<String>> {
    let mut walk = Walk { places, locals: Vec::new(), uses: Uses::default(), problems: Vec::new() };
    walk.visit(root);
    if walk.problems.is_empty() {
        walk.problems = sorts::check(root, places);
        walk.problems.extend(constants::check(root, places));
    }
    if walk.problems.is_empty() { Ok(walk.uses) } else { Err(walk.problems) }
}

pub(super) fn syntax_problem(error: &ParseError) -> String {
    let (line, column) = error.pos;
    let message = match error.msg.lines().next().unwrap_or("cannot be read") {
        raw if raw.to_ascii_lowercase().contains("recursion limit") => "is nested too deep: write several expressions",
        message => message,
    };
    if line < 1 { message.to_owned() } else { format!("{message} (line {line}, column {})", column.max(1)) }
}

/// A finding with its place in the expression. Columns count characters.
pub(super) fn placed(places: &SourceInfo, id: u64, message: &str) -> String {
    let Some((start, _)) = places.offset_for(id) else { return message.to_owned() };
    let before = places.source.get(..start as usize).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("{message} (line {line}, column {column})")
}

struct Walk<'w> {
    places: &'w SourceInfo,
    /// Variables of the macros around.
    locals: Vec<&'w str>,
    uses: Uses,
    problems: Vec<String>,
}

impl<'w> Walk<'w> {
    fn visit(&mut self, node: &'w IdedExpr) {
        match &node.expr {
            Expr::Ident(name) => self.identifier(node.id, name),
            Expr::Select(select) => self.select(node, select),
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key);
                        self.visit(&entry.value);
                    }
                }
            }
            Expr::Struct(message) => {
                self.problem(node.id, &format!("there is no type {:?} to make a value of", message.type_name));
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn problem(&mut self, id: u64, message: &str) {
        let problem = placed(self.places, id, message);
        self.problems.push(problem);
    }

    fn identifier(&mut self, id: u64, written: &str) {
        let name = written.strip_prefix('.').unwrap_or(written);
        match name {
            _ if self.locals.contains(&written) || TYPES.contains(&name) => {}
            _ if REQUEST.contains(&name) => self.uses.request = true,
            _ if RESPONSE.contains(&name) => self.uses.response = true,
            "event" => self.uses.event = true,
            "now" => {}
            "JWT" => self.problem(id, "JWT is not there: an event carries no token that was checked"),
            _ => {
                let known = REQUEST.iter().chain(&RESPONSE).chain(&COMMON).copied();
                let hint = nearest::hint(name, known);
                self.problem(id, &format!("there is no variable {name:?}{hint}"));
            }
        }
    }

    fn select(&mut self, node: &'w IdedExpr, select: &'w SelectExpr) {
        if dotted(&node.expr).is_some_and(|name| TIMES.contains(&name.as_str())) {
            return;
        }
        let is_event = matches!(&select.operand.expr, Expr::Ident(name) if name == "event");
        if is_event && !self.locals.contains(&"event") && !EVENT.contains(&select.field.as_str()) {
            let hint = nearest::hint(&select.field, EVENT);
            self.problem(node.id, &format!("event has no {:?}{hint}; it has {}", select.field, EVENT.join(", ")));
        }
        self.visit(&select.operand);
    }

    fn call(&mut self, id: u64, call: &'w CallExpr) {
        if !is_operator(&call.func_name) {
            self.function(id, call);
        }
        call.target.iter().for_each(|target| self.visit(target));
        call.args.iter().for_each(|argument| self.visit(argument));
    }

    fn function(&mut self, id: u64, call: &CallExpr) {
        let name = call.func_name.as_str();
        if let Some((_, wants)) = MACROS.iter().find(|(known, _)| *known == name) {
            return self.problem(id, &format!("{name} takes {wants}"));
        }
        let Some((_, global, member)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let known = FUNCTIONS.iter().map(|(known, ..)| *known).chain(MACROS.iter().map(|(known, _)| *known));
            let hint = nearest::hint(name, known);
            return self.problem(id, &format!("there is no function {name:?}{hint}"));
        };
        let (counts, form) = match call.target {
            Some(_) if member.is_empty() => return self.problem(id, &format!("{name} is written {name}(value)")),
            None if global.is_empty() => return self.problem(id, &format!("{name} is written value.{name}(…)")),
            Some(_) => (member, format!("value.{name}")),
            None => (global, name.to_owned()),
        };
        if !counts.contains(&call.args.len()) {
            let counts: Vec<_> = counts.iter().map(usize::to_string).collect();
            let (given, taken) = (call.args.len(), counts.join(" or "));
            self.problem(id, &format!("{form}() takes {taken} argument{}, found {given}", plural(&taken)));
        }
    }

    fn comprehension(&mut self, whole: &'w ComprehensionExpr) {
        self.visit(&whole.iter_range);
        self.visit(&whole.accu_init);
        let outer = self.locals.len();
        self.locals.extend([whole.iter_var.as_str(), whole.accu_var.as_str()]);
        self.locals.extend(whole.iter_var2.as_deref());
        for part in [&whole.loop_cond, &whole.loop_step, &whole.result] {
            self.visit(part);
        }
        self.locals.truncate(outer);
    }
}

fn plural(count: &str) -> &'static str {
    if count == "1" { "" } else { "s" }
}

/// `a.b.c` of nothing but names.
fn dotted(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", dotted(&select.operand.expr)?, select.field)),
        _ => None,
    }
}

fn is_operator(name: &str) -> bool {
    name.starts_with(['_', '@', '!', '-']) || name == operators::CONDITIONAL
}
