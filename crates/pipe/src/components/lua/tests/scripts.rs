//! The reference's examples (components-scripting.md §10), and what is refused at load.

use super::*;

fn header(request: &Request, name: &str) -> String {
    let value = request.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_else(|| "none".to_owned())
}

#[tokio::test]
async fn a_script_changes_the_request() {
    let changed = pre(At::Agent, "local r=request.load(); r:headers('x-a',5); r:body(12.5)").await.expect("a request");
    assert_eq!((header(&changed, "X-A").as_str(), &changed.body[..]), ("5", b"12.5".as_slice()));
    let script =
        "local r=request.load() r:method('put') r:url(r:url() .. '&u=1') r:headers('X-A', r:path()) r:body('')";
    let changed = pre(At::Backend, script).await.expect("a request");
    assert_eq!(changed.method.as_str(), "PUT");
    assert_eq!(changed.url.to_string(), "http://h/p?q=1&u=1");
    assert_eq!((header(&changed, "x-a").as_str(), changed.body.len()), ("/p", 0));
}

#[tokio::test]
async fn at_the_agent_method_and_url_are_empty_and_params_and_query_count() {
    let script = "local r=request.load() assert(r:method() == '' and r:url() == '' and r:path() == '')
                  r:method('PUT') r:url('http://x/') r:params('tenant', 'blue') r:query('?z=1&y=2')
                  r:body(table.concat({r:method(), r:url(), r:params('Tenant'), r:params('tenant'), r:query()}, ' '))";
    let changed = pre(At::Agent, script).await.expect("a request");
    assert_eq!(&changed.body[..], b"PUT http://x/ blue blue %3Fz=1&y=2");
    assert_eq!(changed.params.get("Tenant"), Some("blue"));
    assert_eq!(changed.url.to_string(), "http://h/p?q=1");
    assert_eq!(changed.query.len(), 2);
}

#[tokio::test]
async fn headers_are_lists_too() {
    let script = "local r=request.load() local l=luaList.new() l:set(0,'a') l:set(1,'b') r:headerList('x-m', l)
                  local c=r:headers() r:body(c:keys():get(0) .. c:get('X-M'):len() .. r:headerList('X-M'):get(1))
                  c:del('X-M') r:headers('X-Gone', 'x') r:headers('x-gone', nil)";
    let changed = pre(At::Agent, script).await.expect("a request");
    assert_eq!(changed.headers.get_all("x-m").iter().count(), 2);
    assert_eq!((&changed.body[..], header(&changed, "x-gone").as_str()), (b"X-M2b".as_slice(), "none"));
}

/// A script and the words of its failure.
async fn fails(script: &str, expected: &str) {
    let error = pre(At::Backend, script).await.expect_err(script);
    assert_eq!(error, expected, "{script}");
}

#[tokio::test]
async fn an_error_names_script_and_line() {
    fails(
        "\nlocal r=request.load()\nr:body(nil)",
        "bad argument #2 to body (string expected, got nil) (pre-script:L3)",
    )
    .await;
    fails("response.load()", "attempt to index global 'response' (a nil value) (pre-script:L1)").await;
    fails("error('boom')", "boom (pre-script:L1)").await;
    fails("\n\nlocal t = nil; t.x = 1", "attempt to index local 't' (a nil value) (pre-script:L3)").await;
    fails("request.load():headers('a b', 'x')", "\"a b\" is no name of a header (pre-script:L1)").await;
    fails(
        "request.load():headers('x', '\\n')",
        "the value for X has a character that no header may have (pre-script:L1)",
    )
    .await;
    fails("request.load():url('nowhere')", "no URL that can be called: \"nowhere\" (pre-script:L1)").await;
    fails("request.load():headerList()", "need arguments (pre-script:L1)").await;
    fails("request.load():headerList('x', {})", "invalid header value, must be a luaList (pre-script:L1)").await;
    fails(
        "request.load().body()",
        "bad argument #1 to body: it is called with : on another kind of object (error converting Lua missing argument to userdata) (pre-script:L1)",
    )
    .await;
    fails("http_response.new()", "need 1, 3 or 4 arguments (pre-script:L1)").await;
    fails("luaTable.new():get()", "need arguments (pre-script:L1)").await;
}

