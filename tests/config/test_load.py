"""Files, folders, merging, checks and warnings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orthanclite.config import Loaded, load
from orthanclite.config.sections.storage import MaximumStorageMode
from orthanclite.core.errors import (
    BadFileFormat,
    BadParameterType,
    IncompatibleConfigurations,
    OrthancError,
    ParameterOutOfRange,
)
from orthanclite.core.levels import Level
from orthanclite.core.model import OverwriteMode
from orthanclite.core.remotes.registry import Manufacturer

Configure = Callable[..., Loaded]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Load a configuration given as a dictionary, with an environment of its own."""

    def configure(content: dict[str, Any] | None = None, **environment: str) -> Loaded:
        path = tmp_path / "orthanc.json"
        path.write_text(json.dumps(content or {}), encoding="utf-8")
        return load([path], environment, tmp_path / "secrets")

    return configure


def test_without_a_configuration_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load([], {}, tmp_path)
    assert loaded.warnings == ()
    assert loaded.settings.http.port == 8042
    assert loaded.settings.dicom.aet == "ORTHANC"
    assert loaded.settings.storage.directory == Path("OrthancStorage")
    assert not loaded.settings.access.authentication_enabled


def test_the_files_of_a_folder_are_joined(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"Name": "b"}')
    (tmp_path / "a.json").write_text('{"HttpPort": 8043,} // comment')
    (tmp_path / "notes.txt").write_text("not JSON")
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.json").write_text('{"DicomPort": 4243}')
    settings = load([tmp_path, other / "c.json"], {}, tmp_path / "secrets").settings
    assert (settings.name, settings.http.port, settings.dicom.port) == ("b", 8043, 4243)


@pytest.mark.parametrize("aet", ["MY AET", "A", "A" * 16])
def test_an_aet_may_have_blanks_and_up_to_16_characters(configure: Configure, aet: str) -> None:
    assert configure({"DicomAet": aet}).settings.dicom.aet == aet


def test_two_files_may_not_define_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"DicomModalities": {}}')
    (tmp_path / "b.json").write_text('{"DicomModalities": {}}')
    with pytest.raises(BadFileFormat, match=r'"DicomModalities" is defined in 2 .*a\.json.*b\.json'):
        load([tmp_path], {}, tmp_path / "secrets")


def test_relative_paths_refer_to_the_folder_of_the_configuration(
    configure: Configure, tmp_path: Path
) -> None:
    loaded = configure({"StorageDirectory": "files", "SslCertificate": "/etc/ssl/a.pem"})
    assert loaded.settings.storage.directory == tmp_path / "files"
    assert loaded.settings.storage.index_folder == tmp_path / "files"
    assert loaded.settings.access.ssl_certificate == Path("/etc/ssl/a.pem")
    assert loaded.settings.access.ssl_trusted_clients == tmp_path / "trustedClientCertificates.pem"


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileFormat, match="does not exist"):
        load([tmp_path / "absent"], {}, tmp_path)


def test_values_arrive_typed(configure: Configure) -> None:
    settings = configure(
        {
            "MaximumStorageMode": "Reject",
            "OverwriteInstances": "IfChanged",
            "HttpBindAddresses": ["127.0.0.1"],
            "UserMetadata": {"mine": 1024},
            "UserContentType": {"a": 1024, "b": [1025, "application/pdf"]},
            "ExtraMainDicomTags": {"Instance": ["Rows", "0028,0011"]},
            "Dictionary": {"00e1,c2": ["UI", "PET-CT Multi Modality Name", 1, 1, "ELSCINT1"]},
            "DicomModalities": {"pacs": ["PACS", "10.0.0.1", 104, "SyngoVia"]},
            "OrthancPeers": {"other": ["http://localhost:8043", "alice", "secret"]},
            "Warnings": {"W001_TagsBeingReadFromStorage": False},
            "PostgreSQL": {"EnableIndex": True, "Port": 5433},
        }
    ).settings
    assert settings.storage.maximum_mode is MaximumStorageMode.REJECT
    assert settings.storage.overwrite is OverwriteMode.IF_CHANGED
    assert settings.http.bind_addresses == ("127.0.0.1",)
    assert settings.data.user_metadata == {"mine": 1024}
    assert settings.data.user_content_types["b"].mime == "application/pdf"
    assert settings.data.extra_main_tags == {Level.INSTANCE: ("Rows", "0028,0011")}
    assert settings.data.dictionary[0].private_creator == "ELSCINT1"
    assert settings.data.dictionary[0].element == 0xC2
    assert settings.dicom.modalities["pacs"].manufacturer is Manufacturer.GENERIC_NO_WILDCARD_IN_DATES
    assert settings.dicom.peers["other"].password == "secret"
    assert not settings.warnings.tags_read_from_storage
    assert settings.warnings.decoder_failure
    assert (settings.postgresql.enable_index, settings.postgresql.port) == (True, 5433)


