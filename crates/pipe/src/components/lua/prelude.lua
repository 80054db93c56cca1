-- The world of a script: makes a fresh one for each event, out of what the state has.
--
-- Takes the functions of our side and whether all libraries are wanted; gives `begin(sources, pre)` and `finish(post)`.
-- Whatever a script can reach is made anew for each event or cannot be changed.

local natives, with_all = ...

local base = {
  assert = assert, error = error, getfenv = getfenv, getmetatable = getmetatable, ipairs = ipairs, load = load,
  loadstring = loadstring, next = next, pairs = pairs, pcall = pcall, rawequal = rawequal, rawget = rawget,
  rawset = rawset, select = select, setfenv = setfenv, setmetatable = setmetatable, tonumber = tonumber,
  tostring = tostring, type = type, unpack = unpack, xpcall = xpcall,
}
local error, getfenv, loadstring, pcall, rawget, select = error, getfenv, loadstring, pcall, rawget, select
local setfenv, setmetatable, tostring, type, unpack, xpcall = setfenv, setmetatable, tostring, type, unpack, xpcall
local coroutine, io, math, os, string, table = coroutine, io, math, os, string, table
local concat, find, format, gmatch = table.concat, string.find, string.format, string.gmatch
local gsub, sort = string.gsub, table.sort
local create, resume = coroutine.create, coroutine.resume
local running, yield = coroutine.running, coroutine.yield
local caught, number_text, read, rewritten = natives.caught, natives.number_text, natives.read, natives.rewritten
local look, rawlen = natives.look, string.len
local insert, max, rep, tonumber = table.insert, math.max, string.rep, base.tonumber

-- What texts and files have in common for all scripts is out of their reach.
local of_strings = base.getmetatable("")
of_strings.__metatable = false
if io then
  local of_files = base.getmetatable(io.stdout)
  local methods = {
    close = of_files.close, flush = of_files.flush, lines = of_files.lines, read = of_files.read,
    seek = of_files.seek, setvbuf = of_files.setvbuf, write = of_files.write,
  }
  of_files.__metatable = false
  of_files.__index = function(_, name) return methods[name] end
end

local world    -- that of the event
local package  -- its own
local script   -- the thread that runs `pre` or `post`

