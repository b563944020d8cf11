"""Plays network scenarios against a server."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pydicom.dataset import Dataset
from pynetdicom import build_context, build_role, evt

from tests.parity.compare import Difference, shown
from tests.parity.network.inputs import CR, CT, MR, SR, dataset_of, file_of, orthanc_id
from tests.parity.network.messages import made_dataset, shown_message
from tests.parity.network.peers import Peer, listening
from tests.parity.recorded.marks import Matcher
from tests.support.ports import free_port
from tests.support.scu import Client
from tests.support.server import Server

FACTS = Path(__file__).with_name("facts")
SCENARIOS = sorted(path.stem for path in FACTS.glob("*.jsonl"))

_PLACE = re.compile(r"\$(\w*)\(([^()]*)\)")
_PATIENCE = 60.0  # seconds
_QR = "1.2.840.10008.5.1.4.1.2."
CLASSES = {
    "echo": "1.2.840.10008.1.1",
    "ct": CT,
    "mr": MR,
    "cr": CR,
    "sr": SR,
    "sc": "1.2.840.10008.5.1.4.1.1.7",
    "commit": "1.2.840.10008.1.20.1",
    **{f"find-{root}": f"{_QR}{number}.1" for root, number in (("p", 1), ("s", 2))},
    **{f"move-{root}": f"{_QR}{number}.2" for root, number in (("p", 1), ("s", 2))},
    **{f"get-{root}": f"{_QR}{number}.3" for root, number in (("p", 1), ("s", 2))},
}
_SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big": "1.2.840.10008.1.2.2",
    "rle": "1.2.840.10008.1.2.5",
    "jpeg1": "1.2.840.10008.1.2.4.50",
}
HEADERS = ("content-type", "location", "allow", "content-disposition")
NEVER_COMPARED = (
    *("Details", "ErrorDetails", "ErrorDescription", "Description", "HttpError", "HttpStatus"),
    "PixelDataOffset",
)
"""Members of JSON that are free texts, or follow from the rest and the name of the implementation."""


class Scenario:
    """One recording."""

    def __init__(self, name: str) -> None:
        head, *self._steps = [json.loads(line) for line in (FACTS / f"{name}.jsonl").read_text().splitlines()]
        self.name = name
        self._config: dict[str, Any] = head["config"]
        self._peers: dict[str, Any] = head["peers"]

    def play(self, made: Any) -> list[Difference]:
        """All differences between what is recorded and what the server does.

        :param made: makes a running server of a configuration, as a context manager
        """
        with ExitStack() as stack:
            peers = {
                name: stack.enter_context(listening(one["role"], one["script"]))
                for name, one in self._peers.items()
            }
            player = _Player(peers)
            config = {"DicomAet": "SUT", "Name": "SUT", "DicomPort": player.dicom_port}
            player.server = stack.enter_context(made(player.filled(self._config) | config))
            found = [player.play(step["do"]) for step in self._steps]
        matcher = Matcher()
        for matcher.ignores_sets in (True, False):
            differences = [
                Difference(
                    f"{self.name} {step['n']}: {json.dumps(step['do'])[:300]}",
                    where,
                    shown(actual),
                    shown(expected),
                )
                for step, came in zip(self._steps, found, strict=True)
                if "seen" in step
                for where, expected, actual in matcher.differences(
                    player.filled({"seen": step["seen"], "peers": step["peers"]}), came, "step"
                )
            ]
        return differences


class _Player:
    server: Server

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self.dicom_port, self._dead_port = free_port(), free_port()
        self._saved: dict[str, Any] = {}

    def play(self, do: Mapping[str, Any]) -> dict[str, Any]:
        """What comes of a step."""
        seen = None
        if "upload" in do:
            seen = [self._upload(name) for name in do["upload"]]
        elif "rest" in do:
            seen = self._rest(do)
        elif "job" in do:
            seen = self._job(self.filled(do["job"]))
        elif "scu" in do:
            seen = self._associate(self.filled(do["scu"]), self.filled(do["ops"]))
        elif "peer" in do:
            self._peers[do["peer"]].script = self.filled(do.get("script", {}))
        drained = {} if do.get("deferred") else {name: peer.drain() for name, peer in self._peers.items()}
        return {"seen": seen, "peers": {name: calls for name, calls in drained.items() if calls}}

    def filled(self, value: Any) -> Any:
        """``value`` with its places filled; what is nothing but a place keeps the type of its value."""
        if isinstance(value, str):
            whole = _PLACE.fullmatch(value)
            if whole is not None:
                return self._value(whole)
            return _PLACE.sub(lambda place: str(self._value(place)), value)
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, dict):
            return {self.filled(key): self.filled(one) for key, one in value.items()}
        return value

    def _value(self, place: re.Match[str]) -> Any:
        kind, name = place.groups()
        if kind == "port":
            if name == "DEAD":
                return self._dead_port
            return self.dicom_port if name == "SUT.dicom" else self._peers[name].port
        return orthanc_id(kind, name) if kind else self._saved.get(name, f"not-saved-{name}")

    def _upload(self, name: str) -> Any:
        answer = self.server.client.post("/instances", content=file_of(name))
        return [name, answer.status_code, answer.json().get("Status")]

    def _rest(self, do: Mapping[str, Any]) -> dict[str, Any]:
        method, path, *bodies = self.filled(do["rest"])
        content = None
        if bodies:
            content = bodies[0] if isinstance(bodies[0], str) else json.dumps(bodies[0])
        answer = self.server.client.request(method, path, content=content)
        for name, route in do.get("save", {}).items() if answer.is_success else ():
            value = answer.json()
            for key in route:
                value = value[key]
            self._saved[name] = value
        return _shown_answer(answer)

    def _job(self, id: str) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self.server.client.get(f"/jobs/{id}")
            is_over = answer.json().get("State") in ("Success", "Failure", "Paused")
            if is_over or time.monotonic() > deadline:
                return {"status": answer.status_code, "body": {"json": reduced(answer.json())}}
            time.sleep(0.02)

    def _associate(self, scu: Mapping[str, Any], ops: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Do operations over an association; the messages that came for each."""
        received: list[list[dict[str, Any]]] = []
        replies: list[dict[str, Any]] = []

        def note(event: Any) -> None:
            message = event.message
            syntax = event.assoc._accepted_cx[message.context_id].transfer_syntax[0]
            received[-1].append(shown_message(message.command_set, message.data_set.getvalue(), str(syntax)))

        application = Client(scu.get("calling", "SCU"))
        application.dimse_timeout = application.acse_timeout = _PATIENCE
        contexts = [
            build_context(
                CLASSES[uid], [_SYNTAXES[one] for one in (syntaxes or [["implicit", "explicit"]])[0]]
            )
            for uid, *syntaxes in scu["contexts"]
        ]
        association = application.associate(
            "127.0.0.1",
            self.dicom_port,
            contexts=contexts,
            ae_title=scu.get("called", "SUT"),
            ext_neg=[
                build_role(CLASSES[uid], scu_role, scp_role)
                for uid, scu_role, scp_role in scu.get("roles", ())
            ],
            evt_handlers=[(evt.EVT_DIMSE_RECV, note), (evt.EVT_C_STORE, partial(_take, replies))],
        )
        assert association.is_established
        for op in ops:
            received.append([])
            replies[:] = op.get("replies", [{}])
            _operate(association, op)
        association.release()
        return received


