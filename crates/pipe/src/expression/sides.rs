//! Whether an expression can be true at all where only one side of the call is known: `req_…` before it, `resp_…` after.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

/// Which answers are possible. Neither: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answers {
    yes: bool,
    no: bool,
}

impl Answers {
    const ANY: Self = Self { yes: true, no: true };
    const NONE: Self = Self { yes: false, no: false };

    fn is_any(self) -> bool {
        self.yes || self.no
    }
}

/// Whether it can be true where the variables that begin with `unknown` are not known.
pub(super) fn can_hold(root: &IdedExpr, unknown: &str) -> bool {
    answers(root, unknown).yes
}

fn answers(node: &IdedExpr, unknown: &str) -> Answers {
    let all_known = |parts: &mut dyn Iterator<Item = &IdedExpr>| {
        let mut parts = parts.map(|part| answers(part, unknown));
        if parts.all(Answers::is_any) { Answers::ANY } else { Answers::NONE }
    };
    match &node.expr {
        Expr::Ident(name) if name.trim_start_matches('.').starts_with(unknown) => Answers::NONE,
        Expr::Literal(LiteralValue::Boolean(value)) => Answers { yes: *value.inner(), no: !*value.inner() },
        Expr::Select(select) => all_known(&mut std::iter::once(&*select.operand)),
        Expr::Call(call) => of_call(call, unknown)
            .unwrap_or_else(|| all_known(&mut call.target.as_deref().into_iter().chain(&call.args))),
        // Of an empty list nothing is asked.
        Expr::Comprehension(whole) => all_known(&mut std::iter::once(&whole.iter_range)),
        Expr::List(list) => all_known(&mut list.elements.iter()),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            all_known(&mut entries.flatten())
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Answers::ANY,
    }
}

/// The operators that need not know both of their sides.
fn of_call(call: &CallExpr, unknown: &str) -> Option<Answers> {
    let of = |part: &IdedExpr| answers(part, unknown);
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_AND, [one, two]) => {
            let (one, two) = (of(one), of(two));
            Some(Answers { yes: one.yes && two.yes, no: one.no || two.no })
        }
        (operators::LOGICAL_OR, [one, two]) => {
            let (one, two) = (of(one), of(two));
            Some(Answers { yes: one.yes || two.yes, no: one.no && two.no })
        }
        (operators::LOGICAL_NOT, [one]) => {
            let one = of(one);
            Some(Answers { yes: one.no, no: one.yes })
        }
        (operators::CONDITIONAL, [condition, one, two]) => {
            let (condition, one, two) = (of(condition), of(one), of(two));
            let either = |one: bool, two: bool| (condition.yes && one) || (condition.no && two);
            Some(Answers { yes: either(one.yes, two.yes), no: either(one.no, two.no) })
        }
        _ => None,
    }
}
