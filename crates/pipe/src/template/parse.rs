//! From tokens to the tree: texts, actions and blocks.

mod templates;

use super::Fault;
use super::lexer::{Lexeme, Token, lex};
use super::tree::{Branch, Node, Pipeline};

/// Blocks and parentheses in each other, at most: reading and running them takes stack.
const DEEPEST: usize = 50;

const KEYWORDS: [&str; 10] = ["if", "else", "end", "with", "range", "define", "block", "template", "break", "continue"];

#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub main: Vec<Node>,
    /// What `define` and `block` made.
    pub templates: Vec<Vec<Node>>,
    /// Names of all fields that are named directly at the data, or might be.
    pub used: Vec<String>,
    /// Those that are certainly fields of the data, and where.
    pub roots: Vec<(String, usize)>,
    /// Whether the data as a whole are used.
    pub uses_all: bool,
}

pub(super) fn parse(source: &str) -> Result<Parsed, Fault> {
    let tokens = lex(source)?;
    let mut parser = Parser::new(tokens, source.len());
    let (main, end) = parser.list(true)?;
    if let End::Block(at) | End::Else(at) = end {
        return Err(Fault::new(at, "nothing is open that this could end"));
    }
    let templates = parser.resolved()?;
    Ok(Parsed { main, templates, used: parser.used, roots: parser.roots, uses_all: parser.uses_all })
}

pub(super) struct Parser<'s> {
    tokens: Vec<Lexeme<'s>>,
    next: usize,
    end: usize,
    /// Names by their place on the stack; the first is `$`.
    pub variables: Vec<&'s str>,
    named: Vec<Named>,
    loops: usize,
    depth: usize,
    pub used: Vec<String>,
    pub roots: Vec<(String, usize)>,
    pub uses_all: bool,
    /// Blocks around that give the dot another meaning.
    moved: usize,
    /// Inside of `define` or `block`, where `$` is what the template is called with.
    is_defining: bool,
}

/// A template by its name; it may be called before it is defined.
struct Named {
    name: String,
    body: Option<Vec<Node>>,
    /// Where it is called first.
    called_at: usize,
}

enum End {
    Block(usize),
    Else(usize),
    File,
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    If,
    With,
    Range,
}

impl<'s> Parser<'s> {
    fn new(tokens: Vec<Lexeme<'s>>, end: usize) -> Self {
        Self {
            tokens,
            next: 0,
            end,
            variables: vec![""],
            named: Vec::new(),
            loops: 0,
            depth: 0,
            used: Vec::new(),
            roots: Vec::new(),
            uses_all: false,
            moved: 0,
            is_defining: false,
        }
    }

    /// Notes a field of the dot, or of `$`.
    pub fn note(&mut self, name: &str, of_dot: bool, at: usize) {
        self.used.push(name.to_owned());
        if !self.is_defining && (self.moved == 0 || !of_dot) {
            self.roots.push((name.to_owned(), at));
        }
    }