#[tokio::test]
async fn custom_error_fails_the_event_with_its_status() {
    let cases = [
        ("custom_error('x')", "x", None),
        ("custom_error('{\"m\":1}',422,'application/json')", "{\"m\":1}", Some(422)),
        ("error('boom || 404')", "boom", Some(404)),
        ("custom_error('a || b',404)", "a", Some(500)),
        ("custom_error('',400)", "|| 400 (pre-script:L1)", None),
        ("custom_error('x', '404')", "x", Some(404)),
        (
            "custom_error('x', 'abc')",
            "bad argument #2 to custom_error (number expected, got string) (pre-script:L1)",
            None,
        ),
        ("custom_error()", "need arguments (pre-script:L1)", None),
    ];
    for (script, text, expected) in cases {
        let bench = Bench::new(At::Agent, serde_json::json!({ "pre": script }), "{}");
        let error = bench.run("").await.error.expect(script);
        let PipeError::Script { reason, status, .. } = &error else { panic!("{error:?}") };
        assert_eq!((reason.as_str(), *status), (text, expected), "{script}");
    }
    let caught = value("select(2, pcall(function() custom_error('x', 404) end))").await;
    assert_eq!(caught.as_deref(), Ok("pre-script:1: x || 404"));
    assert!(pre(At::Backend, "pcall(custom_error, 'x', 404)").await.is_ok());
}

#[tokio::test]
async fn errors_are_texts_to_the_script_that_catches_them() {
    let body = "local ok, why = pcall(function() request.load():body(nil) end) return type(why), why";
    let expected = "string,pre-script:1: bad argument #2 to body (string expected, got nil)";
    assert_eq!(evaluated(false, body).await.as_deref(), Ok(expected));
    let handled = "select(2, xpcall(function() luaTable.new():get() end, function(why) return 'H ' .. why end))";
    assert_eq!(value(handled).await.as_deref(), Ok("H pre-script:1: need arguments"));
    assert_eq!(value("pcall(error, {1})").await.map(|text| text.starts_with("false,table: ")), Ok(true));
}

#[tokio::test]
async fn post_changes_the_data() {
    let cases = [
        (
            "d:set('i',d:get('i')+1); d:set('s',nil); d:set('n',luaNil.new()) d:del('arr') d:del('o')",
            r#"{"i":2,"f":1.5,"s":"t","n":null,"b":true}"#,
        ),
        (
            "for _,k in ipairs({'i','f','s','n','b','o'}) do d:del(k) end d:get('arr'):del(0)",
            r#"{"arr":["a",null,{"k":2}]}"#,
        ),
        (
            "local a=d:get('arr') a:set(4,'new') a:set(6,1.0) a:get(3):set('k','v') d:set('arr',a) for _,k in ipairs({'i','f','s','n','b','o'}) do d:del(k) end",
            r#"{"arr":[1,"a",null,{"k":"v"},"new",null,1]}"#,
        ),
        (
            "for i=0,d:keys():len()-1 do d:del(d:keys():get(0)) end d:set('list',{'a','b'}) d:set('map',{y={1,2},z={}}) d:set('e',{})",
            r#"{"list":{"1":"a","2":"b"},"map":{"y":[1,2],"z":null},"e":{}}"#,
        ),
        (
            "for i=0,d:keys():len()-1 do d:del(d:keys():get(0)) end d:set('m',{a={1,nil,3},b={[5]='x',[2]='y'},c={[true]=1}})",
            r#"{"m":{"a":[1,3],"b":["y","x"],"c":{"true":1}}}"#,
        ),
    ];
    for (script, expected) in cases {
        assert_eq!(post(script).await.as_deref(), Ok(expected), "{script}");
    }
    let asked = "error(table.concat({tostring(d:get('n')==nil), tostring(d:get('zz')==nil), tostring(d:keyExists('n')), \
                 d:len(), d:get('arr'):len(), tostring(d:get('arr'):get(9)), d:get('o'):get('z')}, ' '))";
    assert_eq!(post(asked).await, Err("false true true 7 4 nil 9 (post-script:L1)".to_owned()));
    assert_eq!(
        post("d:set('x', 1/0)").await,
        Err("+Inf cannot be in data: JSON has no text for it (post-script:L1)".into())
    );
}

#[tokio::test]
async fn big_numbers_that_no_script_touches_keep_their_digits() {
    let bench = Bench::new(
        At::Backend,
        serde_json::json!({ "post": "local d = response.load():data() d:get('o'):set('x', 'y')" }),
        r#"{"id":12345678901234567890,"o":{"price":1.50}}"#,
    );
    let expected = r#"{"id":12345678901234567890,"o":{"price":1.50,"x":"y"}}"#;
    assert_eq!(finished(bench.run("").await).as_deref(), Ok(expected));
}

