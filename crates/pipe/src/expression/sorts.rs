//! What is certain about types without evaluating: enough to refuse a check that could never be true.
//!
//! The reference's checker drops such an expression (components-scripting.md §5.4). Only what cannot work for any event
//! is refused; what depends on the payload is left to the evaluation.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};

use super::names::placed;

/// The type of a value, as far as it matters. Numbers of all three types compare with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Bool,
    Number,
    Text,
    Bytes,
    List,
    Map,
    Time,
    Duration,
    Type,
    Null,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::Text => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Time => "timestamp",
            Self::Duration => "duration",
            Self::Type => "type",
            Self::Null => "null",
        }
    }

    fn has_order(self) -> bool {
        !matches!(self, Self::List | Self::Map | Self::Type | Self::Null)
    }
}

/// Everything that cannot work whatever the event is.
pub(super) fn check(root: &IdedExpr, places: &SourceInfo) -> Vec<String> {
    let mut walk = Walk { places, locals: Vec::new(), problems: Vec::new() };
    if let Some(sort) = walk.sort(root).filter(|sort| *sort != Sort::Bool) {
        walk.problems.push(format!("is a {} and no bool: say what it has to be", sort.name()));
    }
    walk.problems
}

struct Walk<'w> {
    places: &'w SourceInfo,
    locals: Vec<&'w str>,
    problems: Vec<String>,
}

