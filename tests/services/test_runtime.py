"""Options that clients change while servers run."""

from __future__ import annotations

import pytest

from orthanclite.core.errors import DatabaseUnavailable, ParameterOutOfRange
from orthanclite.core.ports import MemoryRuntimeSettings
from orthanclite.services.server.runtime import RuntimeOptions


def pair() -> tuple[RuntimeOptions, RuntimeOptions, MemoryRuntimeSettings]:
    """Two servers that share what clients set."""
    settings = MemoryRuntimeSettings()
    return RuntimeOptions(settings=settings), RuntimeOptions(settings=settings), settings


def test_what_one_server_is_told_another_learns() -> None:
    first, second, _ = pair()
    first.set_default_encoding("Greek")
    first.unknown_sop_class_accepted = True
    first.accept_transfer_syntaxes(["1.2.840.10008.1.2"])
    assert (second.default_encoding.name, second.unknown_sop_class_accepted) == ("Latin1", False)
    second.refresh()
    assert (second.default_encoding.name, second.unknown_sop_class_accepted) == ("Greek", True)
    assert second.transfer_syntaxes == ("1.2.840.10008.1.2",)


def test_no_transfer_syntax_at_all_is_a_setting_too() -> None:
    first, second, _ = pair()
    first.accept_transfer_syntaxes(["9.9.9"])
    second.refresh()
    assert first.transfer_syntaxes == second.transfer_syntaxes == ()
    second.unknown_sop_class_accepted = True
    second.unknown_sop_class_accepted = False
    first.refresh()
    assert not first.unknown_sop_class_accepted


def test_a_server_that_starts_later_does_as_the_others() -> None:
    first, _, settings = pair()
    first.set_default_encoding("Thai")
    assert RuntimeOptions(settings=settings).default_encoding.name == "Thai"


def test_without_settings_the_configuration_decides() -> None:
    first, second, settings = pair()
    first.set_default_encoding("Thai")
    settings.clear()
    second.refresh()
    assert second.default_encoding.name == "Latin1"


def test_what_cannot_be_kept_does_not_hold() -> None:
    class Broken(MemoryRuntimeSettings):
        def set(self, name: str, value: str) -> None:
            raise DatabaseUnavailable

    options = RuntimeOptions(settings=Broken())
    with pytest.raises(DatabaseUnavailable):
        options.set_default_encoding("Thai")
    with pytest.raises(ParameterOutOfRange):
        options.set_default_encoding("Klingon")
    assert options.default_encoding.name == "Latin1"