def _operate(association: Any, op: Mapping[str, Any]) -> None:
    kind = op["op"]
    if kind == "echo":
        association.send_c_echo(op.get("id", 1))
    elif kind == "store":
        dataset = _changed(dataset_of(op["input"]), op)
        association.send_c_store(dataset, op.get("id", 1), op.get("priority", 2))
    elif kind == "action":
        instance = "1.2.840.10008.1.20.1.1"
        association.send_n_action(made_dataset(op["data"]), 1, CLASSES["commit"], instance)
    else:
        query, model, id = made_dataset(op["query"]), CLASSES[op["model"]], op.get("id", 1)
        if kind == "move":
            responses = association.send_c_move(query, op["to"], model, id, op.get("priority", 2))
        else:
            ask = association.send_c_find if kind == "find" else association.send_c_get
            responses = ask(query, model, id, op.get("priority", 2))
        for _ in responses:
            pass


def _changed(dataset: Dataset, op: Mapping[str, Any]) -> Dataset:
    changed = copy.deepcopy(dataset)
    for name, value in op.get("set", {}).items():
        setattr(changed, name, value)
    for name in op.get("remove", ()):
        delattr(changed, name)
    return changed


def _take(replies: list[dict[str, Any]], _event: Any) -> int:
    """The status for an instance that a C-GET has brought."""
    reply = replies.pop(0) if len(replies) > 1 else replies[0]
    return int(reply.get("status", "0000"), 16)


def _shown_answer(answer: httpx.Response) -> dict[str, Any]:
    seen: dict[str, Any] = {"status": answer.status_code}
    headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    if headers:
        seen["headers"] = headers
    if answer.content:
        try:
            seen["body"] = {"json": reduced(answer.json())}
        except ValueError:
            seen["body"] = {"text": answer.text}
    return seen


def reduced(value: Any) -> Any:
    """JSON without what is never compared."""
    if isinstance(value, list):
        return [reduced(one) for one in value]
    if isinstance(value, dict):
        return {key: reduced(one) for key, one in value.items() if key not in NEVER_COMPARED}
    return value
