"""The four levels and their names."""

from __future__ import annotations

import pytest

from orthanclite.core.errors import ParameterOutOfRange
from orthanclite.core.levels import Level


def test_names_lead_back() -> None:
    for level in Level:
        for name in (level.label, level.plural, level.label.upper(), f" {level.plural} "):
            assert Level.parse(name) is level
    assert Level.parse("IMAGE") is Level.parse("images") is Level.INSTANCE


def test_parents_and_children() -> None:
    assert Level.PATIENT.parent is None
    assert Level.INSTANCE.child is None
    for level in Level:
        if level.child is not None:
            assert level.child.parent is level
            assert level.children_label == level.child.plural.capitalize()


@pytest.mark.parametrize("text", ["", "frame", "1", "pati ent", "Patient\0"])
def test_other_names(text: str) -> None:
    with pytest.raises(ParameterOutOfRange, match="Unknown resource level"):
        Level.parse(text)
