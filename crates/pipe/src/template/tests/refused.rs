//! What a template must not have, and what a run cannot do: always with its place.

use proptest::prelude::*;

use super::*;

#[test]
fn typing_errors_are_found_at_load_with_their_place() {
    fails("a\n  {{ .x | uper }}", "t, line 2, column 11: function \"uper\" is not defined; did you mean \"upper\"?");
    fails("{{env \"HOME\"}}", "t, line 1, column 3: env is not there: a template does not see the environment");
    fails("{{$naem}}{{$name := 1}}", "t, line 1, column 3: variable $naem is not defined here");
    fails("{{$name := 1}}{{$naem}}", "t, line 1, column 17: variable $naem is not defined here; did you mean $name?");
    fails("{{$x = 1}}", "t, line 1, column 3: variable $x is not defined here");
    fails(
        "{{template \"lien\" .}}{{define \"line\"}}{{end}}",
        "t, line 1, column 12: template \"lien\" is not defined; did you mean \"line\"?",
    );
    fails("{{define \"a\"}}{{end}}{{define \"a\"}}{{end}}", "t, line 1, column 22: template \"a\" is defined already");
}

#[test]
fn blocks_have_to_fit() {
    fails("x{{if .a}}", "t, line 1, column 2: this block is not closed; write {{end}}");
    fails("{{if .a}}{{else}}", "t, line 1, column 1: this block is not closed; write {{end}}");
    fails("{{end}}", "t, line 1, column 1: nothing is open that this could end");
    fails("{{if 1}}{{else}}{{else}}{{end}}", "t, line 1, column 17: a second else; a block has one");
    fails("{{break}}", "t, line 1, column 1: break stands outside of range");
    fails(
        "{{range .a}}{{define \"x\"}}{{continue}}{{end}}{{end}}",
        "t, line 1, column 13: define stands at the top of a template, outside of blocks",
    );
    fails(
        "{{range .a}}{{end}}{{define \"x\"}}{{continue}}{{end}}",
        "t, line 1, column 34: continue stands outside of range",
    );
    fails("{{define x}}{{end}}", "t, line 1, column 10: define wants a name in quotes");
}

#[test]
fn actions_have_to_be_words_of_a_template() {
    fails("{{ .a", "t, line 1, column 1: the action is not closed; write }}");
    fails("{{/* a", "t, line 1, column 1: the comment is not closed; write */}}");
    fails("{{/* a */ 1}}", "t, line 1, column 11: a comment stands alone in its action; write }} behind */");
    fails("{{}}", "t, line 1, column 3: a value is missing");
    fails("{{1 | }}", "t, line 1, column 7: a value is missing");
    fails("{{.a == 1}}", "t, line 1, column 6: == is no word of a template; write eq A B");
    fails("{{if !.a}}{{end}}", "t, line 1, column 6: unexpected '!' in an action; write not A, or ne A B");
    fails("{{1 2}}", "t, line 1, column 3: this is no function and takes no arguments");
    fails("{{1 | .a}}", "t, line 1, column 7: only a function may stand behind |");
    fails("{{\"a\" | \"b\"}}", "t, line 1, column 9: only a function may stand behind |");
    fails("{{\"a}}", "t, line 1, column 3: the text is not closed; write \"");
    fails(
        "{{\"\\q\"}}",
        "t, line 1, column 3: \\q is no escape of a text; a backslash is \\\\, and `…` has no escapes",
    );
    fails("{{(1}}", "t, line 1, column 3: the parenthesis is not closed; write )");
    fails("{{1)}}", "t, line 1, column 4: something stands before }}; remove it");
    fails("{{1x}}", "t, line 1, column 3: \"1x\" is no number");
    fails(
        "{{.req-body}}",
        "t, line 1, column 7: \"-body\" is no number; to subtract, write sub A B; a name with - needs index, as in index .data \"a-b\"",
    );
    fails(
        "{{print ($x := 1)}}",
        "t, line 1, column 9: a variable is set at the beginning of an action, not in parentheses",
    );
    fails("{{1 := 2}}", "t, line 1, column 3: this is no function and takes no arguments");
    fails("{{now.x}}", "t, line 1, column 3: now takes 0 arguments, found 1");
}

#[test]
fn functions_have_to_get_what_they_take() {
    fails("{{upper}}", "t, line 1, column 3: upper takes 1 argument, found 0");
    fails("{{1 | upper 2}}", "t, line 1, column 7: upper takes 1 argument, found 2");
    fails("{{eq 1}}", "t, line 1, column 3: eq takes 2 or more arguments, found 1");
    fails("{{slice 1 2 3 4}}", "t, line 1, column 3: slice takes 1 to 3 arguments, found 4");
    fails("{{dict \"a\"}}", "t, line 1, column 3: dict takes keys and values in turn, found 1");
    fails("{{regexMatch \"a(\" .x}}", "t, line 1, column 14: \"a(\" is no regular expression: unclosed group");
    fails(
        "{{$_ := set .req_body \"a\" 1}}",
        "t, line 1, column 9: set changes a variable: {{$name := …}} first, then {{$_ := set $name KEY VALUE}}",
    );
}

