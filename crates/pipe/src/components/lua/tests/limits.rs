//! A script that does not end, takes too much, or breaks out, fails its event and nothing else.

use super::*;

/// The error of a script; the next event must be served all the same.
async fn failing(script: &str) -> PipeError {
    let pre = format!("if request.load():body() == 'bad' then {script} end");
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": pre, "allow_open_libs": true }), "{}");
    let error = bench.run("bad").await.error.expect(script);
    assert!(bench.run("good").await.error.is_none(), "{script}");
    error
}

#[tokio::test]
async fn a_script_is_stopped_after_so_many_instructions() {
    let endless = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() while true do end end, print) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "coroutine.wrap(function() while true do end end)()",
        "repeat until not pcall(string.rep, 'x', 1)",
        "table.sort({3, 2, 1}, function() while true do end end)",
    ];
    for script in endless {
        let error = failing(script).await.to_string();
        assert_eq!(error, "the script was stopped after 100000000 instructions (pre-script:L1)", "{script}");
    }
}

#[tokio::test]
async fn a_script_is_stopped_at_the_events_deadline() {
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": "while true do end" }), "{}");
    let error = bench.run_until("", Instant::now()).await.error.expect("a failure");
    assert_eq!(error.kind(), crate::error::FailureKind::Timeout);
    assert_eq!(error.to_string(), "context deadline exceeded (pre-script:L1)");
}

#[tokio::test]
async fn memory_is_limited() {
    let greedy = [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "local s = string.rep('x', 2^30)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
    ];
    for script in greedy {
        let error = failing(script).await.to_string();
        let expected = [
            "needs more than 201326592 bytes",
            "not enough memory",
            "string length overflow",
            "resulting string too large",
        ];
        assert!(expected.iter().any(|words| error.contains(words)), "{script}: {error}");
    }
}

#[tokio::test]
async fn data_outside_of_the_state_is_limited_too() {
    let greedy = [
        "luaList.new():set(1e9, 1)",
        "local l = luaList.new() local s = ('x'):rep(1e6) for i = 0, 999 do l:set(i, s) end",
        "local t = luaTable.new() for i = 1, 60 do local n = luaTable.new() n:set('a', t) n:set('b', t) t = n end json.encode(t)",
    ];
    for script in greedy {
        let error = failing(script).await.to_string();
        assert!(error.contains("adds more than 67108864 bytes to the data (pre-script:L1)"), "{script}: {error}");
    }
    let within = failing("local t = {} t.t = t luaTable.new():set('t', t)").await.to_string();
    assert!(within.contains("a table nests deeper than 100 levels"), "{within}");
    let itself = failing("local t = luaTable.new() t:set('t', t)").await.to_string();
    assert_eq!(itself, "data cannot contain itself (pre-script:L1)");
}

#[tokio::test]
async fn what_is_decoded_and_looked_into_is_limited() {
    let decoded = "local s = '[' .. ('1,'):rep(1e6) .. '1]' for i = 1, 100 do json.decode(s) end";
    let error = failing(decoded).await.to_string();
    assert_eq!(
        error,
        "the script decodes and fetches more than 268435456 bytes; close each http_response after use (pre-script:L1)"
    );
    let headers = "local r, v = request.load(), ('x'):rep(1e6) for i = 1, 100 do r:headers('x-' .. i, v) end";
    let params = "local r, v = request.load(), ('x'):rep(1e6) for i = 1, 100 do r:params('x' .. i, v) end";
    for script in [headers, params] {
        let error = failing(script).await.to_string();
        assert!(error.contains("adds more than 67108864 bytes"), "{script}: {error}");
    }
    let listed = "local r = request.load() r:headers('x', ('x'):rep(4e6)) for i = 1, 100 do r:headers() end";
    let named = "local t = luaTable.new() t:set(('x'):rep(4e6), 1) for i = 1, 100 do t:keys() end";
    for script in [listed, named] {
        let error = failing(script).await.to_string();
        assert!(error.contains("decodes and fetches more than"), "{script}: {error}");
    }
}

#[tokio::test]
async fn replies_are_limited_until_they_are_closed() {
    let body: &'static str = Box::leak("x".repeat(16 << 20).into_boxed_str());
    let server = crate::server::Server::answering(&[("/large", body)]).await;
    let calls =
        |closed: &str| format!("for i = 1, 18 do local h = http_response.new('{}/large') {closed} end", server.url());
    let error = failing(&calls("")).await.to_string();
    assert!(error.contains("decodes and fetches more than 268435456 bytes"), "{error}");
    let bench = Bench::new(At::Agent, serde_json::json!({ "pre": calls("h:close()") }), "{}");
    assert!(bench.run("").await.error.is_none());
}

#[tokio::test]
async fn a_file_without_end_is_not_read() {
    let loaded = evaluated(false, "return loadfile('/dev/zero')").await;
    assert_eq!(loaded.as_deref(), Ok("nil,cannot open /dev/zero: larger than 16777216 bytes"));
}

/// Calls that take few instructions, however long they take: the clock must be looked at in each of them.
#[tokio::test]
async fn each_call_looks_at_the_clock() {
    let calls = [
        "json.decode('1')",
        "json.encode(1)",
        "luaTable.new()",
        "request.load():headers('x')",
        "string.rep('x', 3)",
        "string.find('x', 'y')",
        "string.match('x', 'y')",
        "string.gmatch('x', 'y')",
        "string.gsub('x', 'y', 'z')",
        "string.format('%d', 1)",
        "table.concat({'x', 'y'})",
        "table.sort({2, 1})",
        "table.insert({2, 1}, 1, 0)",
        "loadfile('nowhere')",
    ];
    for call in calls {
        let settings = serde_json::json!({ "pre": call, "allow_open_libs": true });
        let error = Bench::new(At::Agent, settings, "{}").run_until("", Instant::now()).await.error.expect(call);
        assert_eq!(error.to_string(), "context deadline exceeded (pre-script:L1)", "{call}");
    }
}