#[tokio::test]
async fn skip_next_leaves_the_layer_below_alone() {
    let settings = serde_json::json!({
        "skip_next": true, "post": "local r=response.load() r:data():set('k',1) r:isComplete(true)",
    });
    let bench = Bench::new(At::Agent, settings, DATA);
    let reply = bench.run("").await;
    assert!(reply.is_complete() && bench.seen().is_empty());
    assert_eq!(finished(reply).as_deref(), Ok(r#"{"k":1}"#));
    let alone = Bench::new(At::Agent, serde_json::json!({ "skip_next": true }), DATA).run("").await;
    assert!(!alone.is_complete());
    assert_eq!(finished(alone).as_deref(), Ok("{}"));
}

#[tokio::test]
async fn post_does_not_run_after_a_failure() {
    let lost = Reply { response: Some(Response::empty()), error: Some(PipeError::NoHosts) };
    let bench = Bench::build(At::Agent, r#"{"post": "error('ran')"}"#, lost).map_err(drop).expect("a stage");
    let reply = bench.run("").await;
    assert_eq!(reply.error.map(|error| error.to_string()).as_deref(), Some("no hosts available"));
    assert!(reply.response.is_some());
}

#[tokio::test]
async fn numbers_become_texts_as_in_the_reference() {
    let cases = [
        ("1e15 .. ''", "1000000000000000"),
        ("'at ' .. 1700000000123456 .. ' µs'", "at 1700000000123456 µs"),
        (
            "2^63 .. '|' .. 1234567.5 .. '|' .. 0.1 + 0.2 .. '|' .. 1/0",
            "9.223372036854776e+18|1.2345675e+06|0.30000000000000004|+Inf",
        ),
        ("tostring(1e15)", "1000000000000000"),
        ("table.concat({1e15, 'x', 0.5}, '-')", "1000000000000000-x-0.5"),
        ("string.format('%s %d %5s|%%s %q', 1e15, 7, 'x', 'y')", "1000000000000000 7     x|%s \"y\""),
        ("loadstring('return 1e15 .. select(1, ...)')('x')", "1000000000000000x"),
        (
            "load((function() local n = 0 return function() n = n + 1 return ({'return ', '1e15', ' .. 1'})[n] end end)())()",
            "10000000000000001",
        ),
        ("setmetatable({}, {__concat = function(a, b) return type(a) .. type(b) end}) .. 1", "tablestring"),
        ("('x'):rep(3) .. #'ab'", "xxx2"),
    ];
    for (expression, expected) in cases {
        assert_eq!(value(expression).await.as_deref(), Ok(expected), "{expression}");
    }
}

#[tokio::test]
async fn the_language_is_lua_5_1_with_goto() {
    let chunk = "local n = 0 ::again:: n = n + 1 if n < 5 then goto again end return n, _VERSION, unpack({1, 2})";
    assert_eq!(evaluated(false, chunk).await.as_deref(), Ok("5,Lua 5.1,1,2"));
    let environments = "local function f() return Z end setfenv(f, {Z = 5}) Z = 1 \
                        local own = getfenv() == getfenv(1) and getfenv(0) == _G and getfenv(f).Z \
                        setfenv(1, {f = f, own = own}) return f(), own, Z";
    assert_eq!(evaluated(false, environments).await.as_deref(), Ok("5,5,nil"));
    let absent = "return string, math, os, io, coroutine, debug, ffi, bit, jit";
    assert_eq!(evaluated(false, absent).await.as_deref(), Ok("nil,nil,nil,nil,nil,nil,nil,nil,nil"));
    assert!(evaluated(false, "return ('x'):len()").await.is_err());
    assert_eq!(
        value("('abc'):len(), ('%d'):format(3), math.floor(2.5), os.time() > 0").await.as_deref(),
        Ok("3,3,2,true")
    );
    assert!(
        value("collectgarbage('count')").await.is_ok_and(|count| count.parse::<f64>().is_ok_and(|count| count > 10.0))
    );
}

#[tokio::test]
async fn json_is_read_and_written() {
    let cases = [
        ("json.decode('{\"a\":[1,{\"b\":\"x\"}]}'):get('a'):get(1):get('b')", "x"),
        ("json.encode({1, 2, {a = 'b', c = {}}})", r#"[1,2,{"a":"b","c":null}]"#),
        ("json.encode({})", "{}"),
        ("json.encode(json.decode('{\"n\":12345678901234567890}'))", r#"{"n":12345678901234567890}"#),
        ("json.encode(nil)", "null"),
        ("json.decode('7') + 1", "8"),
    ];
    for (expression, expected) in cases {
        assert_eq!(value(expression).await.as_deref(), Ok(expected), "{expression}");
    }
    let wrong = value("json.decode('{')").await.expect_err("no JSON");
    assert!(wrong.starts_with("json.decode: unexpected EOF"), "{wrong}");
}

#[tokio::test]
async fn modules_are_files_of_the_events_world() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("one.lua"), "LOADED = (LOADED or 0) + 1 return { name = 'one ' .. LOADED }")
        .expect("written");
    let path = folder.path().join("?.lua");
    let chunk = format!(
        "package.path = '{}' local one = require('one') assert(require('one') == one) \
         return one.name, pcall(require, 'two')",
        path.display()
    );
    for _ in 0..2 {
        let loaded = evaluated(true, &chunk).await.expect("a module");
        assert!(loaded.starts_with("one 1,false,") && loaded.contains("module 'two' not found"), "{loaded}");
    }
}

#[tokio::test]
async fn a_script_calls_a_server_while_other_events_go_on() {
    let server = crate::server::Server::answering(&[("/side", "side reply")]).await;
    let script = format!(
        "local h=http_response.new('{}/side','POST','{{\"a\":1}}',{{['x-foo']='bar',multi={{'a','b'}},n=5}})
         request.load():body(h:statusCode() .. ' ' .. h:body() .. h:headers('x-none')) h:close()
         local ok, why = pcall(h.body, h) assert(why:find('closed'), why)",
        server.url()
    );
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": script, "allow_open_libs": true }), "{}");
    let replies = futures_util::future::join_all((0..3).map(|_| bench.run("{}"))).await;
    assert!(replies.iter().all(|reply| reply.error.is_none()), "{replies:?}");
    assert!(bench.seen().iter().all(|seen| &seen.body[..] == b"200 side reply"));
    let calls = server.seen();
    assert_eq!((calls.len(), calls[0].method.as_str(), calls[0].body.as_str()), (3, "POST", r#"{"a":1}"#));
    let multi = calls[0].headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("multi")).count();
    assert_eq!((calls[0].header("x-foo"), calls[0].header("n"), multi), (Some("bar"), None, 2));
}

#[track_caller]
fn refused(settings: &str, path: &str, message: &str) {
    let problems = Bench::build(At::Agent, settings, Reply::default()).err().expect(settings);
    let said: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.message.as_str())).collect();
    assert!(said.iter().any(|(at, said)| *at == path && said.contains(message)), "{settings}: {said:?}");
}

#[test]
fn what_cannot_work_is_refused_at_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (good, bad) = (file("good.lua", "x = 1\n"), file("bad.lua", "x = 1\nlokal a = 1\n"));
    refused(r#"{"pre": "x = 1\nlokal a = 1"}"#, "b.pre", "pre-script:2: '=' expected near 'a'");
    refused(r#"{"post": "if true then"}"#, "b.post", "post-script:1: 'end' expected near '<eof>'");
    refused(r#"{"pre": 5}"#, "b.pre", "invalid type");
    refused(r#""local x = 1""#, "b", "invalid type");
    refused(r#"{"sources": ["nowhere.lua"]}"#, "b.sources[0]", "nowhere.lua: No such file");
    refused(r#"{"sources": ["nowhere.lua"], "live": true}"#, "b.sources[0]", "nowhere.lua: No such file");
    let sources = |md5: &str| format!(r#"{{"sources": ["{good}"], "md5": {md5}}}"#);
    refused(&format!(r#"{{"sources": ["{good}", "{bad}"]}}"#), "b.sources[1]", "bad.lua:2: '=' expected near 'a'");
    refused(&sources(r#"{"other": "0"}"#), "b.md5.other", "is none of the sources");
    refused(&sources(&format!(r#"{{"{good}": "00"}}"#)), &format!("b.md5.{good}"), "have: 3253b41059cac6e9");
    let (ends, begins) = (file("ends.lua", "local M = {}\nreturn M\n"), file("begins.lua", "\nfunction f() end\n"));
    let together = "begins.lua:2: '<eof>' expected near 'function'; all sources are one chunk: only the last";
    refused(&format!(r#"{{"sources": ["{ends}", "{begins}"]}}"#), "b.sources[1]", together);
    let live = format!(r#"{{"sources": ["{good}"], "md5": {{"{good}": "00"}}, "live": true}}"#);
    refused(&live, "b.md5", "cannot be kept beside live");
}

#[tokio::test]
async fn an_error_in_a_source_names_the_file_and_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one.lua"), folder.path().join("two.lua"));
    std::fs::write(&one, "local limit = 3\n\n").expect("written");
    std::fs::write(&two, "function check(n)\n  if n > limit then error('too many') end\nend\n").expect("written");
    let settings = |live: bool| serde_json::json!({ "sources": [one, two], "pre": "\n\ncheck(4)", "live": live });
    for live in [false, true] {
        let bench = Bench::new(At::Agent, settings(live), "{}");
        let error = bench.run("").await.error.expect("too many").to_string();
        assert_eq!(error, "too many (two.lua:L2)");
    }
}

#[tokio::test]
async fn marks_at_the_beginning_of_sources_are_no_lua() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["one.lua", "two.lua", "three.lua"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], "\u{feff}A = 1\n").expect("written");
    std::fs::write(&paths[1], "#!/usr/bin/lua\nB = 2\n").expect("written");
    std::fs::write(&paths[2], "\u{feff}#!/usr/bin/lua\nreturn 'three' .. B").expect("written");
    let pre = format!("request.load():body(A .. B .. dofile('{}')) error('end')", paths[2].display());
    let bench =
        Bench::new(At::Agent, serde_json::json!({ "sources": paths[..2], "pre": "request.load():body(A .. B)" }), "{}");
    bench.run("").await;
    assert_eq!(bench.seen()[0].body, "12");
    let bench = Bench::new(At::Agent, serde_json::json!({ "sources": paths[..2], "pre": pre }), "{}");
    assert_eq!(bench.run("").await.error.map(|error| error.to_string()).as_deref(), Some("end (pre-script:L1)"));
    std::fs::write(&paths[1], "#!/usr/bin/lua\nerror('two')\n").expect("written");
    let bench = Bench::new(At::Agent, serde_json::json!({ "sources": paths[..2] }), "{}");
    assert_eq!(bench.run("").await.error.map(|error| error.to_string()).as_deref(), Some("two (two.lua:L2)"));
}

#[tokio::test]
async fn scripts_have_no_arguments() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one.lua");
    std::fs::write(&path, "SEEN = select('#', ...) .. ''").expect("written");
    for pre in ["x = 'a' .. SEEN y = select('#', ...)", "y = select('#', ...)"] {
        let pre = format!("{pre} request.load():body(SEEN .. y)");
        let settings =
            serde_json::json!({ "sources": [path], "pre": pre, "post": "assert(select('#', ...) .. 'x' == '0x')" });
        let bench = Bench::new(At::Agent, settings, "{}");
        assert!(bench.run("").await.error.is_none());
        assert_eq!(bench.seen()[0].body, "00");
    }
}

#[tokio::test]
async fn a_call_within_a_callback_is_an_error_that_leaves_nothing_behind() {
    let call = "http_response.new('http://127.0.0.1:9/')";
    let words =
        "http_response cannot be used inside a function that is given to table.sort or string.gsub (pre-script:L1)";
    fails(&format!("table.sort({{2, 1}}, function() {call} end)"), words).await;
    let left = format!("pcall(table.sort, {{2, 1}}, function() {call} end) coroutine.yield()");
    let settings = serde_json::json!({ "pre": left, "allow_open_libs": true });
    let error = Bench::new(At::Agent, settings, "{}").run("").await.error.expect("nothing to wait for");
    assert_eq!(error.to_string(), "attempt to yield from outside a coroutine");
}

#[tokio::test]
async fn live_sources_are_read_for_each_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("live.lua");
    std::fs::write(&path, "NAME = 'old'").expect("written");
    let settings = serde_json::json!({ "sources": [path], "pre": "request.load():body(NAME)", "live": true });
    let bench = Bench::new(At::Agent, settings, "{}");
    bench.run("").await;
    std::fs::write(&path, "NAME = 'new'").expect("written");
    bench.run("").await;
    std::fs::write(&path, "NAME =").expect("written");
    let wrong = bench.run("").await.error.expect("no Lua").to_string();
    std::fs::remove_file(&path).expect("removed");
    let missing = bench.run("").await.error.expect("no file").to_string();
    let bodies: Vec<_> = bench.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, ["old", "new"]);
    assert!(wrong.contains("unexpected symbol near '<eof>'") && wrong.contains("live.lua:L1"), "{wrong}");
    assert!(missing.starts_with("lua: unable to load required source "), "{missing}");
}
