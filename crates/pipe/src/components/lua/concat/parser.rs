//! Reads a chunk and notes where the operands of `..` stand. `None` of any function: this is no Lua that it knows.

use super::lexer::{Kind, Token};

/// Levels of expressions and blocks; Lua itself reads 200.
const DEPTH_LIMIT: usize = 200;

/// How strongly `..` holds its left side.
const CONCAT: u8 = 5;

/// How strongly a sign before an operand holds it.
const UNARY: u8 = 8;

/// Start and end of each operand, without those that are texts as they stand.
pub(super) fn operands(tokens: &[Token<'_>]) -> Option<Vec<(usize, usize)>> {
    let mut parser = Parser { tokens, next: 0, depth: 0, found: Vec::new() };
    parser.block()?;
    (parser.next == tokens.len()).then_some(parser.found)
}

struct Parser<'t> {
    tokens: &'t [Token<'t>],
    next: usize,
    depth: usize,
    found: Vec<(usize, usize)>,
}

/// An expression that was read.
struct Read {
    start: usize,
    is_text: bool,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next).copied()
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.text == text && token.kind != Kind::String)
    }

    fn take(&mut self, text: &str) -> bool {
        let is_it = self.is(text);
        self.next += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    fn name(&mut self) -> Option<()> {
        let is_name = self.peek()?.kind == Kind::Name;
        self.next += usize::from(is_name);
        is_name.then_some(())
    }

    /// Where the last word ended.
    fn end(&self) -> usize {
        self.tokens.get(self.next.wrapping_sub(1)).map_or(0, Token::end)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let result = if self.depth > DEPTH_LIMIT { None } else { read(self) };
        self.depth -= 1;
        result
    }

    fn block(&mut self) -> Option<()> {
        self.deeper(|parser| {
            while parser.peek().is_some() && !["end", "else", "elseif", "until"].iter().any(|word| parser.is(word)) {
                parser.statement()?;
            }
            Some(())
        })
    }

    fn statement(&mut self) -> Option<()> {
        let word = self.peek()?;
        if word.kind != Kind::Keyword {
            return self.plain_statement();
        }
        self.next += 1;
        match word.text {
            "if" => self.conditional(),
            "while" => self.expression().and_then(|()| self.expect("do")).and_then(|()| self.ended()),
            "do" => self.ended(),
            "for" => self.loop_of(),
            "repeat" => self.block().and_then(|()| self.expect("until")).and_then(|()| self.expression()),
            "function" => {
                self.names(&[".", ":"])?;
                self.body()
            }
            "local" if self.take("function") => self.name().and_then(|()| self.body()),
            "local" => {
                self.names(&[","])?;
                if self.take("=") { self.expressions() } else { Some(()) }
            }
            "return" => {
                if self.peek().is_some() && !["end", "else", "elseif", "until", ";"].iter().any(|word| self.is(word)) {
                    self.expressions()?;
                }
                Some(())
            }
            "break" => Some(()),
            _ => None,
        }
    }

    /// One that begins with no keyword: `;`, a label, `goto`, a call or an assignment.
    fn plain_statement(&mut self) -> Option<()> {
        if self.take(";") {
            return Some(());
        }
        if self.take("::") {
            return self.name().and_then(|()| self.expect("::"));
        }
        let goes_to = self.tokens.get(self.next + 1).is_some_and(|token| token.kind == Kind::Name);
        if self.is("goto") && goes_to {
            self.next += 2;
            return Some(());
        }
        self.suffixed()?;
        while self.take(",") {
            self.suffixed()?;
        }
        if self.take("=") { self.expressions() } else { Some(()) }
    }

    fn conditional(&mut self) -> Option<()> {
        loop {
            self.expression()?;
            self.expect("then")?;
            self.block()?;
            if self.take("else") {
                return self.ended();
            }
            if !self.take("elseif") {
                return self.expect("end");
            }
        }
    }

    fn loop_of(&mut self) -> Option<()> {
        self.names(&[","])?;
        if !self.take("=") {
            self.expect("in")?;
        }
        self.expressions()?;
        self.expect("do")?;
        self.ended()
    }

    fn ended(&mut self) -> Option<()> {
        self.block()?;
        self.expect("end")
    }

    /// Names with one of `between` between them.
    fn names(&mut self, between: &[&str]) -> Option<()> {
        self.name()?;
        while between.iter().any(|symbol| self.take(symbol)) {
            self.name()?;
        }
        Some(())
    }

    /// Of a function, from its `(` to its `end`.
    fn body(&mut self) -> Option<()> {
        self.expect("(")?;
        while !self.take(")") {
            if !self.take("...") {
                self.name()?;
            }
            self.take(",");
        }
        self.ended()
    }

    fn expressions(&mut self) -> Option<()> {
        self.expression()?;
        while self.take(",") {
            self.expression()?;
        }
        Some(())
    }

    fn expression(&mut self) -> Option<()> {
        self.above(0).map(drop)
    }

    /// An expression whose operators hold stronger than `limit`.
    fn above(&mut self, limit: u8) -> Option<Read> {
        self.deeper(|parser| parser.operators(limit))
    }

    fn operators(&mut self, limit: u8) -> Option<Read> {
        let start = self.peek()?.start;
        let mut is_text = if ["not", "-", "#"].iter().any(|sign| self.take(sign)) {
            self.above(UNARY)?;
            false
        } else {
            self.simple()?
        };
        while let Some((left, right)) = self.operator().filter(|(left, _)| *left > limit) {
            let end = self.end();
            self.next += 1;
            let operand = self.above(right)?;
            if left == CONCAT {
                self.note(start, end, is_text);
                self.note(operand.start, self.end(), operand.is_text);
            }
            is_text = left == CONCAT;
        }
        Some(Read { start, is_text })
    }

    fn note(&mut self, start: usize, end: usize, is_text: bool) {
        if !is_text {
            self.found.push((start, end));
        }
    }

    /// How strongly the next operator holds its sides.
    fn operator(&self) -> Option<(u8, u8)> {
        let token = self.peek().filter(|token| token.kind != Kind::String)?;
        Some(match token.text {
            "or" => (1, 1),
            "and" => (2, 2),
            "<" | ">" | "<=" | ">=" | "~=" | "==" => (3, 3),
            ".." => (CONCAT, 4),
            "+" | "-" => (6, 6),
            "*" | "/" | "%" => (7, 7),
            "^" => (10, 9),
            _ => return None,
        })
    }

    /// Whether it is a text as it stands.
    fn simple(&mut self) -> Option<bool> {
        let token = self.peek()?;
        match (token.kind, token.text) {
            (Kind::Number, _) | (Kind::Keyword, "nil" | "true" | "false") | (Kind::Symbol, "...") => self.next += 1,
            (Kind::String, _) => {
                self.next += 1;
                return Some(true);
            }
            (Kind::Symbol, "{") => self.constructor()?,
            (Kind::Keyword, "function") => {
                self.next += 1;
                self.body()?;
            }
            _ => self.suffixed()?,
        }
        Some(false)
    }

    fn constructor(&mut self) -> Option<()> {
        self.expect("{")?;
        while !self.take("}") {
            if self.take("[") {
                self.expression()?;
                self.expect("]")?;
                self.expect("=")?;
            } else if self.tokens.get(self.next + 1).is_some_and(|token| token.text == "=") {
                self.name()?;
                self.expect("=")?;
            }
            self.expression()?;
            if !self.take(",") && !self.take(";") && !self.is("}") {
                return None;
            }
        }
        Some(())
    }

    /// A name or a parenthesis with its indices and calls.
    fn suffixed(&mut self) -> Option<()> {
        if self.take("(") {
            self.expression()?;
            self.expect(")")?;
        } else {
            self.name()?;
        }
        while let Some(token) = self.peek() {
            match (token.kind, token.text) {
                (Kind::Symbol, ".") => {
                    self.next += 1;
                    self.name()?;
                }
                (Kind::Symbol, "[") => {
                    self.next += 1;
                    self.expression()?;
                    self.expect("]")?;
                }
                (Kind::Symbol, ":") => {
                    self.next += 1;
                    self.name()?;
                    self.arguments()?;
                }
                (Kind::Symbol, "(" | "{") | (Kind::String, _) => self.arguments()?,
                _ => break,
            }
        }
        Some(())
    }

    fn arguments(&mut self) -> Option<()> {
        match self.peek()? {
            Token { kind: Kind::String, .. } => self.next += 1,
            Token { text: "{", .. } => self.constructor()?,
            _ => {
                self.expect("(")?;
                if !self.take(")") {
                    self.expressions()?;
                    self.expect(")")?;
                }
            }
        }
        Some(())
    }
}
