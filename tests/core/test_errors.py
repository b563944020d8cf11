"""The tree of errors, and the codes and texts that clients know."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from orthanclite.core import errors
from orthanclite.core.error_codes import ERROR_MESSAGES
from orthanclite.core.errors import OrthancError, error_named


def tree(root: type[OrthancError] = OrthancError) -> Iterator[type[OrthancError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize("error", list(tree()), ids=lambda error: error.__name__)
def test_each_error(error: type[OrthancError]) -> None:
    assert 400 <= error.status < 600
    assert error.code in ERROR_MESSAGES
    assert error.message
    assert (str(error("why")), error("why").details) == ("why", "why")
    assert (str(error()), error().details) == (error.message, "")
    assert error_named(error.__name__) is error


def test_the_tree_is_drawn_whole() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn | {"OrthancError"} >= {
        error.__name__ for error in tree() if not error.__name__.startswith("CreateDicom")
    }


@pytest.mark.parametrize("name", ["", "Nothing", "Exception", "ClassVar", "__name__"])
def test_unknown_names_give_the_general_error(name: str) -> None:
    assert error_named(name) is OrthancError