#[test]
fn what_does_not_fit_the_data_fails_the_run_with_its_place() {
    fails("ab\n{{.req_body.name.first}}", "t, line 2, column 3: a text has no field \"first\"");
    fails(
        "{{upper .req_body.nope}}",
        "t, line 1, column 3: upper: argument 1 is nothing, not a text; default stands in for what is missing",
    );
    fails("{{range .req_body.name}}{{end}}", "t, line 1, column 9: range over a text, which has no elements");
    fails("{{range 1.5}}{{end}}", "t, line 1, column 9: range over 1.5, which is no whole number");
    fails("{{index .req_body.lines 2}}", "t, line 1, column 3: index: there is no element 2 in a list of 2");
    fails("{{index .req_headers \"X\" 0}}", "t, line 1, column 3: index: argument 3 leads into nothing");
    fails(
        "{{eq 1 \"1\"}}",
        "t, line 1, column 3: eq: a number cannot be compared with a text; int, float64 and toString convert, default stands in",
    );
    fails(
        "{{lt .x 1}}",
        "t, line 1, column 3: lt: nothing cannot be compared with a number; int, float64 and toString convert, default stands in",
    );
    fails("{{required \"no id\" .x}}", "t, line 1, column 3: required: no id");
    fails("{{fail \"stop\"}}", "t, line 1, column 3: fail: stop");
}

#[test]
fn nothing_runs_without_end() {
    let steps = "the template has not ended after 1000000 steps";
    fails("{{range 9000000000}}{{end}}", &format!("t, line 1, column 9: {steps}"));
    fails("{{range 10000}}{{range 10000}}x{{end}}{{end}}", &format!("t, line 1, column 24: {steps}"));
    fails(
        "{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}",
        "t, line 1, column 15: more than 100 templates and blocks in each other",
    );
    let size = "the result is larger than 67108864 bytes";
    fails("{{repeat 100000000 \"x\"}}", &format!("t, line 1, column 3: repeat: {size}"));
    fails(
        "{{$x := repeat 60000000 \"x\"}}{{$x}}{{$x}}",
        "t, line 1, column 38: the output is larger than 67108864 bytes",
    );
    fails(
        "{{replace \"\" (repeat 10000 \"x\") (repeat 10000 \"y\")}}",
        &format!("t, line 1, column 3: replace: {size}"),
    );
    fails(
        "{{$x := 1}}{{range 200}}{{$x = list $x}}{{end}}",
        "t, line 1, column 32: more than 100 lists and objects in each other",
    );
    fails(
        "{{regexReplaceAll \"\" (repeat 10000 \"x\") (repeat 10000 \"y\")}}",
        &format!("t, line 1, column 3: regexReplaceAll: {size}"),
    );
    fails(
        "{{$l := splitList \"\" (repeat 10000 \"x\")}}{{join (repeat 10000 \"y\") $l}}",
        &format!("t, line 1, column 44: join: {size}"),
    );
    fails(
        "{{$s := list 1 2 3 4}}{{range splitList \"\" (repeat 28 \"a\")}}{{$s = list $s $s}}{{end}}{{len $s}}",
        &format!("t, line 1, column 68: {steps}"),
    );
    fails(
        "{{$x := repeat 30000000 \"x\"}}{{$l := list $x $x}}{{toJson (list $l $l)}}",
        "t, line 1, column 60: list: the arguments are larger than 67108864 bytes",
    );
    fails(
        "{{$s := list 1}}{{range 16}}{{$s = list $s $s}}{{end}}{{range 1000000}}{{$x := first $s}}{{end}}",
        &format!("t, line 1, column 80: {steps}"),
    );
    fails(
        "{{$s := list 1}}{{range 16}}{{$s = list $s $s}}{{end}}{{$d := dict \"a\" $s}}{{range 1000000}}{{$x := $d.a}}{{end}}",
        &format!("t, line 1, column 101: {steps}"),
    );
    let deep = format!("{}{}", "{{if 1}}".repeat(60), "{{end}}".repeat(60));
    fails(&deep, "t, line 1, column 406: more than 50 blocks or parentheses in each other");
    fails(
        &format!("{{{{{}1{}}}}}", "(".repeat(60), ")".repeat(60)),
        "t, line 1, column 54: more than 50 blocks or parentheses in each other",
    );
}

proptest! {
    #[test]
    fn no_text_makes_reading_or_running_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", " -}}", "{{- ", "if", "else", "end", "range", "with", "define", "template", "\"a\"", ".", ".a",
                "$", "$x", ":=", "=", "|", "(", ")", ",", "1", "-1", "1.5", "print", "index", "slice", "now", "dict", "list",
                " ", "\n", "ü", "'", "`", "\\", "/*", "*/", "block", "break", "substr", "trunc", "printf", "\"%5.2d\"", "date",
            ]),
            0..30,
        )
    ) {
        _ = run(&words.concat());
        _ = run(&format!("{{{{{}}}}}", words.join(" ")));
    }
}
