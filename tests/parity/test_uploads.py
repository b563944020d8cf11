"""Uploads: the answers to every file of the corpus, to broken files, archives, copies."""

from __future__ import annotations

from tests.parity.compare import differences, report
from tests.parity.conftest import Pair
from tests.parity.differences import unexpected


def test_every_file_of_the_corpus(pair: Pair) -> None:
    found = [
        difference
        for name, (ours, reference) in pair.uploads.items()
        for difference in unexpected(differences(f"POST /instances {name}", ours, reference))
    ]
    assert not found, report(found)


def test_the_same_resources_exist(pair: Pair) -> None:
    for level in ("patients", "studies", "series", "instances"):
        assert pair.ids(level)
