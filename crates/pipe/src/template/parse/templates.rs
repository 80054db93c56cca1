//! Templates inside of a template: what defines and what calls them.

use siphon_config::nearest::hint;

use super::super::Fault;
use super::super::lexer::Token;
use super::super::tree::Node;
use super::{End, Named, Parser};

impl Parser<'_> {
    pub(super) fn define(&mut self, at: usize) -> Result<(), Fault> {
        let name = self.name("define")?;
        self.close()?;
        self.body(name, at)
    }

    /// The template of `define` or `block`, which knows none of the variables around it.
    fn body(&mut self, name: String, at: usize) -> Result<(), Fault> {
        let outside = std::mem::replace(&mut self.variables, vec![""]);
        let loops = std::mem::take(&mut self.loops);
        let was_defining = std::mem::replace(&mut self.is_defining, true);
        let (body, end) = self.deeper(|parser| parser.list(false))?;
        (self.variables, self.loops, self.is_defining) = (outside, loops, was_defining);
        match end {
            End::Block(_) => {}
            End::Else(at) => return Err(Fault::new(at, "else stands outside of if, with and range")),
            End::File => return Err(Fault::new(at, "this block is not closed; write {{end}}")),
        }
        let index = self.template(&name, at);
        if self.named[index].body.is_some() {
            return Err(Fault::new(at, format!("template {name:?} is defined already")));
        }
        self.named[index].body = Some(body);
        Ok(())
    }

    fn template(&mut self, name: &str, called_at: usize) -> usize {
        self.named.iter().position(|named| named.name == name).unwrap_or_else(|| {
            self.named.push(Named { name: name.to_owned(), body: None, called_at });
            self.named.len() - 1
        })
    }

    pub(super) fn call(&mut self, at: usize) -> Result<Node, Fault> {
        let name_at = self.at();
        let name = self.name("template")?;
        let data = if self.takes(&Token::Close) { None } else { Some(self.pipeline_to_close(false)?) };
        Ok(Node::Call { template: self.template(&name, name_at), data, at })
    }

    /// `{{block "name" pipeline}}` defines a template and calls it.
    pub(super) fn block(&mut self, at: usize) -> Result<Node, Fault> {
        let name = self.name("block")?;
        let data = self.pipeline_to_close(false)?;
        self.body(name.clone(), at)?;
        Ok(Node::Call { template: self.template(&name, at), data: Some(data), at })
    }

    pub(super) fn resolved(&mut self) -> Result<Vec<Vec<Node>>, Fault> {
        let defined = self.named.iter().filter(|named| named.body.is_some());
        let names: Vec<_> = defined.map(|named| named.name.clone()).collect();
        let defined = |named: Named| {
            let known = names.iter().map(String::as_str);
            let message = || format!("template {:?} is not defined{}", named.name, hint(&named.name, known));
            named.body.ok_or_else(|| Fault::new(named.called_at, message()))
        };
        std::mem::take(&mut self.named).into_iter().map(defined).collect()
    }
}