    pub fn peek(&self) -> Option<&Token<'s>> {
        self.tokens.get(self.next).map(|lexeme| &lexeme.token)
    }

    pub fn peek_after(&self, count: usize) -> Option<&Token<'s>> {
        self.tokens.get(self.next + count).map(|lexeme| &lexeme.token)
    }

    /// Where the next token begins.
    pub fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |lexeme| lexeme.at)
    }

    pub fn is_apart(&self) -> bool {
        self.tokens.get(self.next).is_none_or(|lexeme| lexeme.is_apart)
    }

    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// Steps over `token`, if it is next.
    pub fn takes(&mut self, token: &Token<'_>) -> bool {
        let is_there = self.peek() == Some(token);
        self.next += usize::from(is_there);
        is_there
    }

    pub fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::new(self.at(), format!("more than {DEEPEST} blocks or parentheses in each other")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// Nodes up to what ends them. `is_top`: templates may be defined here.
    fn list(&mut self, is_top: bool) -> Result<(Vec<Node>, End), Fault> {
        let mut nodes = Vec::new();
        while let Some(token) = self.peek() {
            let at = self.at();
            if let Token::Text(text) = token {
                nodes.push(Node::Text((*text).to_owned(), at));
                self.skip();
                continue;
            }
            self.skip();
            let keyword = match self.peek() {
                Some(Token::Word(word)) if KEYWORDS.contains(word) => *word,
                _ => {
                    nodes.push(Node::Print(self.pipeline_to_close(false)?));
                    continue;
                }
            };
            self.skip();
            match keyword {
                "end" => return self.close().map(|()| (nodes, End::Block(at))),
                "else" => return Ok((nodes, End::Else(at))),
                "define" if is_top => self.define(at)?,
                "define" => return Err(Fault::new(at, "define stands at the top of a template, outside of blocks")),
                _ => nodes.push(self.statement(keyword, at)?),
            }
        }
        Ok((nodes, End::File))
    }

    fn statement(&mut self, keyword: &str, at: usize) -> Result<Node, Fault> {
        match keyword {
            "if" => self.branch(Block::If, at).map(Node::If),
            "with" => self.branch(Block::With, at).map(Node::With),
            "range" => self.branch(Block::Range, at).map(Node::Range),
            "block" => self.block(at),
            "template" => self.call(at),
            _ if self.loops == 0 => Err(Fault::new(at, format!("{keyword} stands outside of range"))),
            "break" => self.close().map(|()| Node::Break),
            _ => self.close().map(|()| Node::Continue),
        }
    }

    pub fn close(&mut self) -> Result<(), Fault> {
        let at = self.at();
        if self.takes(&Token::Close) { Ok(()) } else { Err(Fault::new(at, "something stands before }}; remove it")) }
    }

    fn pipeline_to_close(&mut self, is_range: bool) -> Result<Pipeline, Fault> {
        let pipeline = self.pipeline(is_range)?;
        self.close()?;
        Ok(pipeline)
    }

    /// `if`, `with` and `range`, up to their `end`.
    fn branch(&mut self, block: Block, at: usize) -> Result<Branch, Fault> {
        self.deeper(|parser| {
            let outside = parser.variables.len();
            let pipeline = parser.pipeline_to_close(block == Block::Range)?;
            let inside = parser.variables.len();
            let moves = usize::from(block != Block::If);
            parser.loops += usize::from(block == Block::Range);
            parser.moved += moves;
            let (body, end) = parser.list(false)?;
            parser.moved -= moves;
            parser.loops -= usize::from(block == Block::Range);
            parser.variables.truncate(inside);
            let otherwise = parser.otherwise(block, end, at)?;
            parser.variables.truncate(outside);
            Ok(Branch { pipeline, body, otherwise })
        })
    }

    fn otherwise(&mut self, block: Block, end: End, at: usize) -> Result<Vec<Node>, Fault> {
        match end {
            End::Block(_) => return Ok(Vec::new()),
            End::File => return Err(Fault::new(at, "this block is not closed; write {{end}}")),
            End::Else(_) => {}
        }
        let else_at = self.at();
        match (block, self.peek()) {
            (Block::If, Some(Token::Word("if"))) => {
                self.skip();
                return Ok(vec![Node::If(self.branch(Block::If, else_at)?)]);
            }
            (Block::With, Some(Token::Word("with"))) => {
                self.skip();
                return Ok(vec![Node::With(self.branch(Block::With, else_at)?)]);
            }
            _ => self.close()?,
        }
        match self.list(false)? {
            (nodes, End::Block(_)) => Ok(nodes),
            (_, End::Else(at)) => Err(Fault::new(at, "a second else; a block has one")),
            (_, End::File) => Err(Fault::new(at, "this block is not closed; write {{end}}")),
        }
    }

    fn name(&mut self, keyword: &str) -> Result<String, Fault> {
        let at = self.at();
        match self.peek() {
            Some(Token::String(name)) => {
                let name = name.clone();
                self.skip();
                Ok(name)
            }
            _ => Err(Fault::new(at, format!("{keyword} wants a name in quotes"))),
        }
    }
}