@pytest.mark.parametrize(("value", "mode"), [(True, OverwriteMode.ALWAYS), (False, OverwriteMode.NEVER)])
def test_overwrite_was_a_boolean_once(configure: Configure, value: bool, mode: OverwriteMode) -> None:
    assert configure({"OverwriteInstances": value}).settings.storage.overwrite is mode


WRONG: list[tuple[dict[str, Any], type[OrthancError], str]] = [
    ({"HttpPort": "8042"}, BadParameterType, '"HttpPort" in .*orthanc.json" must be an integer'),
    ({"HttpPort": True}, BadParameterType, "an integer, found the Boolean true"),
    ({"HttpPort": 0}, ParameterOutOfRange, "at least 1"),
    ({"HttpPort": 65536}, ParameterOutOfRange, "at most 65535"),
    ({"Name": 3}, BadParameterType, "a string, found the number 3"),
    ({"Name": None}, BadParameterType, "a string, found null"),
    ({"SslEnabled": 1}, BadParameterType, "a Boolean"),
    ({"StableAge": 1.5}, BadParameterType, "an integer"),
    ({"AcceptedTransferSyntaxes": "1.2"}, BadParameterType, "an array of strings"),
    ({"AcceptedTransferSyntaxes": [1]}, BadParameterType, "a string"),
    ({"RegisteredUsers": ["alice"]}, BadParameterType, "an object, found an array"),
    ({"RegisteredUsers": {"alice": 1}}, BadParameterType, r"RegisteredUsers\.alice"),
    ({"PostgreSQL": True}, BadParameterType, '"PostgreSQL" in .* must be an object'),
    ({"PostgreSQL": {"Port": "5432"}}, BadParameterType, r"PostgreSQL\.Port"),
    ({"MaximumStorageMode": "Delete"}, ParameterOutOfRange, "one of Recycle, Reject"),
    ({"DefaultEncoding": "Klingon"}, ParameterOutOfRange, "one of Ascii, Utf8"),
    ({"OverwriteInstances": "Sometimes"}, ParameterOutOfRange, "OverwriteInstances.*IfChanged"),
    ({"DicomAet": "A" * 17}, ParameterOutOfRange, "longer than 16"),
    ({"DicomAet": ""}, ParameterOutOfRange, "cannot be empty"),
    ({"MaximumPduLength": 100}, ParameterOutOfRange, "at least 4096"),
    ({"UserMetadata": {"a": 12}}, ParameterOutOfRange, '"a" must be between 1024 and 65535'),
    ({"UserMetadata": {"a": 1024, "b": 1024}}, ParameterOutOfRange, "same number"),
    ({"UserContentType": {"a": [1024]}}, BadFileFormat, "MIME"),
    ({"ExtraMainDicomTags": {"Frame": []}}, ParameterOutOfRange, "not a level"),
    ({"Dictionary": {"zzzz,0010": ["LO", "X"]}}, BadFileFormat, "not a DICOM tag"),
    ({"Dictionary": {"0010,0010": ["lo", "X"]}}, BadFileFormat, "value representation"),
    ({"DicomModalities": {"a b": ["A", "h", 1]}}, BadFileFormat, 'symbolic name "a b"'),
    ({"DicomModalities": {"a": ["A", "h"]}}, BadFileFormat, r'"a": must be \[ "AET"'),
    ({"DicomModalities": {"a": ["A", "h", 1, "X"]}}, ParameterOutOfRange, "Unknown modality manufacturer"),
    ({"OrthancPeers": {"a": []}}, BadFileFormat, r'"a": must be \[ "url" \]'),
    ({"MallocArenaMax": "5"}, BadParameterType, "an integer"),
    ({"LuaScripts": ["a.lua"]}, IncompatibleConfigurations, "Lua"),
    ({"Plugins": ["/usr/lib/libOrthancDicomWeb.so"]}, IncompatibleConfigurations, "native plugins"),
    ({"Pkcs11": {"Module": "x.so"}}, IncompatibleConfigurations, "PKCS#11"),
    ({"ExternalDictionaries": ["a.dic"]}, IncompatibleConfigurations, "Dictionar|dictionar"),
    ({"PostgreSQL": {"EnableStorage": True}}, IncompatibleConfigurations, "StorageDirectory"),
]


