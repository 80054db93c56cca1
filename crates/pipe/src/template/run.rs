//! Running a template.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::Fault;
use super::functions::{Arguments, Lazy, Work};
use super::parse::Parsed;
use super::range::steps;
use super::tree::{Branch, Call, Command, Expression, Kind, Node, Pipeline};
use super::value::Value;
use crate::http::REPLY_LIMIT;
use crate::json::{Json, JsonRef};

/// Nodes, calls and turns of loops in one run: a tenth of a second's work. A template that needs more does not end, as
/// far as an event's worker is concerned.
const STEP_LIMIT: usize = 1_000_000;

/// Bytes that the output, and a value on the way, may have.
pub(super) const SIZE_LIMIT: usize = REPLY_LIMIT;

/// Lists and objects that functions put into each other: writing and dropping them takes stack.
const MADE_DEPTH_LIMIT: usize = 100;

/// Blocks that are in each other where a template may still call another one: running them takes stack.
const DEEPEST: usize = 100;

pub(super) fn run(parsed: &Parsed, data: &Json, now: SystemTime) -> Result<String, Fault> {
    let nanoseconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let now = i128::try_from(nanoseconds).ok().and_then(|since| OffsetDateTime::from_unix_timestamp_nanos(since).ok());
    let data = Value::Data(JsonRef::from(data));
    let now = now.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut run = Run { parsed, now, out: String::new(), steps: 0, depth: 0, variables: vec![data.clone()] };
    run.nodes(&parsed.main, &data)?;
    Ok(run.out)
}

