//! A template that was read: names are resolved, literals are values.

use regex::Regex;

use super::functions::Function;
use super::value::Value;

#[derive(Debug)]
pub(super) enum Node {
    Text(String, usize),
    /// `{{pipeline}}`: printed, unless it sets a variable.
    Print(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{template "name" pipeline}}`.
    Call {
        /// Which of the templates.
        template: usize,
        data: Option<Pipeline>,
        at: usize,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct Branch {
    pub pipeline: Pipeline,
    pub body: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// Commands, each of which gives its value to the next as the last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The variables that are set, by their place on the stack of the template.
    pub variables: Vec<usize>,
    pub commands: Vec<Command>,
    pub at: usize,
}

#[derive(Debug)]
pub(super) enum Command {
    Value(Expression),
    Call(Call),
}

#[derive(Debug)]
pub(super) struct Call {
    pub function: &'static Function,
    pub arguments: Vec<Expression>,
    /// The first argument, where the function wants a regular expression and it is written in the template.
    pub regex: Option<Regex>,
    /// The variable that `set` changes.
    pub changes: Option<usize>,
    pub at: usize,
}

#[derive(Debug)]
pub(super) struct Expression {
    pub kind: Kind,
    pub at: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Dot,
    Literal(Value<'static>),
    /// By its place on the stack of the template; 0 is `$`.
    Variable(usize),
    Fields(Box<Expression>, Vec<String>),
    Pipeline(Box<Pipeline>),
    /// A function without arguments in the place of a value.
    Call(Box<Call>),
}
