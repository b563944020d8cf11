"""Comparing a recorded answer, with its marks, and a live one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.parity.compare import ABSENT

_CLASSES = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "id": r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}",
    "md5": r"[0-9a-f]{32}",
    "sha256": r"[0-9a-f]{64}",
    "time": r"\d{8}T\d{6}(?:\.\d{1,6})?",
    "uid": r"[0-2](?:\.(?:0|[1-9]\d*)){2,}",
    "date": r"\d{8}",
    "clock": r"\d{6}(?:\.\d{1,6})?",
    "number": r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?",
    "any": r".*",
}
_EMBEDDED = re.compile(rf"~\{{({'|'.join(_CLASSES)})(?::(\d+))?\}}")

Place = tuple[str, Any, Any]
"""Where two answers differ (``answer/0/ID``), what was recorded, and what came."""


class Matcher:
    """Compares the answers of one scenario, and remembers which value each numbered mark stands for.

    A mark stands for the first value that it meets. So the whole scenario is matched twice, the first time
    without the lists that have no order, which could give it the wrong one.
    """

    def __init__(self) -> None:
        self._bound: dict[tuple[str, int], str] = {}
        self.ignores_sets = False

    def differences(self, expected: Any, actual: Any, where: str) -> Iterator[Place]:
        """All places in which ``actual`` is not what was recorded."""
        if isinstance(expected, dict) and "~" in expected:
            yield from self._mark(expected, actual, where)
        elif isinstance(expected, dict) and "~set" in expected:
            if not isinstance(actual, list):
                yield where, expected, actual
            elif not self.ignores_sets:
                yield from self._set(expected["~set"], actual, where)
        elif isinstance(expected, dict) and isinstance(actual, dict):
            yield from self._objects(expected, actual, where)
        elif isinstance(expected, list) and isinstance(actual, list):
            if len(expected) != len(actual):
                yield where, expected, actual
                return
            for number, (left, right) in enumerate(zip(expected, actual, strict=True)):
                yield from self.differences(left, right, f"{where}/{number}")
        elif isinstance(expected, str) and isinstance(actual, str):
            if not self._same_text(expected, actual):
                yield where, expected, actual
        elif type(expected) is not type(actual) or expected != actual:
            yield where, expected, actual

    def _objects(self, expected: dict[str, Any], actual: dict[str, Any], where: str) -> Iterator[Place]:
        keys = {}
        for key in expected:
            if key in actual:
                keys[key] = key
            elif _EMBEDDED.search(key):
                free = (one for one in actual if one not in expected and one not in keys.values())
                match = next((one for one in free if self._same_text(key, one)), None)
                if match is not None:
                    keys[key] = match
        if (not keys and (expected or actual)) or expected.get("$error") != actual.get("$error"):
            # Different things altogether.
            yield where, expected, actual
            return
        for key, value in expected.items():
            found = actual[keys[key]] if key in keys else ABSENT
            if found == ABSENT:
                yield f"{where}/{key}", value, ABSENT
            else:
                yield from self.differences(value, found, f"{where}/{key}")
        for key, value in actual.items():
            if key not in keys.values():
                yield f"{where}/{key}", ABSENT, value

    def _set(self, expected: list[Any], actual: list[Any], where: str) -> Iterator[Place]:
        left, missing = list(actual), []
        for one in expected:
            match = next((found for found in left if self._matches(one, found)), None)
            if match is None:
                missing.append(one)
            else:
                left.remove(match)
        if len(missing) == len(left) == 1:
            yield from self.differences(missing[0], left[0], f"{where}/(one)")
        elif missing or left:
            yield where, missing, left

    def _matches(self, expected: Any, actual: Any) -> bool:
        before = dict(self._bound)
        if next(self.differences(expected, actual, ""), None) is None:
            return True
        self._bound = before
        return False

    def _mark(self, mark: dict[str, Any], actual: Any, where: str) -> Iterator[Place]:
        text = actual if isinstance(actual, str) else json.dumps(actual)
        if not re.fullmatch(_CLASSES[mark["~"]], text, re.DOTALL) or not self._bind(
            mark["~"], mark.get("n"), text
        ):
            yield where, mark, actual

    def _same_text(self, expected: str, actual: str) -> bool:
        pieces = _EMBEDDED.split(expected)
        if len(pieces) == 1:
            return expected == actual
        pattern, marks = re.escape(pieces[0]), []
        for name, number, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
            pattern += f"({_CLASSES[name]}){re.escape(text)}"
            marks.append((name, number))
        found = re.fullmatch(pattern, actual, re.DOTALL)
        if found is None:
            return False
        values = zip(marks, found.groups(), strict=True)
        return all(self._bind(name, number and int(number), value) for (name, number), value in values)

    def _bind(self, name: str, number: int | None, value: str) -> bool:
        """Whether a mark may stand for ``value``: it does from now on, unless it stands for another one."""
        return number is None or self._bound.setdefault((name, number), value) == value
