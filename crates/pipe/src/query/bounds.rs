//! What an expression may be, so that compiling, searching and dropping it take neither more stack nor more memory than
//! there is.

use jmespath::ast::Ast;
use jmespath::{Expression, compile};

use super::{children, sentence};

/// Bytes of an expression.
const LENGTH_LIMIT: usize = 4096;

/// Levels of an expression; `a.b` is one around two.
const DEPTH_LIMIT: usize = 100;

/// How many times what is searched may come again in what is found.
const GROWTH_LIMIT: usize = 1000;

/// Enough for the library to compile whatever fits into [`LENGTH_LIMIT`]: it needs stack for each sign that nests.
const STACK: usize = 64 << 20;

/// Bytes of a text in an expression that count as what is searched once.
const LITERAL_SIZE: usize = 64;

/// # Errors
///
/// What is wrong with the expression, or which bound it breaks.
pub(super) fn compiled(expression: &str) -> Result<Expression<'static>, String> {
    if expression.len() > LENGTH_LIMIT {
        return Err(format!("the expression has {} bytes, at most {LENGTH_LIMIT} may be", expression.len()));
    }
    let text = expression.to_owned();
    let own_stack = std::thread::Builder::new().stack_size(STACK);
    let thread = own_stack.spawn(move || {
        let compiled = compile(&text).map_err(|error| sentence(&error))?;
        // What is too deep is dropped here as well.
        if is_deeper(compiled.as_ast(), DEPTH_LIMIT) {
            return Err(format!("the expression has more than {DEPTH_LIMIT} levels in each other"));
        }
        match growth(compiled.as_ast()) {
            times if times > GROWTH_LIMIT => Err(format!(
                "the expression may find its data {times} times over, at most {GROWTH_LIMIT} may be; choose less in [ ] and {{ }}"
            )),
            _ => Ok(compiled),
        }
    });
    let thread = thread.map_err(|error| format!("the expression cannot be read: {error}"))?;
    thread.join().unwrap_or_else(|_| Err("the expression cannot be read".into()))
}

fn is_deeper(ast: &Ast, limit: usize) -> bool {
    let mut open = vec![(ast, 1)];
    while let Some((ast, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        open.extend(children(ast).into_iter().map(|child| (child, depth + 1)));
    }
    false
}

/// How many times larger than what is searched the result may be, at most.
fn growth(ast: &Ast) -> usize {
    let sum = |parts: &[&Ast]| parts.iter().map(|part| growth(part)).fold(0, usize::saturating_add);
    match ast {
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => growth(lhs).saturating_mul(growth(rhs)),
        Ast::Condition { then, .. } => growth(then),
        Ast::Function { name, args, .. } if name == "map" || name == "join" => {
            args.iter().map(growth).fold(1, usize::saturating_mul)
        }
        Ast::Literal { value, .. } => 1 + value.as_string().map_or(0, |text| text.len() / LITERAL_SIZE),
        Ast::Comparison { .. } | Ast::Not { .. } => 1,
        _ => sum(&children(ast)).max(1),
    }
}
