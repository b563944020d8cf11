"""Texts that several change at the same time: nothing that was acknowledged is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import orjson

from orthanclite.services.worklists.versions import VersionedTexts


class MemoryProperties:
    """The port, in memory."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.lock = threading.Lock()

    def get_property(self, name: str) -> str | None:
        return self.known.get(name)

    def set_property(self, name: str, value: str | None) -> None:
        with self.lock:
            if value is None:
                self.known.pop(name, None)
            else:
                self.known[name] = value

    def add_property(self, name: str, value: str) -> str:
        with self.lock:
            return self.known.setdefault(name, value)

    def list_properties(self, prefix: str) -> dict[str, str]:
        with self.lock:
            return {name: value for name, value in self.known.items() if name.startswith(prefix)}

    def increment(self, name: str) -> int:
        raise NotImplementedError


def test_only_who_knows_the_last_version_replaces_it() -> None:
    texts = VersionedTexts(MemoryProperties(), "x/")
    assert texts.get("1.2") is None
    assert texts.replace("1.2", 0, "a")
    assert not texts.replace("1.2", 0, "b")
    found = texts.get("1.2")
    assert found is not None
    assert (found.number, found.text) == (1, "a")
    assert texts.replace("1.2", 1, "b")
    assert not texts.replace("1.2", 1, "c")
    assert texts.replace("1.23", 0, "other")
    assert [(name, one.text) for name, one in texts.all()] == [("1.2", "b"), ("1.23", "other")]
    texts.delete("1.2")
    assert [name for name, _ in texts.all()] == ["1.23"]


def test_who_was_asleep_does_not_win() -> None:
    """The version that he adds has been there, and is gone again."""
    properties = MemoryProperties()
    texts = VersionedTexts(properties, "x/")
    for number in range(5):
        assert texts.replace("n", number, f"text {number}")
    assert not texts.replace("n", 1, "late")
    found = texts.get("n")
    assert found is not None
    assert found.text == "text 4"
    assert len(properties.known) == 1


def test_many_who_add_to_one_text() -> None:
    texts = VersionedTexts(MemoryProperties(), "x/")
    texts.replace("n", 0, "[]")

    def add(mark: int) -> None:
        while True:
            found = texts.get("n")
            assert found is not None
            if texts.replace("n", found.number, orjson.dumps([*orjson.loads(found.text), mark]).decode()):
                return

    with ThreadPoolExecutor(8) as clients:
        list(clients.map(add, range(200)))
    found = texts.get("n")
    assert found is not None
    assert sorted(orjson.loads(found.text)) == list(range(200))