struct Run<'t, 'd> {
    parsed: &'t Parsed,
    now: OffsetDateTime,
    out: String,
    steps: usize,
    depth: usize,
    /// Those of the template that runs, the first is `$`.
    variables: Vec<Value<'d>>,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'d> Run<'_, 'd> {
    fn spend(&mut self, steps: usize, at: usize) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps <= STEP_LIMIT {
            return Ok(());
        }
        Err(Fault::new(at, format!("the template has not ended after {STEP_LIMIT} steps")))
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value<'d>) -> Result<Flow, Fault> {
        self.depth += 1;
        let mut flow = Flow::Next;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.depth -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value<'d>) -> Result<Flow, Fault> {
        match node {
            Node::Text(text, at) => {
                self.out.push_str(text);
                self.bound(*at)?;
            }
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if !self.set(pipeline, &value) {
                    value.print(&mut self.out);
                    self.bound(pipeline.at)?;
                }
            }
            Node::If(branch) => return self.branch(branch, dot, |_| dot.clone()),
            Node::With(branch) => return self.branch(branch, dot, Value::clone),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Call { template, data, at } => self.template(*template, data.as_ref(), dot, *at)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn bound(&mut self, at: usize) -> Result<(), Fault> {
        self.spend(1, at)?;
        if self.out.len() <= SIZE_LIMIT {
            return Ok(());
        }
        Err(Fault::new(at, format!("the output is larger than {SIZE_LIMIT} bytes")))
    }

    /// Sets the variables of a pipeline, if it has any.
    fn set(&mut self, pipeline: &Pipeline, value: &Value<'d>) -> bool {
        pipeline.variables.iter().for_each(|&slot| self.set_variable(slot, value.clone()));
        !pipeline.variables.is_empty()
    }

    /// A variable stands where the parser has put it; what stands behind a new one belongs to blocks that are over.
    fn set_variable(&mut self, slot: usize, value: Value<'d>) {
        match self.variables.get_mut(slot) {
            Some(variable) => *variable = value,
            None => {
                self.variables.resize(slot, Value::Missing);
                self.variables.push(value);
            }
        }
    }

    fn branch(
        &mut self,
        branch: &Branch,
        dot: &Value<'d>,
        inside: impl FnOnce(&Value<'d>) -> Value<'d>,
    ) -> Result<Flow, Fault> {
        let value = self.pipeline(&branch.pipeline, dot)?;
        self.set(&branch.pipeline, &value);
        if value.is_true() { self.nodes(&branch.body, &inside(&value)) } else { self.nodes(&branch.otherwise, dot) }
    }

    fn range(&mut self, branch: &Branch, dot: &Value<'d>) -> Result<Flow, Fault> {
        let at = branch.pipeline.at;
        let value = self.pipeline(&branch.pipeline, dot)?;
        self.spend(value.cost_of_making(), at)?;
        let mut is_empty = true;
        for (key, element) in steps(&value).map_err(|message| Fault::new(at, message))? {
            is_empty = false;
            self.spend(1, at)?;
            match branch.pipeline.variables[..] {
                [one] => self.set_variable(one, element.clone()),
                [first, second, ..] => {
                    self.set_variable(first, key);
                    self.set_variable(second, element.clone());
                }
                [] => {}
            }
            if self.nodes(&branch.body, &element)? == Flow::Break {
                break;
            }
        }
        if is_empty { self.nodes(&branch.otherwise, dot) } else { Ok(Flow::Next) }
    }

    fn template(&mut self, template: usize, data: Option<&Pipeline>, dot: &Value<'d>, at: usize) -> Result<(), Fault> {
        self.spend(1, at)?;
        if self.depth > DEEPEST {
            return Err(Fault::new(at, format!("more than {DEEPEST} templates and blocks in each other")));
        }
        let data = match data {
            Some(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.set(pipeline, &value);
                value
            }
            None => Value::Missing,
        };
        let outside = std::mem::replace(&mut self.variables, vec![data.clone()]);
        self.nodes(&self.parsed.templates[template], &data)?;
        self.variables = outside;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value<'d>) -> Result<Value<'d>, Fault> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(match command {
                Command::Value(expression) => self.expression(expression, dot)?,
                Command::Call(call) => self.call(call, last.take(), dot)?,
            });
        }
        Ok(last.unwrap_or_default())
    }

    fn expression(&mut self, expression: &Expression, dot: &Value<'d>) -> Result<Value<'d>, Fault> {
        match &expression.kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Variable(slot) => Ok(self.variables.get(*slot).cloned().unwrap_or_default()),
            Kind::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Kind::Call(call) => self.call(call, None, dot),
            Kind::Fields(base, names) => {
                let mut value = self.expression(base, dot)?;
                for name in names {
                    let found = value.field(name);
                    let message = || format!("{} has no field {name:?}", value.type_name());
                    value = found.ok_or_else(|| Fault::new(expression.at, message()))?;
                    if matches!(value, Value::Made(_)) {
                        self.spend(value.cost_of_making(), expression.at)?; // it was copied
                    }
                }
                Ok(value)
            }
        }
    }

    fn call(&mut self, call: &Call, last: Option<Value<'d>>, dot: &Value<'d>) -> Result<Value<'d>, Fault> {
        self.spend(1, call.at)?;
        let work = match call.function.work {
            Work::Lazy(lazy) => return self.lazy(lazy, call, last, dot),
            Work::Eager(work) => work,
        };
        let mut values = Vec::with_capacity(call.arguments.len() + 1);
        for argument in &call.arguments {
            values.push(self.expression(argument, dot)?);
        }
        values.extend(last);
        self.before(&values, call)?;
        let arguments = Arguments { values: &values, now: self.now, regex: call.regex.as_ref() };
        let value = work(&arguments);
        let value = value.map_err(|message| Fault::new(call.at, format!("{}: {message}", call.function.name)))?;
        self.spend(value.cost_of_making(), call.at)?;
        if value.made_depth() > MADE_DEPTH_LIMIT {
            let message = format!("more than {MADE_DEPTH_LIMIT} lists and objects in each other");
            return Err(Fault::new(call.at, message));
        }
        if let Some(slot) = call.changes {
            self.set_variable(slot, value.clone());
        }
        Ok(value)
    }

    /// What a function makes of its arguments is, but for texts that it checks itself, no more than a few times as much
    /// as they are.
    fn before(&mut self, values: &[Value<'d>], call: &Call) -> Result<(), Fault> {
        let cost = values.iter().map(Value::cost_of_reading).fold(0, usize::saturating_add);
        self.spend(cost, call.at)?;
        if values.iter().map(Value::size).fold(0, usize::saturating_add) <= SIZE_LIMIT {
            return Ok(());
        }
        let message = format!("{}: the arguments are larger than {SIZE_LIMIT} bytes", call.function.name);
        Err(Fault::new(call.at, message))
    }

    /// `and`, `or`: the first value that decides, the last where none does.
    fn lazy(&mut self, lazy: Lazy, call: &Call, last: Option<Value<'d>>, dot: &Value<'d>) -> Result<Value<'d>, Fault> {
        let mut value = Value::Missing;
        for argument in &call.arguments {
            value = self.expression(argument, dot)?;
            if value.is_true() == (lazy == Lazy::Or) {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}
