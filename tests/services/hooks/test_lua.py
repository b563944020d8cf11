"""Lua scripts that take too much: each ends with an error that says so, and the next one runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from orthanclite.core.errors import CannotExecuteLua
from orthanclite.services.hooks import lua
from orthanclite.services.hooks.lua import LuaScripts

FAST = 20_000_000  # instructions


@pytest.fixture
def scripts() -> Iterator[LuaScripts]:
    state: list[LuaScripts] = []

    def rest(method: str, uri: str, body: bytes) -> bytes | None:
        return state[0].execute(body) if uri == "/tools/execute-script" else None

    state.append(LuaScripts(rest, FAST))
    yield state[0]
    state[0].close()


_FOREVER = "function forever() while true do end end "
ENDLESS = {
    "loop": "while true do end",
    "loop that prints": "i = 0 while true do i = i + 1 if i % 1e6 == 0 then print(i) end end",
    "recursion by tail calls": "local function f() return f() end f()",
    "caught": _FOREVER + "while true do pcall(forever) end",
    "caught twice": _FOREVER + "pcall(pcall, forever) while true do end",
    "caught with a handler": _FOREVER + "while true do xpcall(forever, function() end) end",
    "coroutine": _FOREVER + "coroutine.wrap(forever)()",
    "coroutine that is resumed": _FOREVER + "while true do coroutine.resume(coroutine.create(forever)) end",
    "coroutines without end": "while true do coroutine.wrap(function() for i = 1, 1e3 do end end)() end",
    "coroutine in a coroutine": _FOREVER + "coroutine.wrap(function() coroutine.wrap(forever)() end)()",
    "comparison": "local t = {} for i = 1, 2000 do t[i] = i end "
    "while true do table.sort(t, function(a, b) return a > b end) end",
    "metamethod": _FOREVER + "local t = setmetatable({}, {__index = forever}) local x = t.x",
    "script in a script": "RestApiPost('/tools/execute-script', 'while true do end') while true do end",
    "loaded text": "load('while true do end')()",
    "without the hook": "pcall(function() debug.sethook() end) while true do end",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_script_without_end_is_ended(scripts: LuaScripts, name: str) -> None:
    started = time.monotonic()
    with pytest.raises(CannotExecuteLua, match="too many instructions"):
        scripts.execute(ENDLESS[name].encode())
    assert time.monotonic() - started < 20
    assert scripts.execute(b"x = 0 for i = 1, 1e6 do x = x + i end print(x)") == b"500000500000\n"


def test_each_script_has_the_same_to_spend(scripts: LuaScripts) -> None:
    for _ in range(5):
        scripts.execute(b"for i = 1, 7e6 do local x = i end")
    scripts.execute(b"for i = 1, 1000 do coroutine.wrap(function() return i end)() end")


def test_memory_is_bounded(scripts: LuaScripts) -> None:
    scripts.execute(b"kept = 1")
    for hungry in (
        "return #string.rep('x', 300 * 1024 * 1024)",
        "all = {} while true do all[#all + 1] = string.rep('x', 1000000) .. #all end",
    ):
        with pytest.raises(CannotExecuteLua, match="too much memory"):
            scripts.execute(hungry.encode())
        assert scripts.execute(b"print(all)") == b"nil\n"


def test_what_is_printed_is_bounded(scripts: LuaScripts) -> None:
    with pytest.raises(CannotExecuteLua, match="prints too much"):
        scripts.execute(b"local text = string.rep('x', 100000) while true do print(text) end")
    most = lua.PRINTED - 1
    assert scripts.execute(f"print(string.rep('x', {most}))".encode()) == b"x" * most + b"\n"


def test_coroutines_are_those_of_lua(scripts: LuaScripts) -> None:
    script = b"""
      local next = coroutine.wrap(function(a, b) local c = coroutine.yield(a + b, 'x') return c, nil, 3 end)
      print(next(1, 2)) print(next('again'))
      print(pcall(coroutine.wrap(function() error({}) end)) == false)
      print(select(2, pcall(coroutine.wrap(function() error('bang', 0) end))))
      local thread = coroutine.create(function() print(coroutine.running()) coroutine.yield() end)
      print(coroutine.resume(thread), coroutine.status(thread))
    """
    lines = scripts.execute(script).decode().splitlines()
    assert lines[:4] == ["3, x", "again, nil, 3", "true", "bang"]
    assert lines[-1] == "true, suspended"