@pytest.mark.parametrize(("content", "error", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_what_cannot_be_honoured_is_refused(
    configure: Configure, content: dict[str, Any], error: type[OrthancError], message: str
) -> None:
    with pytest.raises(error, match=message):
        configure(content)


def test_folders_without_native_plugins_do_no_harm(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    configure({"Plugins": [str(tmp_path / "empty"), str(tmp_path / "absent")]})
    (tmp_path / "empty" / "libX.so").touch()
    with pytest.raises(IncompatibleConfigurations):
        configure({"Plugins": [str(tmp_path / "empty")]})


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"Nam": "x"}, '"Nam"'),
        ({"PostgreSQL": {"Hots": "x"}}, r'"PostgreSQL\.Hots"'),
        ({"Warnings": {"W999": True}}, r'"Warnings\.W999"'),
        ({"DicomModalities": {"a": {"AET": "A", "Host": "h", "Port": 1, "Colour": 1}}}, r"a\.Colour"),
    ],
)
def test_unknown_keys_are_reported_by_name(configure: Configure, content: dict[str, Any], name: str) -> None:
    (warning,) = configure(content).warnings
    assert warning.startswith("Unknown configuration option")
    assert name.replace("\\", "") in warning
    assert "orthanc.json" in warning


def test_keys_without_effect_are_reported_unless_they_ask_for_nothing(configure: Configure) -> None:
    assert configure({"MallocArenaMax": 5, "LuaHeartBeatPeriod": 0}).warnings == ()
    warnings = configure({"MallocArenaMax": 2, "LuaHeartBeatPeriod": 11}).warnings
    assert len(warnings) == 2
    assert all("has no effect" in warning for warning in warnings)


def test_job_types_whose_threads_are_not_counted_are_reported(configure: Configure) -> None:
    counted = {"ResourceModification": 2, "OrthancPeerStore": 1}
    assert configure({"JobsEngineThreadsCount": counted}).warnings == ()
    (warning,) = configure({"JobsEngineThreadsCount": counted | {"Archive": 3}}).warnings
    assert 'Unknown configuration option "JobsEngineThreadsCount.Archive"' in warning


def test_remote_access_turns_authentication_on(configure: Configure) -> None:
    loaded = configure({"RemoteAccessAllowed": True, "RegisteredUsers": {"alice": "secret"}})
    access = loaded.settings.access
    assert access.authentication_enabled
    assert access.registered_users == {"alice": "secret"}
    assert access.secure
    assert not any("INSECURE" in warning for warning in loaded.warnings)
    assert "secret" not in repr(loaded.settings)


@pytest.mark.parametrize("more", [{}, {"AuthenticationEnabled": True}, {"RegisteredUsers": {}}])
def test_remote_access_needs_a_user(configure: Configure, more: dict[str, Any]) -> None:
    with pytest.raises(IncompatibleConfigurations, match="no user is registered"):
        configure({"RemoteAccessAllowed": True, **more})


def test_local_access_needs_no_user(configure: Configure) -> None:
    loaded = configure({"AuthenticationEnabled": True})
    assert loaded.settings.access.registered_users == {}
    assert any("nobody can log in" in warning for warning in loaded.warnings)


def test_remote_access_without_authentication_is_reported(configure: Configure) -> None:
    loaded = configure({"RemoteAccessAllowed": True, "AuthenticationEnabled": False})
    assert not loaded.settings.access.authentication_enabled
    assert not loaded.settings.access.secure
    assert any("POSSIBLY INSECURE" in warning for warning in loaded.warnings)


def test_the_file_of_defaults_is_the_weakest(configure: Configure, tmp_path: Path) -> None:
    defaults = tmp_path / "defaults"
    defaults.write_text('{"Name": "default", "HttpPort": 1, "DicomPort": 2}')
    settings = configure(
        {"HttpPort": 3}, ORTHANCLITE_DEFAULTS=str(defaults), ORTHANC__DICOM_PORT="4"
    ).settings
    assert (settings.name, settings.http.port, settings.dicom.port) == ("default", 3, 4)


DOCKER = Path(__file__).parents[2] / "docker" / "defaults.json"


@pytest.mark.parametrize(
    "environment",
    [
        {"ORTHANC__REGISTERED_USERS": '{"alice": "secret"}'},
        {"ORTHANC__AUTHENTICATION_ENABLED": "false"},
        {"ORTHANC__REMOTE_ACCESS_ALLOWED": "false"},
    ],
)
def test_the_image_starts_with_users_or_where_it_is_told_to_need_none(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    load([tmp_path], {"ORTHANCLITE_DEFAULTS": str(DOCKER), **environment}, tmp_path / "secrets")


def test_the_image_does_not_start_open(tmp_path: Path) -> None:
    with pytest.raises(IncompatibleConfigurations, match="RegisteredUsers"):
        load([tmp_path], {"ORTHANCLITE_DEFAULTS": str(DOCKER)}, tmp_path / "secrets")