#[tokio::test]
async fn what_calls_handle_counts_as_instructions() {
    let long = [
        "local d = json.decode('[\"' .. ('x'):rep(4e6) .. '\"]') for i = 1, 101 do json.encode(d) end",
        "for i = 1, 101 do string.rep('x', 4e6) end",
        "local s = ('x'):rep(4e6) for i = 1, 101 do string.gsub(s, '^y', '') end",
        "local s = ('x'):rep(4e6) for i = 1, 101 do s:upper() end",
    ];
    for script in long {
        let error = failing(script).await.to_string();
        assert_eq!(error, "the script was stopped after 100000000 instructions (pre-script:L1)", "{script}");
    }
}

#[tokio::test]
async fn so_many_headers_are_an_error() {
    let many = [
        "for i = 1, 40000 do request.load():headers('x-' .. i, '1') end",
        "local l = luaList.new() for i = 0, 40000 do l:set(i, 'v') end request.load():headerList('x', l)",
        "local t = {} for i = 1, 40000 do t[i] = 'v' end http_response.new('http://127.0.0.1:9/', 'GET', '', {x = t})",
        "local t = {} for i = 1, 40000 do t['x-' .. i] = 'v' end http_response.new('http://127.0.0.1:9/', 'GET', '', t)",
    ];
    for script in many {
        assert_eq!(failing(script).await.to_string(), "more than 10000 headers (pre-script:L1)", "{script}");
    }
    let same = "local r = request.load() for i = 1, 20000 do r:headers('x', i) end return r:headers('x')";
    assert_eq!(evaluated(false, same).await.as_deref(), Ok("20000"));
}

#[tokio::test]
async fn a_wide_table_is_not_searched_from_its_beginning() {
    let chunk = "local t = luaTable.new() for i = 1, 200000 do t:set('k' .. i, i) end
                 for i = 1, 200000 do if t:get('k' .. i) ~= i or not t:keyExists('k' .. i) then return i end end
                 for i = 1, 199999 do t:del('k' .. i) end return t:len(), json.encode(t)";
    assert_eq!(evaluated(false, chunk).await.as_deref(), Ok(r#"1,{"k200000":200000}"#));
}

#[tokio::test]
async fn recursion_without_end_is_an_error() {
    let deep = [
        "local function f() return 1 + f() end f()",
        "local function f() return (string.gsub('x', 'x', f)) end f()",
        "local function f() return (string.gsub('x', 'x', setmetatable({}, {__index = f}))) end f()",
        "local function f() return string.format('%s', setmetatable({}, {__tostring = f})) end f()",
        "local function f() table.sort({2, 1}, f) end f()",
        "local function f() assert(coroutine.resume(coroutine.create(f))) end f()",
        "local function f() pcall(f) error('x') end f()",
        "local function f() return coroutine.wrap(f)() end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = tostring tostring(t)",
    ];
    for script in deep {
        failing(script).await;
    }
    let script = "local function f() return coroutine.wrap(f)() end f()";
    assert_eq!(failing(script).await.to_string(), "stack overflow (pre-script:L1)");
}

#[tokio::test]
async fn what_would_leave_the_state_is_not_there() {
    let absent =
        ["ffi", "bit", "jit", "newproxy", "debug.getregistry", "debug.sethook", "string.dump", "package.loadlib"];
    for name in absent {
        assert_eq!(value(name).await.as_deref(), Ok("nil"), "{name}");
    }
    for refused in ["os.exit(1)", "os.execute('true')", "io.popen('true')", "io.write('x')", "os.setlocale('C')"] {
        let error = failing(refused).await.to_string();
        let words = "this function of the standard library is not there in scripts of siphon (pre-script:L1)";
        assert_eq!(error, words, "{refused}");
    }
    assert!(failing("require('ffi')").await.to_string().contains("module 'ffi' not found"));
    assert!(failing("assert(loadstring('\\27LJ\\2'))").await.to_string().contains("attempt to load"), "compiled code");
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_behind() {
    let settings = serde_json::json!({ "pre": "http_response.new('http://127.0.0.1:9/', 'POST', 'x')" });
    let bench = Bench::new(At::Agent, settings, "{}");
    assert!(futures_util::FutureExt::now_or_never(bench.run("first")).is_none());
    let error = bench.run("second").await.error.expect("nobody listens there").to_string();
    assert!(
        error.contains(
            "Post \"http://127.0.0.1:9/\": dial tcp 127.0.0.1:9: connect: connection refused (pre-script:L1)"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn failed_calls_do_not_count_as_deep_ones() {
    let chunk = "for i = 1, 1000 do pcall(string.gsub, 'x', 'x', function() error('no') end)
                 coroutine.resume(coroutine.create(function() string.gsub('x', 'x', error) end)) end
                 local sum = 0 for value in coroutine.wrap(function() for i = 1, 300 do coroutine.yield(i) end end) do sum = sum + value end
                 return (string.gsub('abc', '%w', function(letter) return letter .. 1 end)), sum";
    assert_eq!(evaluated(true, chunk).await.as_deref(), Ok("a1b1c1,45150"));
}
