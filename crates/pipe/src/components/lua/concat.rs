//! `..` with numbers as the reference writes them.
//!
//! LuaJIT joins a number in C's `%.14g`, and nothing in the language can change that: a time in microseconds would
//! become `1.7e+15` in a header. So each operand of `..` that may be a number is put into a call of a function that
//! makes its text. Lines stay where they are. A text that this parser cannot read goes to Lua as it is, which says
//! what is wrong with it.
//!
//! Source: the grammar of Lua 5.1, <https://www.lua.org/manual/5.1/manual.html#8>, with `goto` and labels.

mod lexer;
mod parser;

/// The function's name: a letter of LuaJIT that nobody types by accident.
const TEXT_OF: &str = "\u{2116}";

/// The text of a chunk that takes the function and gives the chunk that was meant; `None` where it joins nothing.
pub(super) fn rewritten(text: &str) -> Option<String> {
    let spans = operands(text)?;
    Some(format!("local {TEXT_OF}=...;return function(...) {}\nend", wrapped(text, &spans)))
}

/// Where the operands stand, in bytes; `None` where there are none.
fn operands(text: &str) -> Option<Vec<(usize, usize)>> {
    if !text.contains("..") {
        return None;
    }
    let spans = parser::operands(&lexer::tokens(text)?)?;
    Some(spans).filter(|spans| !spans.is_empty())
}

fn wrapped(text: &str, spans: &[(usize, usize)]) -> String {
    let opening = spans.iter().map(|(start, _)| (*start, true));
    let closing = spans.iter().map(|(_, end)| (*end, false));
    let mut places: Vec<_> = opening.chain(closing).collect();
    places.sort_unstable();
    let mut out = String::with_capacity(text.len() + spans.len() * 5);
    let mut copied = 0;
    for (place, opens) in places {
        out.push_str(&text[copied..place]);
        copied = place;
        if opens {
            out.push_str(TEXT_OF);
            out.push('(');
        } else {
            out.push(')');
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` has `<` and `>` around the operands.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let marked = match operands(text) {
            Some(spans) => wrapped(text, &spans).replace(&format!("{TEXT_OF}("), "<"),
            None => text.to_owned(),
        };
        assert_eq!(marked.replace('>', ")"), expected.replace('>', ")"), "{text}");
    }

    #[test]
    fn operands_that_may_be_numbers_are_found() {
        check("return a .. b", "return <a> .. <b>");
        check("return 'x' .. b .. [[y]] .. c", "return 'x' .. <b> .. [[y]] .. <c>");
        check("return n * 2 + 1 .. 'x'", "return <n * 2 + 1> .. 'x'");
        check("return -n ^ 2 .. m", "return <-n ^ 2> .. <m>");
        check("return not a .. b == c", "return <not a> .. <b> == c");
        check("return #a .. '-' .. #{1, 2}", "return <#a> .. '-' .. <#{1, 2}>");
        check("x = f(a .. b).c[d .. e]:g(h .. i) .. j", "x = <f(<a> .. <b>).c[<d> .. <e>]:g(<h> .. <i>)> .. <j>");
        check("return ('a' .. b) .. c", "return <('a' .. <b>)> .. <c>");
        check("f 'x' { a .. b }", "f 'x' { <a> .. <b> }");
        check("return ... .. x", "return <...> .. <x>");
        check("return 1 .. 2", "return <1> .. <2>");
    }

    #[test]
    fn every_statement_is_read() {
        check(
            "if a .. b then c() elseif d .. e then else f(g .. h) end",
            "if <a> .. <b> then c() elseif <d> .. <e> then else f(<g> .. <h>) end",
        );
        check("for i = 1, 9 do x = x .. i end", "for i = 1, 9 do x = <x> .. <i> end");
        check("for k, v in pairs(t) do t[k] = k .. v end", "for k, v in pairs(t) do t[k] = <k> .. <v> end");
        check("while a .. b ~= c do break end", "while <a> .. <b> ~= c do break end");
        check("repeat local a = b .. c until a .. d", "repeat local a = <b> .. <c> until <a> .. <d>");
        check("function a.b:c(d, ...) return d .. '' end", "function a.b:c(d, ...) return <d> .. '' end");
        check("local function f() do return x .. y; end end", "local function f() do return <x> .. <y>; end end");
        check(
            "goto done ::done:: x, y = a .. b, function() end",
            "goto done ::done:: x, y = <a> .. <b>, function() end",
        );
        check("-- a .. b\n--[==[ c ..\n]==] x = d .. e", "-- a .. b\n--[==[ c ..\n]==] x = <d> .. <e>");
        check("local s = \"a \\\" .. b\" .. c", "local s = \"a \\\" .. b\" .. <c>");
        check("a.goto_ = b .. c goto = 1", "a.goto_ = <b> .. <c> goto = 1");
    }

    #[test]
    fn what_is_no_lua_stays_as_it_is() {
        for text in ["x = a ..", "if a .. b", "x = 'a .. b", "return a .. b end", "x = [[a .. b"] {
            check(text, text);
        }
        let deep = format!("return {}a .. b{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(operands(&deep).is_none());
    }

    #[test]
    fn a_chunk_takes_the_function_on_its_first_line() {
        let expected = "local \u{2116}=...;return function(...) \nx = \u{2116}(a) .. 'b'\nend";
        assert_eq!(rewritten("\nx = a .. 'b'").as_deref(), Some(expected));
        assert_eq!(rewritten("return 1"), None);
    }
}
