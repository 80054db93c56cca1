//! Macros over lists look at the clock before each element: a payload may hold any number of them, and loops within
//! loops multiply.
//!
//! The crate evaluates without a break. Here a name (`@clock`) is put into each loop, where no `&&` or `||` can absorb
//! its error: it has a value while there is time, and none after that. It cannot be written in an expression.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, operators};

use super::patterns::children;

pub(super) const NAME: &str = "@clock";

/// Puts the name into every loop below `root`.
pub(super) fn watch(root: &mut IdedExpr) {
    if let Expr::Comprehension(whole) = &mut root.expr {
        watch_loop(whole);
    }
    children(&mut root.expr, &mut watch);
}

/// `map` and `filter` are quick as long as the condition of their loop stays a literal: theirs goes into the step.
fn watch_loop(whole: &mut ComprehensionExpr) {
    if !matches!(whole.loop_cond.expr, Expr::Literal(_)) {
        return in_time(&mut whole.loop_cond);
    }
    match &mut whole.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL && call.args.len() == 3 => {
            in_time(&mut call.args[0]);
        }
        _ => {
            let id = whole.loop_step.id;
            let unchanged = IdedExpr { id, expr: Expr::Ident(whole.accu_var.clone()) };
            if_in_time(&mut whole.loop_step, unchanged);
        }
    }
}

fn in_time(node: &mut IdedExpr) {
    let otherwise = clock(node.id);
    if_in_time(node, otherwise);
}

/// `node` becomes `@clock ? node : otherwise`.
fn if_in_time(node: &mut IdedExpr, otherwise: IdedExpr) {
    let id = node.id;
    let args = vec![clock(id), std::mem::take(node), otherwise];
    let call = CallExpr { func_name: operators::CONDITIONAL.to_owned(), target: None, args };
    *node = IdedExpr { id, expr: Expr::Call(call) };
}

fn clock(id: u64) -> IdedExpr {
    IdedExpr { id, expr: Expr::Ident(NAME.to_owned()) }
}