local own = {} -- our functions in Lua
local function ours(one)
  own[#own + 1] = one
  return one
end

local missing = ours(function()
  error("this function of the standard library is not there in scripts of siphon", 2)
end)

-- Calls of C that call back into Lua, one within the other. Each takes kilobytes of a stack that Lua does not watch.
local nested
local NESTED_LIMIT = 100

local function deeper()
  if nested >= NESTED_LIMIT then error("stack overflow", 3) end
  nested = nested + 1
end
local function back(before, ...)
  nested = before
  return ...
end

-- Errors of ours are texts to those who catch them; the end of a script cannot be caught.
local checked = ours(function(before, okay, ...)
  nested = before
  if okay then return okay, ... end
  return okay, caught((...))
end)
local safe_pcall = ours(function(f, ...) return checked(nested, pcall(f, ...)) end)
local safe_xpcall = ours(function(f, handler)
  return checked(nested, xpcall(f, function(reason) return handler(caught(reason)) end))
end)
local safe_resume = ours(function(thread, ...)
  deeper()
  return checked(nested - 1, resume(thread, ...))
end)
local function unwrapped(before, okay, ...)
  nested = before
  if okay then return ... end
  error((...), 0)
end
local wrapped = ours(function(f)
  local thread = create(f)
  return setfenv(function(...)
    deeper()
    return unwrapped(nested - 1, resume(thread, ...))
  end, world)
end)

-- Our functions have the event's world as their environment only where somebody looks: that takes longer than the
-- world itself. The last call is a tail call, so that levels count from the caller.
local is_shown
local function show()
  if is_shown then return end
  is_shown = true
  for at = 1, #own do setfenv(own[at], world) end
end
local shown_getfenv = ours(function(...)
  show()
  return getfenv(...)
end)
local shown_setfenv = ours(function(...)
  show()
  return setfenv(...)
end)

local text_of = ours(function(...)
  if type((...)) == "number" then return number_text((...)) end
  return tostring(...)
end)
local print = ours(function(...)
  local texts = {}
  for at = 1, select("#", ...) do texts[at] = text_of((select(at, ...))) end
  natives.printed(concat(texts, "\t"))
end)

-- Texts only: what is compiled already could do anything.
local function compiled(text, name)
  local anew = rewritten(text)
  local chunk, reason = loadstring(text, name, "t")
  if not chunk then return nil, reason end
  if anew then return loadstring(anew, name, "t")(number_text) end
  return chunk
end
local load_text = ours(function(text, name)
  if type(text) ~= "string" then error("bad argument #1 to loadstring (string expected, got " .. type(text) .. ")", 2) end
  return compiled(text, name or text)
end)
local load_pieces = ours(function(piece, name)
  if type(piece) == "string" then return compiled(piece, name or piece) end
  local pieces = {}
  while true do
    local text = piece()
    if text == nil or text == "" then return compiled(concat(pieces), name or "=(load)") end
    pieces[#pieces + 1] = text
  end
end)
local load_file = ours(function(path)
  local text, reason = read(path)
  if not text then return nil, reason end
  return compiled(text, "@" .. path)
end)
local do_file = ours(function(path)
  local chunk, reason = load_file(path)
  if not chunk then error(reason, 2) end
  return chunk()
end)

local function searched(name)
  local file, tried = (gsub(name, "%.", "/")), {}
  for template in gmatch(package.path, "[^;]+") do
    local path = gsub(template, "%?", (gsub(file, "%%", "%%%%")))
    local text, reason = read(path)
    if text then
      local chunk, wrong = compiled(text, "@" .. path)
      if not chunk then error("error loading module '" .. name .. "': " .. wrong, 3) end
      return chunk
    end
    tried[#tried + 1] = reason
  end
  error("module '" .. name .. "' not found: " .. concat(tried, "; "), 3)
end
local require = ours(function(name)
  local found = package.loaded[name]
  if found ~= nil then return found end
  local chunk = package.preload[name] or searched(name)
  local result = chunk(name)
  if result ~= nil then package.loaded[name] = result end
  if package.loaded[name] == nil then package.loaded[name] = true end
  return package.loaded[name]
end)
local module = ours(function(name, ...)
  local made = package.loaded[name] or rawget(world, name) or {}
  package.loaded[name], world[name] = made, made
  made._M, made._NAME = made, name
  for at = 1, select("#", ...) do (select(at, ...))(made) end
  setfenv(2, made)
end)
local seeall = ours(function(made) setmetatable(made, { __index = world }) end)

local collect = ours(function(what)
  if what == "count" then return natives.used() end
  return 0
end)

-- Functions of C have no instructions that could be counted: how much they handle counts, or that they look at the clock.
local function size(text)
  return type(text) == "string" and rawlen(text) or 0
end
local repeated = ours(function(text, count)
  look(size(text) * max(tonumber(count) or 0, 0))
  return rep(text, count)
end)
local LONG = 65536
local function whole(f)
  return ours(function(text)
    if size(text) >= LONG then look(rawlen(text)) end
    return f(text)
  end)
end
-- Those that may end early, or give a small part.
local function partly(f)
  return ours(function(text, ...)
    if size(text) >= LONG then look(0) end
    return f(text, ...)
  end)
end
-- A pattern may take long on a short text, too.
local function searching(f)
  return ours(function(...)
    look(0)
    return f(...)
  end)
end
local found, matched, matches = searching(find), searching(string.match), searching(gmatch)
local lower, reverse, upper = whole(string.lower), whole(string.reverse), whole(string.upper)
local part = partly(string.sub)
local inserted = ours(function(list, ...)
  if select("#", ...) > 1 and type(list) == "table" then look(#list) end
  return insert(list, ...)
end)

local joined = ours(function(list, between, first, last)
  look(0)
  between = between and number_text(between)
  if type(list) ~= "table" then return concat(list, between, first, last) end
  first, last = first or 1, last or #list
  for at = first, last do
    if type(list[at]) == "number" then
      local texts = {}
      for each = first, last do texts[each] = number_text(list[each]) end
      return concat(texts, between, first, last)
    end
  end
  return concat(list, between, first, last)
end)
local formatted = ours(function(pattern, ...)
  look(size(pattern))
  if type(pattern) ~= "string" or not find(pattern, "s", 1, true) then return format(pattern, ...) end
  local values, count, at = { ... }, select("#", ...), 0
  for kind in gmatch(pattern, "%%[-+ #0-9.]*(.)") do
    if kind ~= "%" then
      at = at + 1
      if kind == "s" and at <= count then values[at] = text_of(values[at]) end
    end
  end
  return format(pattern, unpack(values, 1, count))
end)
local replaced = ours(function(text, pattern, by, most)
  look(size(text))
  if type(by) ~= "function" and type(by) ~= "table" then return gsub(text, pattern, by, most) end
  deeper()
  return back(nested - 1, gsub(text, pattern, by, most))
end)
local sorted = ours(function(list, before)
  if type(list) == "table" then look(#list * 64) end
  deeper()
  return back(nested - 1, sort(list, before))
end)

local custom_error = ours(function(...) error(natives.custom(...), 2) end)
local call = ours(function(...)
  if running() ~= script then error("http_response cannot be used within a coroutine", 2) end
  natives.start_call(...)
  if not pcall(yield) then
    natives.drop_call()
    error("http_response cannot be used inside a function that is given to table.sort or string.gsub", 2)
  end
  return natives.finish_call()
end)

local open_file, lines_of
if io then
  open_file = ours(function(path, mode) return io.open(path, mode) end)
  lines_of = ours(function(path)
    if path == nil then return missing() end
    return io.lines(path)
  end)
end

-- The helpers are there again before each script, whatever the last one made of their names.
local helpers
local function help(world)
  world.request, world.luaTable, world.luaList = helpers.request, helpers.luaTable, helpers.luaList
  world.luaNil, world.http_response, world.json = helpers.luaNil, helpers.http_response, helpers.json
  world.custom_error = custom_error
end

local function open_all(world)
  world.string = {
    byte = string.byte, char = string.char, find = found, format = formatted, gmatch = matches, gsub = replaced,
    len = string.len, lower = lower, match = matched, rep = repeated, reverse = reverse, sub = part, upper = upper,
  }
  world.math = {
    abs = math.abs, acos = math.acos, asin = math.asin, atan = math.atan, atan2 = math.atan2, ceil = math.ceil,
    cos = math.cos, cosh = math.cosh, deg = math.deg, exp = math.exp, floor = math.floor, fmod = math.fmod,
    frexp = math.frexp, huge = math.huge, ldexp = math.ldexp, log = math.log, log10 = math.log10, max = math.max,
    min = math.min, mod = math.fmod, modf = math.modf, pi = math.pi, pow = math.pow, rad = math.rad,
    random = natives.random, randomseed = natives.seed, sin = math.sin, sinh = math.sinh, sqrt = math.sqrt,
    tan = math.tan, tanh = math.tanh,
  }
  world.os = {
    clock = os.clock, date = os.date, difftime = os.difftime, getenv = os.getenv, remove = os.remove,
    rename = os.rename, time = os.time, tmpname = os.tmpname, execute = missing, exit = missing,
    setenv = missing, setlocale = missing,
  }
  world.io = {
    open = open_file, lines = lines_of, type = io.type, tmpfile = io.tmpfile, close = missing, input = missing,
    output = missing, popen = missing, read = missing, write = missing,
  }
  world.coroutine = {
    create = create, resume = safe_resume, running = running, status = coroutine.status,
    wrap = wrapped, yield = yield,
  }
  world.debug = { traceback = natives.traceback }
end

local function fresh()
  local made = {
    _VERSION = "Lua 5.1", assert = base.assert, collectgarbage = collect, dofile = do_file, error = error,
    getfenv = shown_getfenv, getmetatable = base.getmetatable, ipairs = base.ipairs, load = load_pieces,
    loadfile = load_file, loadstring = load_text, module = module, next = base.next, pairs = base.pairs,
    pcall = safe_pcall, print = print, rawequal = base.rawequal, rawget = rawget, rawset = base.rawset,
    require = require, select = select, setfenv = shown_setfenv, setmetatable = setmetatable, tonumber = base.tonumber,
    tostring = text_of, type = type, unpack = unpack, xpcall = safe_xpcall,
  }
  made._G = made
  made.table = {
    concat = joined, foreach = table.foreach, foreachi = table.foreachi, getn = table.getn, insert = inserted,
    maxn = table.maxn, remove = table.remove, sort = sorted,
  }
  helpers = {
    request = { load = natives.load_request }, luaTable = { new = natives.new_table },
    luaList = { new = natives.new_list }, luaNil = { new = natives.new_nil }, http_response = { new = call },
    json = { encode = natives.encode, decode = natives.decode },
  }
  help(made)
  if with_all then open_all(made) end
  package = {
    path = "./?.lua;./?/init.lua", preload = {}, seeall = seeall,
    loaded = {
      _G = made, table = made.table, string = made.string, math = made.math, os = made.os, io = made.io,
      coroutine = made.coroutine, debug = made.debug,
    },
  }
  made.package = package
  of_strings.__index = made.string
  return made
end

local function enter()
  script, nested = running(), 0
  setfenv(0, world)
end

local begin = ours(function(sources, pre)
  world, is_shown = fresh(), false
  enter()
  if sources then
    setfenv(sources, world)
    sources()
    help(world)
  end
  if pre then
    setfenv(pre, world)
    return pre()
  end
end)

local finish = ours(function(post)
  enter()
  help(world)
  world.response = { load = natives.load_response }
  setfenv(post, world)
  return post()
end)

-- Some functions of the libraries are written in Lua, too; of C, `setfenv` takes none.
for _, library in pairs({ base, string, table, math, coroutine, io or {}, os or {} }) do
  for _, one in pairs(library) do
    if type(one) == "function" and pcall(setfenv, one, {}) then ours(one) end
  end
end

return begin, finish
