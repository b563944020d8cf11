"""Plays recorded scenarios against a server."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parity.compare import Difference, shown
from tests.parity.recorded.answers import normal_body, normal_headers
from tests.parity.recorded.inputs import input_bytes
from tests.parity.recorded.marks import Matcher, Place

FACTS = Path(__file__).with_name("facts")
SCENARIOS = sorted(path.stem for path in FACTS.glob("*.jsonl"))

_PATIENCE = 60.0  # seconds that a wait may take
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Answer:
    """A normal form of an answer."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Step:
    """One request and what release 1.13 answered."""

    number: int
    do: dict[str, Any]
    recorded: Answer


class Scenario:
    """One recording.

    :ivar config: what the server must be started with
    """

    def __init__(self, name: str) -> None:
        head, *steps = [json.loads(line) for line in (FACTS / f"{name}.jsonl").read_text().splitlines()]
        self.name = name
        self.config: dict[str, Any] = head["config"]
        self.user: str | None = head.get("auth")
        self.steps = [
            Step(one["i"], one["do"], Answer(one["status"], one["headers"], one["answer"])) for one in steps
        ]

    def play(self, port: int, names: Mapping[str, Any]) -> list[Difference]:
        """All differences between the answers of the server at ``port`` and the recorded ones.

        :param names: values of the variables that are not captured on the way
        """
        player = _Player(port, self.user, names)
        answers = [player.play(step.do) for step in self.steps]
        matcher = Matcher()
        for matcher.ignores_sets in (True, False):
            found = [
                difference
                for step, answer in zip(self.steps, answers, strict=True)
                for difference in self._differences(step, answer, matcher, names)
            ]
        return found

    def _differences(
        self, step: Step, answer: Answer, matcher: Matcher, names: Mapping[str, Any]
    ) -> Iterator[Difference]:
        recorded, body = step.recorded, _filled(step.recorded.body, names)
        places: list[Place]
        if recorded.status != answer.status:  # nothing else can agree
            places = [("status", [recorded.status, body], [answer.status, answer.body])]
        else:
            places = [
                *matcher.differences(recorded.headers, answer.headers, "header"),
                *matcher.differences(body, answer.body, "answer"),
            ]
        request = f"{self.name} {step.number}: {step.do['method']} {step.do['path']}"
        if "body" in step.do:
            request += f" {json.dumps(step.do['body'], ensure_ascii=False)[:300]}"
        for where, expected, actual in places:
            yield Difference(request, where, shown(actual), shown(expected))


class _Player:
    def __init__(self, port: int, user: str | None, names: Mapping[str, Any]) -> None:
        self._port = port
        self._authorization = user and "Basic " + base64.b64encode(user.encode()).decode()
        self._names = dict(names)

    def play(self, do: Mapping[str, Any]) -> Answer:
        if "wait" in do:
            self._wait(do["wait"])
        time.sleep(do.get("sleep", 0))
        headers = _filled(do.get("headers", {}), self._names)
        answer = self._request(
            do["method"], _filled(do["path"], self._names), headers, self._body(do.get("body"))
        )
        for name, pointer in do.get("capture", {}).items():
            value = (
                answer.headers.get(pointer[7:])
                if pointer.startswith("header:")
                else _at(answer.body, pointer)
            )
            self._names[name] = f"not-captured-{name}" if value is None else value
        return answer

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send it as it is written: clients of more comfort would mend paths."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            given = {name.lower() for name in headers}
            if self._authorization and "authorization" not in given:
                connection.putheader("Authorization", self._authorization)
            if body is not None or method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body or b"")))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            found = normal_headers(answer.getheaders())
            return Answer(answer.status, found, normal_body(answer.read(), found.get("content-type", "")))
        finally:
            connection.close()

    def _body(self, body: Mapping[str, Any] | None) -> bytes | None:
        if body is None:
            return None
        if "json" in body:
            return json.dumps(_filled(body["json"], self._names)).encode()
        if "text" in body:
            return str(_filled(body["text"], self._names)).encode()
        if "base64" in body:
            return base64.b64decode(body["base64"])
        data = input_bytes(body["file"])
        if "slice" in body:
            data = data[slice(*body["slice"])]
        return gzip.compress(data, mtime=0) if body.get("gzip") else data

    def _wait(self, wait: Mapping[str, Any]) -> None:
        """Ask until a value of an answer is one of those that are waited for."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            answer = self._request("GET", _filled(wait["path"], self._names), {}, None)
            if _at(answer.body, wait["pointer"]) in wait["values"]:
                return
            time.sleep(0.03)


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    """``value`` with its variables replaced; what is nothing but a variable keeps the type of its value."""
    if isinstance(value, str):
        whole = _VARIABLE.fullmatch(value)
        if whole is not None and whole[1] in names:
            return names[whole[1]]
        return _VARIABLE.sub(lambda found: str(names.get(found[1], found[0])), value)
    if isinstance(value, list):
        return [_filled(one, names) for one in value]
    if isinstance(value, dict):
        return {_filled(key, names): _filled(one, names) for key, one in value.items()}
    return value


def _at(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), None where there is none; ``[key=text]`` chooses an item."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        try:
            if token.startswith("["):
                key, _, text = token[1:-1].partition("=")
                value = next(item for item in value if str(item.get(key)) == text)
            else:
                value = value[int(token) if isinstance(value, list) else token]
        except (KeyError, IndexError, ValueError, TypeError, StopIteration):
            return None
    return value
