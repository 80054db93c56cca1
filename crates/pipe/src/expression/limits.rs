//! How large an expression may be. Parsing, checking and evaluating go down its syntax tree on the stack, and a stack
//! that overflows ends the process.

use std::thread;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, SourceInfo};

use super::{ENVIRONMENT, names};

/// Of an expression's text, in bytes.
pub(super) const LENGTH_LIMIT: usize = 8 * 1024;

/// Of its syntax tree, in levels. An evaluation as deep as this has to fit a worker of the runtime (2 MiB), at
/// 34 KiB for each level in a build without optimisation.
pub(super) const DEPTH_LIMIT: usize = 40;

/// The parser goes down once for each term of a chain: enough for [`LENGTH_LIMIT`] of them. Only touched pages count.
const PARSER_STACK: usize = 256 * 1024 * 1024;

/// The tree of `source`, and where its parts stand.
///
/// # Errors
///
/// What is wrong with it: too long, too deep, no expression.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), Vec<String>> {
    if source.len() > LENGTH_LIMIT {
        let message = format!(
            "is {} bytes long, and {LENGTH_LIMIT} is the limit: write several expressions (line 1, column 1)",
            source.len()
        );
        return Err(vec![message]);
    }
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("cel-parser".into()).stack_size(PARSER_STACK);
        let parsing = parser.spawn_scoped(scope, || parse_here(source));
        let parsing = parsing.map_err(|error| vec![format!("cannot be parsed: no thread for it: {error}")])?;
        parsing.join().unwrap_or_else(|_| Err(vec!["cannot be parsed".to_owned()]))
    })
}

fn parse_here(source: &str) -> Result<(IdedExpr, SourceInfo), Vec<String>> {
    let parsed = ENVIRONMENT.parser().parse_with_source_info(source);
    let (root, places) =
        parsed.map_err(|errors| errors.errors.iter().map(names::syntax_problem).collect::<Vec<_>>())?;
    match too_deep(&root) {
        None => Ok((root, places)),
        Some(id) => {
            let message = format!("is more than {DEPTH_LIMIT} levels deep: write several expressions");
            Err(vec![names::placed(&places, id, &message)])
        }
    }
}

/// The first part that stands too deep.
fn too_deep(root: &IdedExpr) -> Option<u64> {
    let mut open = vec![(root, 1)];
    while let Some((node, depth)) = open.pop() {
        if depth > DEPTH_LIMIT {
            return Some(node.id);
        }
        // The clock in a loop is one more.
        let below = depth + 1 + usize::from(matches!(node.expr, Expr::Comprehension(_)));
        open.extend(children(&node.expr).into_iter().map(|child| (child, below)));
    }
    None
}

pub(super) fn children(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(whole) => {
            vec![&whole.iter_range, &whole.accu_init, &whole.loop_cond, &whole.loop_step, &whole.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}
