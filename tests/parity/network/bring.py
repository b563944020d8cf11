"""Brings a recording of a network scenario into ``facts/``, without what is never compared.

    python -m tests.parity.network.bring FILE [--steps 0-40,50] [--differing 3,17]

FILE holds one JSON object on each line: the parties, then the steps with ``n``, ``do``, ``seen`` and
``peers``. Steps that the player does not know, or that took long, are left out. Those that this server does
otherwise by intention (docs/differences.md) are played, as others follow from them, and not compared.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from tests.parity.network.inputs import FILES
from tests.parity.network.messages import STORE, comparable
from tests.parity.network.player import CLASSES, FACTS, HEADERS, reduced

_KNOWN = {"upload", "rest", "save", "job", "scu", "ops", "unordered", "peer", "script", "note", "settle"}
_KNOWN_OPS = {"echo", "store", "find", "move", "get", "action"}
_KNOWN_OPTIONS = {"op", "model", "query", "id", "priority", "to", "replies", "input", "set", "remove", "data"}
_KNOWN_REPLIES = {"status", "comment", "abort", "answers", "pending", "counts"}
_UNKNOWN = r'SECOND|TLS|pydicom:|big-|"took"|<dir>|<here>|"on": |\$i\(x\)'
"""Other servers and inputs, and what took long."""
_MARKS = {"oid": "id", "version": "any", "implementation": "any"}
_MARK = re.compile(r"<~(\w+)(?: (\d+))?>")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--steps", default="")
    parser.add_argument("--differing", default="")
    arguments = parser.parse_args()
    head, *steps = [json.loads(line) for line in arguments.file.read_text(encoding="utf-8").splitlines()]
    for step in steps:
        if "upload" in step["do"]:
            step["do"]["upload"] = [name for name in step["do"]["upload"] if name in FILES]
            step["seen"] = [one for one in step["seen"] if one[0] in FILES]
    wanted, differing = _numbers(arguments.steps), _numbers(arguments.differing)
    kept = [
        fact(step, following, step["n"] in differing)
        for step, following in zip(steps, [*steps[1:], None], strict=True)
        if (not wanted or step["n"] in wanted) and _is_known(step)
    ]
    text = "".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in [_head(head), *kept]
    )
    (FACTS / arguments.file.name).write_text(text, encoding="utf-8")


def fact(
    step: dict[str, Any], following: dict[str, Any] | None = None, differs: bool = False
) -> dict[str, Any]:
    """One step as it is kept.

    :param differs: whether this server does something else by intention
    """
    do = {key: value for key, value in step["do"].items() if key not in ("note", "settle", "unordered")}
    if following is not None and "job" in following["do"] and "rest" in do:
        do["deferred"] = True
    if differs:
        return {"n": step["n"], "do": do}
    seen = _seen(step.get("seen"), step["do"].get("unordered", False))
    peers = {name: [_called(one) for one in calls] for name, calls in step.get("peers", {}).items()}
    return {"n": step["n"], "do": do, "seen": _marked(seen), "peers": _marked(peers)}


def _head(head: dict[str, Any]) -> dict[str, Any]:
    config = dict(head["parties"]["SUT"]["config"])
    for name in ("DicomModalities", "OrthancPeers"):
        entries = config.get(name, {})
        config[name] = {
            key: one for key, one in entries.items() if not re.search("SECOND|TLS", json.dumps(one))
        }
    peers = {
        name: {"role": one["role"], "script": one.get("script")}
        for name, one in head["parties"].items()
        if one["role"] in ("dicom", "http") and name != "TLS"
    }
    return {"scenario": head["scenario"], "about": head["about"], "config": config, "peers": peers}


def _is_known(step: dict[str, Any]) -> bool:
    do, seen = step["do"], step.get("seen")
    if not do.keys() <= _KNOWN or re.search(_UNKNOWN, json.dumps(step)):
        return False
    replies = [one for value in _replies(do) for one in (value if isinstance(value, list) else [value])]
    if not all(isinstance(one, dict) and one.keys() <= _KNOWN_REPLIES for one in replies):
        return False
    if isinstance(seen, dict) and "dicom" in (seen.get("body") or ()):
        return False
    if "scu" not in do:
        return True
    if not all(op["op"] in _KNOWN_OPS and op.keys() <= _KNOWN_OPTIONS for op in do["ops"]):
        return False
    if not {uid for uid, *_ in do["scu"]["contexts"] if isinstance(uid, str)} <= CLASSES.keys():
        return False
    if do["scu"].keys() - {"calling", "called", "contexts", "roles"} or not isinstance(seen, dict):
        return False
    return seen.get("end") == "released" and not any("ended" in op or "not_sent" in op for op in seen["ops"])


def _replies(do: dict[str, Any]) -> list[Any]:
    script = do.get("script", {})
    return list(script.values()) if isinstance(script, dict) else []


def _seen(seen: Any, unordered: bool) -> Any:
    if not isinstance(seen, dict):
        return seen
    if "ops" in seen:
        found = [[_message(one) for one in op["received"]] for op in seen["ops"]]
        return [{"~set": one} for one in found] if unordered else found
    shown: dict[str, Any] = {"status": seen["status"]}
    headers = {key.lower(): value for key, value in seen.get("headers", {}).items() if key.lower() in HEADERS}
    if headers:
        shown["headers"] = headers
    if "body" in seen:
        body = seen["body"]
        shown["body"] = {"json": reduced(body["json"])} if "json" in body else body
        if unordered and isinstance(shown["body"].get("json"), list):
            shown["body"]["json"] = {"~set": shown["body"]["json"]}
    return shown


def _called(call: dict[str, Any]) -> dict[str, Any]:
    """An association, or an HTTP request, of the server."""
    if "method" in call:
        headers = {name.lower(): value for name, value in call["headers"].items() if name.lower() != "accept"}
        kept = {"method": call["method"], "path": call["path"], "headers": headers}
        return {**kept, "body": call["body"]} if "body" in call else kept
    if "request" not in call:
        return {}
    names = {name: call["request"][name] for name in ("calling", "called")}
    return {
        "request": names,
        "messages": [_message(one) for one in call["messages"]],
        "end": call["end"]["by"],
    }


def _message(message: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"command": comparable(message["command"])}
    if message["command"]["CommandField"] == STORE:
        kept["syntax"] = message["syntax"]
    for name in ("dataset", "same_as", "based_on"):
        if name in message:
            kept[name] = message[name]
    if "differs" in message:
        kept["differs"] = sorted(message["differs"])
    return kept


def _marked(value: Any) -> Any:
    """``value`` with its marks as ``tests.parity.recorded.marks`` knows them."""
    if isinstance(value, str):
        text = _MARK.sub(lambda found: _embedded(found[1], found[2]), value)
        return re.sub(r"<port ([\w.]+)>", r"$port(\1)", text)
    if isinstance(value, list):
        return [_marked(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("~") == "port":
        return f"$port({value['of']})"
    if "~" in value:
        mark = {"~": _MARKS.get(value["~"], value["~"])}
        return {**mark, "n": value["n"]} if "n" in value else mark
    return {_marked(key): _marked(one) for key, one in value.items()}


def _embedded(name: str, number: str | None) -> str:
    name = _MARKS.get(name, name)
    return f"~{{{name}:{number}}}" if number else f"~{{{name}}}"


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


if __name__ == "__main__":
    main()
