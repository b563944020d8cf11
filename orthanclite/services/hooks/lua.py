"""Lua scripts (option ``ExecuteLuaEnabled``): ``/tools/execute-script`` and the functions it offers.

There is one Lua state: what a script defines is there for the next one. The standard libraries are
available, as in the reference, so whoever may run scripts controls the server. Strings are bytes in Lua,
and pass unchanged.

As scripts wait for each other, none may go on for ever: its instructions, its memory and what it prints are
bounded. What it waits for (other programs, this server's own API) is not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lupa import lua54

from orthanclite.core.errors import CannotExecuteLua

RestClient = Callable[[str, str, bytes], bytes | None]
"""Performs ``(method, uri, body)`` on this server's own REST API; None for any error."""

_logger = logging.getLogger("orthanclite.lua")

_PRELUDE = """
local write, rest, parse, dump, log, step, limit = ...
python = nil

local sethook, create, resume = debug.sethook, coroutine.create, coroutine.resume
local used = 0

local function check()
  used = used + step
  if used > limit then
    -- From now on at each instruction, so that no script gets away by catching the error.
    sethook(check, '', 1)
    error('The script executes too many instructions', 0)
  end
end

local function begin()
  used = 0
  sethook(check, '', step)
end

debug.sethook = nil

function coroutine.create(body)
  local thread = create(body)
  check()
  sethook(thread, check, '', step)
  return thread
end

local function results(ok, ...)
  if not ok then
    error((...), 2)
  end
  return ...
end

function coroutine.wrap(body)
  local thread = coroutine.create(body)
  return function(...)
    return results(resume(thread, ...))
  end
end

function print(...)
  local texts = {}
  for i = 1, select('#', ...) do
    texts[i] = tostring((select(i, ...)))
  end
  write(table.concat(texts, ', ') .. '\\n')
end

function RestApiGet(uri, builtin) return rest('GET', uri, '') end
function RestApiPost(uri, body, builtin) return rest('POST', uri, body or '') end
function RestApiPut(uri, body, builtin) return rest('PUT', uri, body or '') end
function RestApiDelete(uri, builtin) return rest('DELETE', uri, '') ~= nil and true or nil end
function ParseJson(text) return parse(text) end
function DumpJson(value, keepStrings) return dump(value, keepStrings and true or false) end
function LogInfo(text) log('info', tostring(text)) end
function LogWarning(text) log('warning', tostring(text)) end
function LogError(text) log('error', tostring(text)) end

function PrintRecursive(value, left, place)
  left = left or 100
  local kind = type(value)
  local head = place and { place, kind } or { kind }
  if kind ~= 'table' then
    head[#head + 1] = tostring(value)
    print(table.unpack(head))
    return left - 1
  end
  print(table.unpack(head))
  for key, item in pairs(value) do
    left = PrintRecursive(item, left, (place or '') .. '\\t[' .. tostring(key) .. ']')
    if left <= 0 then
      return left
    end
  end
  return left
end

return sethook, begin
"""

INSTRUCTIONS = 500_000_000
"""What one script may execute: a second to half a minute, for each makes more or less work."""
MEMORY = 256 << 20
"""Bytes of all that scripts keep."""
PRINTED = 16 << 20
"""Characters that one script may print."""
_STEP = 10_000
"""Instructions between two looks at their number; a coroutine counts as many from the start."""

_PREFIX = re.compile(r"^error loading code: ")
_MAXIMUM_DEPTH = 100


