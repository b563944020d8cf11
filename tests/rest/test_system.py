"""What the server tells of itself: /system, /statistics, /plugins and the lists of operations."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

SYSTEM = {
    "ApiVersion": 31,
    "Capabilities": {"HasExtendedChanges": True, "HasExtendedFind": True},
    "CheckRevisions": False,
    "DicomDefaultRetrieveMethod": "C-MOVE",
    "DicomAet": "ORTHANC",
    "HasLabels": True,
    "IngestTranscoding": "",
    "IsHttpServerSecure": True,
    "MaximumPatientCount": 0,
    "MaximumStorageMode": "Recycle",
    "MaximumStorageSize": 0,
    "Name": "MyOrthanc",
    "OverwriteInstances": False,
    "OverwriteInstancesMode": "Never",
    "PatientLevelEnabled": True,
    "Performance": {"ConcurrentJobs": 2, "DicomThreadsCount": 4, "HttpThreadsCount": 50},
    "PluginsEnabled": True,
    "ReadOnly": False,
    "StorageAreaPlugin": None,
    "StorageCompression": False,
    "StoreMD5ForAttachments": True,
    "ThirdPartyPatches": [],
    "UserMetadata": {},
    "Version": "1.13.0",
}


def test_system_of_a_server_without_a_configuration(server: Server) -> None:
    system: dict[str, Any] = server.get("/system")
    postgresql = "PostgreSQL" in server.config
    assert system.pop("DatabaseBackendPlugin") == ("postgresql-index" if postgresql else None)
    assert isinstance(system.pop("DatabaseVersion"), int)
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{8}){4}", system.pop("DatabaseServerIdentifier"))
    versions = system.pop("ThirdPartyVersions")
    assert versions["sqlite"] == sqlite3.sqlite_version
    assert versions["pydicom"] == pydicom.__version__
    main_tags = system.pop("MainDicomTags")
    assert main_tags["Patient"] == "0010,0010;0010,0020;0010,0030;0010,0040;0010,1000"
    assert set(main_tags) == {"Patient", "Study", "Series", "Instance"}
    assert (system.pop("HttpPort"), system.pop("DicomPort")) == (server.http_port, server.dicom_port)
    assert system == SYSTEM


def test_system_follows_the_configuration(tmp_path: Path) -> None:
    config = {
        "Name": "Ward 7",
        "DicomAet": "WARD7",
        "CheckRevisions": True,
        "MaximumPatientCount": 7,
        "MaximumStorageSize": 1000,
        "MaximumStorageMode": "Reject",
        "OverwriteInstances": True,
        "StorageCompression": True,
        "DatabaseServerIdentifier": "seven",
        "UserMetadata": {"ward": 1030},
        "ExtraMainDicomTags": {"Patient": ["PatientComments"]},
        "IngestTranscoding": "1.2.840.10008.1.2.1",
        "RemoteAccessAllowed": True,
        "AuthenticationEnabled": False,
    }
    with running(orthanclite(tmp_path, config)) as server:
        system = server.get("/system")
    for key in set(config) - {
        "UserMetadata",
        "ExtraMainDicomTags",
        "RemoteAccessAllowed",
        "AuthenticationEnabled",
    }:
        assert system[key] == config[key], key
    assert system["UserMetadata"] == {"ward": 1030}
    assert system["MainDicomTags"]["Patient"].endswith(";0010,4000")
    assert system["IsHttpServerSecure"] is False


def test_json_looks_as_in_the_reference(server: Server) -> None:
    answer = server.client.get("/plugins/gdcm")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    lines = answer.text.splitlines()
    assert lines[0] == "{"
    assert lines[1].startswith('   "Description" : "')
    assert lines[-1] == "}"
    assert not answer.text.endswith("\n")


def test_statistics(empty_server: Server) -> None:
    zero = dict.fromkeys(("CountInstances", "CountPatients", "CountSeries", "CountStudies"), 0)
    sizes = {
        "TotalDiskSize": "0",
        "TotalDiskSizeMB": 0,
        "TotalUncompressedSize": "0",
        "TotalUncompressedSizeMB": 0,
    }
    assert empty_server.get("/statistics") == {**zero, **sizes}
    files = [
        dicom_file(side=1024),
        dicom_file(instance="1.2.3.5"),
        dicom_file(series="1.2.4", instance="1.2.4.1"),
        dicom_file(patient="q", study="1.3", series="1.3.1", instance="1.3.1.1"),
    ]
    for data in files:
        empty_server.upload(data)
    total = sum(map(len, files))
    assert empty_server.get("/statistics") == {
        "CountInstances": 4,
        "CountPatients": 2,
        "CountSeries": 3,
        "CountStudies": 2,
        "TotalDiskSize": str(total),
        "TotalDiskSizeMB": 2,
        "TotalUncompressedSize": str(total),
        "TotalUncompressedSizeMB": 2,
    }


def test_plugins_are_the_capabilities_that_work(server: Server) -> None:
    plugins = server.get("/plugins")
    assert plugins == sorted(plugins)
    assert {"explorer.js", "gdcm"} <= set(plugins)
    assert ("postgresql-index" in plugins) is ("PostgreSQL" in server.config)
    for name in set(plugins) - {"explorer.js"}:
        shown = server.get(f"/plugins/{name}")
        assert set(shown) >= {"Description", "ExtendsOrthancExplorer", "ID", "Version"}
        assert shown["ID"] == name
        assert shown["Description"]
        assert all(part.isdigit() for part in shown["Version"].split("."))
    script = server.client.get("/plugins/explorer.js")
    assert script.headers["content-type"] == "application/javascript"


def test_an_unknown_plugin(server: Server) -> None:
    answer = server.client.get("/plugins/nope")
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("path", "some"),
    [
        ("/tools", {"now", "generate-uid", "log-level", "metrics-prometheus", "shutdown", "execute-script"}),
        ("/tools/log-level-http/", None),
        ("/modalities", set()),
    ],
)
def test_inner_nodes_list_their_operations(server: Server, path: str, some: set[str] | None) -> None:
    answer = server.client.get(path)
    assert answer.status_code == 200
    if some is not None:
        listed = answer.json()
        assert listed == sorted(listed)
        assert some <= set(listed)


def test_operations_of_an_instance(empty_server: Server) -> None:
    id = empty_server.upload(dicom_file(side=4))["ID"]
    listed = empty_server.get(f"/instances/{id}/frames/0")
    assert listed == sorted(listed)
    assert {"preview", "raw"} <= set(listed)
