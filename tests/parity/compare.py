"""How the answers of two servers are compared: what is random is masked, all the rest must be equal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

HEADERS = (
    "content-type",
    "content-disposition",
    "etag",
    "allow",
    "location",
    "content-range",
    "accept-ranges",
)
"""The headers that are compared; the others are of the connection."""

ABSENT = "(absent)"
ORTHANC_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_REVISION = re.compile(r'^"\d+-')  # indexes of release 1.10 have no revisions: always 0
_MOMENT = re.compile(r"\d{8}T\d{6}(\.\d+)?")
_MOMENTS = ("LastUpdate", "Date", "ReceptionDate")


@dataclass(frozen=True)
class Difference:
    """One place in which two answers differ."""

    request: str
    """``GET /studies?expand``."""
    where: str
    """``status``, ``header content-type``, ``body`` or ``body/0/MainDicomTags/PatientName``."""
    ours: str
    reference: str

    def __str__(self) -> str:
        place = f"{self.request}\n    {self.where}"
        return f"{place}\n      ours:      {self.ours}\n      reference: {self.reference}"


def differences(request: str, ours: httpx.Response, reference: httpx.Response) -> Iterator[Difference]:
    """All places in which two answers differ."""
    if ours.status_code != reference.status_code:
        yield Difference(request, "status", shown(ours.status_code), shown(reference.status_code))
    for name in HEADERS:
        left, right = (_header(answer, name) for answer in (ours, reference))
        if left != right:
            yield Difference(request, f"header {name}", left, right)
    for where, left, right in _bodies(parsed(ours), parsed(reference)):
        yield Difference(request, where, shown(left), shown(right))


def _header(answer: httpx.Response, name: str) -> str:
    value = _UUID.sub("(uuid)", answer.headers.get(name, ABSENT))
    return _REVISION.sub('"(revision)-', value) if name == "etag" else value


def parsed(answer: httpx.Response) -> Any:
    """The body: JSON as what it says (also that of an error), anything else as bytes."""
    if answer.content[:1] in (b"{", b"[") or answer.headers.get("content-type", "").startswith(
        "application/json"
    ):
        try:
            return _renumbered(json.loads(answer.content))
        except ValueError:
            pass
    return answer.content


def _renumbered(answer: Any) -> Any:
    """Changes numbered from 1 on: not all releases log the same events before them."""
    if not isinstance(answer, dict) or not answer.get("Changes"):
        return answer
    before = answer["Changes"][0]["Seq"] - 1
    changes = [{**change, "Seq": change["Seq"] - before} for change in answer["Changes"]]
    bounds = {key: answer[key] - before for key in ("First", "Last") if key in answer}
    return {**answer, **bounds, "Changes": changes}


def _bodies(ours: Any, reference: Any, where: str = "body") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, dict) and isinstance(reference, dict):
        for key in sorted({*ours, *reference}):
            left, right = ours.get(key, ABSENT), reference.get(key, ABSENT)
            yield from _bodies(_masked(key, left), _masked(key, right), f"{where}/{key}")
    elif isinstance(ours, list) and isinstance(reference, list):
        reference = _in_order(reference)
        if _are_resources(ours) and _are_resources(reference):
            left, right = ({one["ID"]: one for one in answer} for answer in (ours, reference))
            yield from _bodies(left, right, where)
            return
        if len(ours) != len(reference):
            yield where + "/length", len(ours), len(reference)
        for number, (left, right) in enumerate(zip(ours, reference, strict=False)):
            yield from _bodies(left, right, f"{where}/{number}")
    elif type(ours) is not type(reference) or ours != reference:
        yield where, ours, reference


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, str):
        if key in ("FileUuid", "Uuid") and _UUID.fullmatch(value):
            return "(uuid)"
        if key in _MOMENTS and _MOMENT.fullmatch(value):
            return "(moment)"
    return value


def _in_order(values: list[Any]) -> list[Any]:
    """Identifiers of resources, sorted: release 1.13 sorts them, 1.10 gives them as they came."""
    if all(isinstance(value, str) and ORTHANC_ID.fullmatch(value) for value in values):
        return sorted(values)
    return values


def _are_resources(values: list[Any]) -> bool:
    """Whether these are expanded resources; changes and exports have an order of their own."""
    return all(isinstance(value, dict) and "ID" in value and "Seq" not in value for value in values)


def shown(value: Any) -> str:
    if isinstance(value, bytes):
        text = repr(value[:200])[1:]
        return text if len(value) <= 200 else f"{text}... ({len(value)} bytes)"
    text = value if value == ABSENT else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 400 else text[:400] + "..."


def report(found: Iterable[Difference], most: int = 60) -> str:
    """A readable list."""
    found = list(found)
    lines = [f"{len(found)} differences:", *map(str, found[:most])]
    return "\n".join(lines if len(found) <= most else [*lines, f"... and {len(found) - most} more"])