class LuaScripts:
    """The Lua state of the server. Scripts run one at a time.

    :param instructions: see :data:`INSTRUCTIONS`
    """

    def __init__(self, rest: RestClient, instructions: int = INSTRUCTIONS) -> None:
        self._rest = rest
        self._instructions = instructions
        # Reentrant: a script may post to /tools/execute-script.
        self._lock = threading.RLock()
        # A thread of its own: scripts that wait for each other hold no thread that requests need.
        self._thread = ThreadPoolExecutor(1, "lua", initializer=self._remember_thread)
        self._thread_id: int | None = None
        self._printed: list[list[str]] = []
        self._printable = PRINTED
        self._start_state()

    def _start_state(self) -> None:
        # Latin-1 makes characters and bytes the same thing.
        self._lua = lua54.LuaRuntime(
            encoding="latin-1",
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_refuse_attributes,
            max_memory=MEMORY,
        )
        self._table_type = type(self._lua.table())
        functions = (self._write, self._call_rest, self._parse, self._dump, _log_line)
        found = self._lua.execute(_PRELUDE, *functions, _STEP, self._instructions)
        self._set_hook, self._begin = found

    def execute(self, script: bytes) -> bytes:
        """Run ``script``; what it prints.

        :raises CannotExecuteLua: with Lua's message for an error in the script, and where it takes too much.
        """
        with self._lock:
            is_outermost = not self._printed
            self._printed.append([])
            try:
                if is_outermost:
                    self._printable = PRINTED
                    self._set_hook()  # none: the one of a script that took too much would end this one, too
                    self._begin()
                self._lua.execute(script.decode("latin-1"), name="line", mode="t")
            except lua54.LuaMemoryError as exc:
                if is_outermost:
                    _logger.error("Scripts have used up their memory: what they have defined is dropped")
                    self._start_state()
                raise CannotExecuteLua("The scripts take too much memory") from exc
            except lua54.LuaError as exc:
                raise CannotExecuteLua(_message(exc)) from exc
            finally:
                printed = self._printed.pop()
            return "".join(printed).encode("latin-1")

    async def submit(self, script: bytes) -> bytes:
        """As :meth:`execute`, for the event loop."""
        if threading.get_ident() == self._thread_id:
            return self.execute(script)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.execute, script)

    def close(self) -> None:
        """Wait for the script at work, drop those that wait."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _remember_thread(self) -> None:
        self._thread_id = threading.get_ident()

    def _write(self, text: str) -> None:
        if self._printed:
            self._printable -= len(text)
            if self._printable < 0:
                raise CannotExecuteLua("The script prints too much")
            self._printed[-1].append(text)
        else:
            _logger.warning("%s", text.rstrip("\n"))

    def _call_rest(self, method: str, uri: str, body: str) -> bytes | None:
        return self._rest(method, uri.encode("latin-1").decode("utf-8", "replace"), body.encode("latin-1"))

    def _parse(self, text: str) -> Any:
        try:
            value = json.loads(text.encode("latin-1"))
        except (ValueError, RecursionError):
            return None
        return self._to_lua(value)

    def _to_lua(self, value: Any) -> Any:
        if isinstance(value, dict):
            table = self._lua.table()
            for key, item in value.items():
                table[key.encode("utf-8")] = self._to_lua(item)
            return table
        if isinstance(value, list):
            table = self._lua.table()
            for index, item in enumerate(value, start=1):
                table[index] = self._to_lua(item)
            return table
        if isinstance(value, str):
            return value.encode("utf-8", "replace")
        if isinstance(value, int) and not isinstance(value, bool):
            return float(value)  # as the reference hands them over
        return value

    def _dump(self, value: Any, keep_strings: bool) -> bytes:
        shown = self._from_lua(value, keep_strings, _MAXIMUM_DEPTH)
        return json.dumps(shown, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode("utf-8")

    def _from_lua(self, value: Any, keep_strings: bool, depth: int) -> Any:
        if isinstance(value, self._table_type):
            return self._from_table(value, keep_strings, depth)
        if isinstance(value, str):
            return value.encode("latin-1").decode("utf-8", "replace")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if keep_strings and value is not None:
            return json.dumps(value)
        return value if value is None or isinstance(value, bool | int | float) else str(value)

    def _from_table(self, table: Any, keep_strings: bool, depth: int) -> Any:
        if depth == 0:
            raise CannotExecuteLua("DumpJson: too deep a table, or one that contains itself")
        items = {key: self._from_lua(item, keep_strings, depth - 1) for key, item in table.items()}
        if list(items) == list(range(1, len(items) + 1)):
            return list(items.values())
        return {self._key_text(key): item for key, item in items.items()}

    def _key_text(self, key: Any) -> str:
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        return str(self._from_lua(key, keep_strings=False, depth=1))


def _refuse_attributes(obj: object, name: object, is_setting: bool) -> str:
    """Lua sees the functions it is given, and nothing of the Python behind them."""
    raise AttributeError("access denied")


def _log_line(level: str, text: str) -> None:
    numbers = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    _logger.log(numbers[level], "%s", text)


def _message(error: Exception) -> str:
    """Lua's message alone, as Orthanc shows it: without the traceback."""
    return _PREFIX.sub("", str(error).partition("\nstack traceback:")[0])
