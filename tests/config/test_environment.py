"""Environment variables and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from orthanclite.config import Settings, load
from orthanclite.config.environment import Override, overrides, variable_name
from orthanclite.config.settings import all_rows
from orthanclite.config.table import nested, rows
from orthanclite.core.errors import BadFileFormat, BadParameterType

PATHS = [
    *((row.key.name,) for row in all_rows()),
    *((*path, row.key.name) for path, section in nested(Settings) for row in rows(section.type)),
]


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_every_key_has_a_variable(path: tuple[str, ...], tmp_path: Path) -> None:
    name = variable_name(path)
    (override,) = overrides({name: "1"}, tmp_path)
    assert override.path == path
    assert name in override.source


def test_every_variable_sets_one_key() -> None:
    assert len({variable_name(path) for path in PATHS}) == len(PATHS)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("ORTHANC__NAME", ("Name",)),
        ("ORTHANC__DICOM_AET", ("DicomAet",)),
        ("ORTHANC__AUTHENTICATION_ENABLED", ("AuthenticationEnabled",)),
        ("ORTHANC__POSTGRESQL__ENABLE_INDEX", ("PostgreSQL", "EnableIndex")),
        ("ORTHANC__CASE_SENSITIVE_PN", ("CaseSensitivePN",)),
        ("ORTHANC__HTTPS_CA_CERTIFICATES", ("HttpsCACertificates",)),
        ("ORTHANC__STORE_MD5_FOR_ATTACHMENTS", ("StoreMD5ForAttachments",)),
        (
            "ORTHANC__ORTHANC_EXPLORER_2__UI_OPTIONS__ENABLE_UPLOAD",
            ("OrthancExplorer2", "UiOptions", "EnableUpload"),
        ),
        ("ORTHANC__DICOM_WEB__STUDIES_METADATA", ("DicomWeb", "StudiesMetadata")),
    ],
)
def test_names_are_those_of_the_image(name: str, path: tuple[str, ...], tmp_path: Path) -> None:
    (override,) = overrides({name: "x"}, tmp_path)
    assert override.path == path


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ORTHANC__HTTP_PORT", "8043", 8043),
        ("ORTHANC__SSL_ENABLED", "true", True),
        ("ORTHANC__REGISTERED_USERS", '{"a": "b"}', {"a": "b"}),
        ("ORTHANC__NAME", "My server", "My server"),
        ("ORTHANC__NAME", '"quoted"', "quoted"),
        ("ORTHANC__POSTGRESQL__PASSWORD", "12345", "12345"),
        ("ORTHANC__POSTGRESQL__PASSWORD", "true", "true"),
        ("ORTHANC__INDEX_DIRECTORY", "2024", "2024"),
    ],
)
def test_values_are_json_where_they_can_be(name: str, text: str, value: object, tmp_path: Path) -> None:
    (override,) = overrides({name: text}, tmp_path)
    assert override.value == value


def test_variables_replace_values_and_join_objects(tmp_path: Path) -> None:
    file = tmp_path / "orthanc.json"
    file.write_text('{"Name": "file", "DicomModalities": {"a": ["A", "h", 1]}, "PostgreSQL": {"Host": "x"}}')
    environment = {
        "ORTHANC_JSON": '{"Name": "json", "HttpPort": 1, /* comment */ "PostgreSQL": {"Database": "d"}}',
        "ORTHANC__NAME": "variable",
        "ORTHANC__DICOM_MODALITIES": '{"b": ["B", "h", 2]}',
        "ORTHANC__POSTGRESQL__PORT": "5433",
        "OTHER__NAME": "nothing",
    }
    settings = load([file], environment, tmp_path).settings
    assert settings.name == "variable"
    assert settings.http.port == 1
    assert sorted(settings.dicom.modalities) == ["a", "b"]
    postgresql = settings.postgresql
    assert (postgresql.host, postgresql.database, postgresql.port) == ("x", "d", 5433)


def test_errors_name_the_variable(tmp_path: Path) -> None:
    with pytest.raises(BadParameterType, match="ORTHANC__HTTP_PORT must be an integer"):
        load([], {"ORTHANC__HTTP_PORT": "many"}, tmp_path)
    with pytest.raises(BadFileFormat, match="ORTHANC_JSON"):
        load([], {"ORTHANC_JSON": "{"}, tmp_path)


def test_unknown_variables_are_reported(tmp_path: Path) -> None:
    (warning,) = load([], {"ORTHANC__NO_SUCH_KEY": "1"}, tmp_path).warnings
    assert '"NoSuchKey"' in warning
    assert "ORTHANC__NO_SUCH_KEY" in warning


def test_secrets_are_read_from_their_files(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("s3cret\n")
    (tmp_path / "ORTHANC__NAME").write_text("secret name\n")
    (tmp_path / "unrelated").write_text("x")
    settings = load([], {"ORTHANC__POSTGRESQL__PASSWORD_SECRET": "db"}, tmp_path).settings
    assert settings.postgresql.password == "s3cret"
    assert settings.name == "secret name"


def test_a_missing_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileFormat, match="secret"):
        load([], {"ORTHANC__POSTGRESQL__PASSWORD_SECRET": "absent"}, tmp_path)


def test_a_whole_configuration_has_no_path(tmp_path: Path) -> None:
    (override,) = overrides({"ORTHANC_JSON": '{"Name": "x"}'}, tmp_path)
    assert override == Override((), {"Name": "x"}, "the environment variable ORTHANC_JSON")
