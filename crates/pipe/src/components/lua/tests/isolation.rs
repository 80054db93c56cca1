//! Nothing of an event is there for the next one, whatever the script does to keep it.

use super::*;

/// Runs `keep` for a first event and `find` for later ones in the same state: `find` must return nothing but `false`
/// and `nil`.
async fn check(keep: &str, find: &str) {
    let pre = format!(
        "local r, pcall, tostring = request.load(), pcall, tostring
         if r:body() == 'first' then r:body(tostring(pcall(function() {keep} end)))
         else local okay, found = pcall(function() {find} end) r:body(tostring(okay and found)) end"
    );
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": pre, "allow_open_libs": true }), "{}");
    for event in ["first", "second", "third"] {
        let reply = bench.run(event).await;
        assert!(reply.error.is_none(), "{keep}: {:?}", reply.error);
    }
    let found: Vec<_> =
        bench.seen().iter().skip(1).map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    assert!(found.iter().all(|found| ["nil", "false"].contains(&found.as_str())), "{keep}: {find}: {found:?}");
}

#[tokio::test]
async fn globals_do_not_survive() {
    check("X = 1", "return X").await;
    check("_G.X = 1", "return _G.X").await;
    check("rawset(_G, 'X', 1)", "return rawget(_G, 'X')").await;
    check("getfenv(0).X = 1", "return getfenv(0).X").await;
    check("for level = 1, 9 do pcall(function() getfenv(level).X = 1 end) end", "return X or getfenv(0).X").await;
    check("setfenv(0, {X = 1})", "return X or getfenv(0).X").await;
    check("loadstring('X = 1')()", "return loadstring('return X')()").await;
    check("coroutine.wrap(function() getfenv(0).X = 1 end)()", "return X").await;
    check("tostring = 5", "return type(tostring) ~= 'function'").await;
    check("request = nil custom_error = nil", "return request == nil or custom_error == nil").await;
    check("setmetatable(_G, {__index = function() return 1 end})", "return rawget(_G, 'X') or getmetatable(_G)").await;
}

#[tokio::test]
async fn libraries_do_not_change() {
    for library in
        ["string", "table", "math", "os", "io", "coroutine", "debug", "package", "luaTable", "json", "request"]
    {
        check(&format!("{library}.X = 1"), &format!("return {library}.X")).await;
        check(&format!("{library} = nil"), &format!("return {library} == nil")).await;
        let metatable = format!("return getmetatable({library})");
        check(&format!("setmetatable({library}, {{__index = function() return 1 end}})"), &metatable).await;
    }
    check("table.concat = nil string.len = nil", "return table.concat == nil or string.len == nil").await;
    check("package.loaded.x = 1 package.preload.x = 1", "return package.loaded.x or package.preload.x").await;
    check("package.path = 'evil'", "return package.path == 'evil'").await;
    check("module('x', package.seeall)", "return x or package.loaded.x").await;
}

#[tokio::test]
async fn metatables_of_what_all_share_are_out_of_reach() {
    check("getmetatable('').__index.X = 1", "return ('').X").await;
    check("string.X = 1", "return ('').X").await;
    check("string.upper = function() return 'evil' end", "return ('x'):upper() == 'evil'").await;
    check("getmetatable('').__index = nil", "return ('x').len == nil").await;
    for shared in ["request.load()", "luaTable.new()", "luaList.new()", "luaNil.new()", "io.tmpfile()"] {
        check(&format!("getmetatable({shared}).X = 1"), &format!("return getmetatable({shared})")).await;
        check(&format!("getmetatable({shared}).__index = {{X = 1}}"), &format!("return ({shared}).X")).await;
        check(&format!("({shared}).X = 1"), &format!("return ({shared}).X")).await;
        check(&format!("({shared}).__index.X = 1"), &format!("return ({shared}).X")).await;
        check(&format!("setmetatable({shared}, {{X = 1}})"), &format!("return getmetatable({shared})")).await;
    }
}

#[tokio::test]
async fn environments_of_shared_functions_are_the_events_own() {
    let shared = [
        "print",
        "pcall",
        "xpcall",
        "tostring",
        "require",
        "dofile",
        "load",
        "module",
        "custom_error",
        "error",
        "next",
        "http_response.new",
        "request.load",
        "luaTable.new",
        "table.concat",
        "table.sort",
        "string.format",
        "string.len",
        "io.write",
        "io.open",
        "coroutine.resume",
        "coroutine.wrap",
        "collectgarbage",
        "math.random",
        "json.decode",
        "package.seeall",
        "request.load().body",
    ];
    for function in shared {
        check(&format!("getfenv({function}).X = 1"), &format!("return X or getfenv({function}).X")).await;
        check(&format!("setfenv({function}, {{X = 1}})"), &format!("return getfenv({function}).X")).await;
    }
    check("getfenv(coroutine.wrap(print)).X = 1", "return X or getfenv(coroutine.wrap(print)).X").await;
    check("Y = getfenv(coroutine.wrap(print))", "return getfenv(coroutine.wrap(print)) ~= getfenv(1)").await;
    check("pcall(pcall, function() for l = 1, 9 do getfenv(l).X = 1 end end)", "return X").await;
    check("table.sort({2, 1}, function(a, b) for l = 1, 9 do getfenv(l).X = 1 end return a < b end)", "return X").await;
}

#[tokio::test]
async fn the_generator_of_random_numbers_is_the_events_own() {
    let pre = "local r = request.load() if r:body() == 'first' then math.randomseed(7) end \
               r:body(math.random(1, 2^40) .. '')";
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": pre, "allow_open_libs": true }), "{}");
    for event in ["first", "second", "third", "first"] {
        bench.run(event).await;
    }
    let numbers: Vec<_> = bench.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(numbers[0], numbers[3]);
    assert!(numbers[1] != numbers[2] && numbers[0] != numbers[1], "{numbers:?}");
}

#[tokio::test]
async fn a_world_lasts_from_the_sources_to_post() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("lib.lua");
    std::fs::write(&source, "COUNT = (COUNT or 0) + 1\nlocal hidden = 1\nfunction bump() COUNT = COUNT + 10 end\n")
        .expect("written");
    let settings = serde_json::json!({
        "sources": [source], "pre": "bump() request = nil local mine = 1",
        "post": "response.load():data():set('count', COUNT) assert(request and not hidden and not mine)",
    });
    let bench = Bench::new(At::Backend, settings, "{}");
    for _ in 0..3 {
        assert_eq!(finished(bench.run("").await).as_deref(), Ok(r#"{"count":11}"#));
    }
}

#[tokio::test]
async fn events_at_the_same_time_have_states_of_their_own() {
    let settings = serde_json::json!({
        "pre": "BODY = request.load():body()",
        "post": "response.load():data():set('body', BODY)",
    });
    let bench = Bench::new(At::Backend, settings, "{}");
    let (one, two) = futures_util::future::join(bench.run("one"), bench.run("two")).await;
    assert_eq!(finished(one).as_deref(), Ok(r#"{"body":"one"}"#));
    assert_eq!(finished(two).as_deref(), Ok(r#"{"body":"two"}"#));
}
