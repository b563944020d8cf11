"""Brings a recording into ``facts/``: its answers in their normal form, without what is never compared.

    python -m tests.parity.recorded.bring FILE... [--without PATTERN] [--day YYYYMMDD]

FILE holds one JSON object on each line: the configuration, then the steps with ``step``, ``status``,
``headers`` and ``answer``. Steps whose method and path match PATTERN are left out. The day of the
recording stands for any date.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from tests.parity.recorded.answers import HEADERS, normal_json, npy_header
from tests.parity.recorded.player import FACTS

_NEVER_COMPARED = ("encoded_sha256", "encoded_length", "00020012", "00020013", "min-max-bytes", "first")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--without", default="(?!)", help="regular expression on `METHOD PATH`")
    parser.add_argument("--day", default="", help="the day on which the answers were recorded")
    arguments = parser.parse_args()
    for path in arguments.files:
        head, *steps = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        kept = [
            step
            for step in steps
            if not re.search(arguments.without, f"{step['step']['method']} {step['step']['path']}")
        ]
        lines = [
            {key: head[key] for key in ("config", "auth", "comment") if key in head},
            *(fact(step, arguments.day) for step in kept),
        ]
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
        (FACTS / path.name).write_text(text, encoding="utf-8")


def fact(step: dict[str, Any], day: str = "") -> dict[str, Any]:
    """One step as it is kept.

    :param day: the date that stands for any, as YYYYMMDD
    """
    return {
        "i": step["i"],
        "do": step["step"],
        "status": step["status"],
        "headers": {name: value for name, value in step["headers"].items() if name in HEADERS},
        "answer": _reduced(normal_json(step["answer"]), day),
    }


def _reduced(value: Any, day: str) -> Any:
    if day and value == day:
        return {"~": "date"}
    if isinstance(value, list):
        return [_reduced(one, day) for one in value]
    if not isinstance(value, dict):
        return value
    reduced = {key: _reduced(one, day) for key, one in value.items() if key not in _NEVER_COMPARED}
    if "$gzip" in reduced:
        reduced["$gzip"] = normal_json(reduced["$gzip"])
    if (
        "sop-instance" in reduced
    ):  # a member of an archive: its size depends on the name of the implementation
        reduced.pop("size", None)
    if "fortran_order" in str(reduced.get("header")):
        reduced["header"] = npy_header(reduced["header"])
    if reduced.get("encapsulated"):
        reduced.pop("vr", None)
    return reduced


if __name__ == "__main__":
    main()