impl<'w> Walk<'w> {
    fn sort(&mut self, node: &'w IdedExpr) -> Option<Sort> {
        match &node.expr {
            Expr::Literal(literal) => Some(of_literal(literal)),
            Expr::Ident(name) if self.locals.contains(&name.as_str()) => None,
            Expr::Ident(name) => of_variable(name),
            Expr::Select(select) => {
                let field = self.field(&select.operand, &select.field);
                if select.test { Some(Sort::Bool) } else { field }
            }
            Expr::Call(call) => self.call(node.id, call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.sort(element);
                }
                Some(Sort::List)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.sort(&entry.key);
                        self.sort(&entry.value);
                    }
                }
                Some(Sort::Map)
            }
            Expr::Comprehension(whole) => {
                self.sort(&whole.iter_range);
                let start = self.sort(&whole.accu_init);
                let outer = self.locals.len();
                self.locals.extend([whole.iter_var.as_str(), whole.accu_var.as_str()]);
                self.locals.extend(whole.iter_var2.as_deref());
                self.sort(&whole.loop_step);
                let result = self.sort(&whole.result);
                self.locals.truncate(outer);
                result.or(start)
            }
            Expr::Struct(_) | Expr::Unspecified => None,
        }
    }

    /// A field of one of the variables whose fields have a type.
    fn field(&mut self, operand: &'w IdedExpr, name: &str) -> Option<Sort> {
        self.sort(operand);
        let Expr::Ident(variable) = &operand.expr else { return None };
        if self.locals.contains(&variable.as_str()) {
            return None;
        }
        match (variable.as_str(), name) {
            ("event", "headers") => Some(Sort::Map),
            ("event", "attempt") => Some(Sort::Number),
            ("req_params", _) => Some(Sort::Text),
            ("req_headers" | "req_querystring" | "resp_metadata_headers", _) => Some(Sort::List),
            _ => None,
        }
    }

    fn call(&mut self, id: u64, call: &'w CallExpr) -> Option<Sort> {
        let target = call.target.as_deref().map(|target| self.sort(target));
        if let (operators::INDEX, [operand, index]) = (call.func_name.as_str(), call.args.as_slice()) {
            self.sort(index);
            let name = match &index.expr {
                Expr::Literal(LiteralValue::String(name)) => name.inner(),
                _ => "",
            };
            return self.field(operand, name);
        }
        let arguments: Vec<_> = call.args.iter().map(|argument| self.sort(argument)).collect();
        match (target, arguments.as_slice()) {
            (Some(target), _) => self.member(id, &call.func_name, target),
            (None, arguments) => self.function(id, &call.func_name, arguments),
        }
    }

    fn member(&mut self, id: u64, name: &str, target: Option<Sort>) -> Option<Sort> {
        let (wanted, result): (&[Sort], Sort) = match name {
            "contains" | "startsWith" | "endsWith" | "matches" => (&[Sort::Text], Sort::Bool),
            "size" => (&[Sort::Text, Sort::Bytes, Sort::List, Sort::Map], Sort::Number),
            _ => (&[Sort::Time, Sort::Duration], Sort::Number), // getFullYear and the like
        };
        if let Some(found) = target.filter(|found| !wanted.contains(found)) {
            self.problem(id, &format!("a {} has no {name}()", found.name()));
        }
        Some(result)
    }

    fn function(&mut self, id: u64, name: &str, arguments: &[Option<Sort>]) -> Option<Sort> {
        match (name, arguments) {
            (operators::EQUALS | operators::NOT_EQUALS, [one, two]) => {
                let is_wrong = |one, two| one != two && one != Sort::Null && two != Sort::Null;
                self.refuse_pair(id, *one, *two, is_wrong);
                Some(Sort::Bool)
            }
            (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [one, two]) => {
                self.refuse_pair(id, *one, *two, |one, two| one != two || !one.has_order());
                Some(Sort::Bool)
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, operands) => {
                operands.iter().for_each(|operand| self.wants_bool(id, *operand));
                Some(Sort::Bool)
            }
            (operators::CONDITIONAL, [condition, one, two]) => {
                self.wants_bool(id, *condition);
                one.filter(|_| one == two)
            }
            (operators::IN | operators::NOT_STRICTLY_FALSE | "matches" | "bool", _) => Some(Sort::Bool),
            (operators::NEGATE, [one]) => *one,
            ("int" | "uint" | "double" | "size", _) => Some(Sort::Number),
            ("string", _) => Some(Sort::Text),
            ("bytes", _) => Some(Sort::Bytes),
            ("timestamp", _) => Some(Sort::Time),
            ("duration", _) => Some(Sort::Duration),
            ("type", _) => Some(Sort::Type),
            (operators::ADD, [Some(one), Some(two)]) if one == two && *one != Sort::Time => Some(*one),
            (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO, [one, two]) => {
                one.filter(|sort| one == two && *sort == Sort::Number)
            }
            _ => None,
        }
    }

    fn refuse_pair(&mut self, id: u64, one: Option<Sort>, two: Option<Sort>, is_wrong: fn(Sort, Sort) -> bool) {
        if let (Some(one), Some(two)) = (one, two)
            && is_wrong(one, two)
        {
            self.problem(id, &format!("a {} does not compare with a {}", one.name(), two.name()));
        }
    }

    fn wants_bool(&mut self, id: u64, found: Option<Sort>) {
        if let Some(found) = found.filter(|found| *found != Sort::Bool) {
            self.problem(id, &format!("wants a bool, found a {}", found.name()));
        }
    }

    fn problem(&mut self, id: u64, message: &str) {
        self.problems.push(placed(self.places, id, message));
    }
}

fn of_literal(literal: &LiteralValue) -> Sort {
    match literal {
        LiteralValue::Boolean(_) => Sort::Bool,
        LiteralValue::Bytes(_) => Sort::Bytes,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Sort::Number,
        LiteralValue::Null => Sort::Null,
        LiteralValue::String(_) => Sort::Text,
    }
}

fn of_variable(name: &str) -> Option<Sort> {
    match name {
        "req_method" | "req_path" | "now" => Some(Sort::Text),
        "resp_completed" => Some(Sort::Bool),
        "resp_metadata_status" => Some(Sort::Number),
        "req_params" | "req_headers" | "req_querystring" | "resp_metadata_headers" | "resp_data" | "event" => {
            Some(Sort::Map)
        }
        "bool" | "bytes" | "double" | "int" | "list" | "map" | "null_type" | "string" | "type" | "uint" => {
            Some(Sort::Type)
        }
        _ => None,
    }
}
