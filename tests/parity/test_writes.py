"""Routes that write: the same requests to both servers, and the state they leave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parity.compare import Difference, report
from tests.parity.conftest import Pair
from tests.parity.corpus import Sample

# No stable events: they would number the changes by the clock.
SERVER_CONFIG = {"StableAge": 3600}

Step = tuple[str, str] | tuple[str, str, dict[str, Any]]
LEVELS = ("patients", "studies", "series", "instances")


@pytest.fixture
def stored(empty_pair: Pair, samples: dict[str, Sample]) -> dict[str, str]:
    """The identifiers of one instance and of its parents, by level; others are stored beside them."""
    for name in ("made/image-grey16", "made/series-volume-0", "made/series-volume-1", "bundled/CT_small.dcm"):
        empty_pair.upload(samples[name])
    answer = empty_pair.uploads["made/series-volume-0"][0].json()
    parents = {"patients": "ParentPatient", "studies": "ParentStudy", "series": "ParentSeries"}
    return {**{level: answer[key] for level, key in parents.items()}, "instances": answer["ID"]}


def play(pair: Pair, steps: list[Step]) -> None:
    """Send one request after the other to both."""
    found: list[Difference] = []
    for method, path, *arguments in steps:
        found += pair.differences(method, path, **(arguments[0] if arguments else {}))
    assert not found, report(found)


def text(content: str | bytes, **headers: str) -> dict[str, Any]:
    return {"content": content, "headers": {key.replace("_", "-"): value for key, value in headers.items()}}


@pytest.mark.parametrize("level", LEVELS)
def test_metadata(empty_pair: Pair, stored: dict[str, str], level: str) -> None:
    base = f"/{level}/{stored[level]}/metadata"
    etag = '"1-7f46165474d11ee5836777d85df2cdab"'  # of revision 1 with the value "two"
    play(
        empty_pair,
        [
            ("PUT", f"{base}/1234", text("one")),
            ("GET", f"{base}/1234"),
            ("PUT", f"{base}/parity-note", text("note é".encode())),
            ("GET", f"{base}/parity-note"),
            ("GET", f"{base}/4321"),
            ("PUT", f"{base}/4321", text("")),
            ("GET", f"{base}/parity-note"),
            ("PUT", f"{base}/1234", text("two")),
            ("GET", f"{base}/1234", text("", If_None_Match=etag)),
            ("GET", f"{base}/1234", text("", If_None_Match='"0-x"')),
            ("DELETE", f"{base}/parity-note"),
            ("DELETE", f"{base}/parity-note"),
            ("GET", f"{base}/parity-note"),
            ("PUT", f"{base}/LastUpdate", text("x")),
            ("PUT", f"{base}/12", text("x")),
            ("PUT", f"{base}/70000", text("x")),
            ("PUT", f"{base}/nonsense", text("x")),
            ("DELETE", f"{base}/LastUpdate"),
            ("DELETE", f"{base}/1234"),
            ("PUT", f"{base}/1234", text("three")),
            ("GET", f"{base}/1234"),
            ("POST", f"{base}/1234", text("x")),
            ("GET", "/changes?since=0&limit=200"),
        ],
    )


@pytest.mark.parametrize("level", LEVELS)
def test_attachments(empty_pair: Pair, stored: dict[str, str], level: str) -> None:
    base = f"/{level}/{stored[level]}/attachments"
    data = b"0123456789" * 30
    views = (
        "data",
        "size",
        "md5",
        "is-compressed",
        "compressed-size",
        "compressed-md5",
        "compressed-data",
        "info",
    )
    reads: list[Step] = [("GET", f"{base}/1234/{view}") for view in views]
    play(
        empty_pair,
        [
            ("PUT", f"{base}/1234", text(data)),
            *reads,
            ("GET", base),
            ("GET", f"{base}?full"),
            ("POST", f"{base}/1234/compress"),
            *reads,
            ("GET", "/statistics"),
            ("POST", f"{base}/1234/verify-md5"),
            ("POST", f"{base}/1234/compress"),
            ("POST", f"{base}/1234/uncompress"),
            *reads,
            ("PUT", f"{base}/parity-blob", text(b"")),
            ("GET", f"{base}/parity-blob/data"),
            ("PUT", f"{base}/dicom", text(b"x")),
            ("DELETE", f"{base}/dicom"),
            ("PUT", f"{base}/nonsense", text(b"x")),
            ("PUT", f"{base}/12", text(b"x")),
            ("PUT", f"{base}/70000", text(b"x")),
            ("DELETE", f"{base}/1234"),
            ("DELETE", f"{base}/1234"),
            ("GET", f"{base}/1234/data"),
            ("POST", f"{base}/1234/verify-md5"),
            ("POST", f"{base}/1234/compress"),
            ("GET", base),
        ],
    )


def test_the_dicom_attachment(empty_pair: Pair, stored: dict[str, str]) -> None:
    instance = stored["instances"]
    base = f"/instances/{instance}/attachments/dicom"
    play(
        empty_pair,
        [
            ("POST", f"{base}/compress"),
            ("GET", f"{base}/compressed-data"),
            ("GET", f"{base}/is-compressed"),
            ("GET", f"/instances/{instance}/file"),
            ("GET", f"/instances/{instance}/tags"),
            ("GET", f"/instances/{instance}/statistics"),
            ("POST", f"{base}/verify-md5"),
            ("POST", f"{base}/uncompress"),
            ("GET", f"{base}/data"),
        ],
    )


def test_protection(empty_pair: Pair, stored: dict[str, str]) -> None:
    path = f"/patients/{stored['patients']}/protected"
    bodies = ("1", "0", "true", "false", "yes", "", "2")
    steps: list[Step] = []
    for body in bodies:
        steps += [("PUT", path, text(body)), ("GET", path)]
    play(empty_pair, [*steps, ("PUT", "/patients/nonsense/protected", text("1")), ("POST", path)])


@pytest.mark.parametrize("level", LEVELS)
def test_deletion(empty_pair: Pair, stored: dict[str, str], level: str) -> None:
    path = f"/{level}/{stored[level]}"
    steps: list[Step] = [("DELETE", path), ("DELETE", path), ("GET", path), ("GET", "/statistics")]
    lists: list[Step] = [("GET", f"/{one}?expand") for one in LEVELS]
    play(empty_pair, [*steps, *lists, ("GET", "/changes?since=0&limit=200")])


def test_deletion_from_the_bottom(empty_pair: Pair, samples: dict[str, Sample]) -> None:
    """The ancestor that remains is named."""
    names = ("made/series-volume-0", "made/series-volume-1", "made/series-volume-2")
    for name in names:
        empty_pair.upload(samples[name])
    ids = [empty_pair.uploads[name][0].json()["ID"] for name in names]
    play(empty_pair, [("DELETE", f"/instances/{one}") for one in ids])


def test_bulk_deletion(empty_pair: Pair, stored: dict[str, str]) -> None:
    path = "/tools/bulk-delete"
    play(
        empty_pair,
        [
            ("POST", path, {"json": {}}),
            ("POST", path, {"json": {"Resources": "x"}}),
            ("POST", path, {"json": {"Resources": [12]}}),
            ("POST", path, {"json": []}),
            ("POST", path, text("nonsense")),
            ("POST", path, text("")),
            ("POST", path, {"json": {"Resources": []}}),
            ("GET", "/statistics"),
            ("POST", path, {"json": {"Resources": [stored["instances"], "unknown", stored["studies"]]}}),
            ("GET", "/statistics"),
            ("GET", "/patients?expand"),
        ],
    )


@pytest.mark.parametrize("level", LEVELS)
def test_reconstruction(empty_pair: Pair, stored: dict[str, str], level: str) -> None:
    path = f"/{level}/{stored[level]}"
    lists: list[Step] = [("GET", f"/{one}?expand") for one in LEVELS]
    play(
        empty_pair,
        [
            ("PUT", f"{path}/metadata/1234", text("kept")),
            ("POST", f"{path}/reconstruct"),
            *lists,
            ("GET", f"{path}/metadata/1234"),
            ("GET", "/statistics"),
            ("POST", f"/{level}/unknown/reconstruct"),
        ],
    )


def test_modalities(blank_pair: Pair) -> None:
    path = "/modalities/parity"
    bodies: list[Any] = [
        ["AET", "127.0.0.1", 4000],
        ["AET", "127.0.0.1", 4000, "Generic"],
        ["AET", "127.0.0.1", "4000"],
        ["AET", "127.0.0.1", 4000, "MedInria"],
        ["AET", "127.0.0.1", 4000, "SyngoVia"],
        ["AET", "127.0.0.1", 4000, "Nonsense"],
        ["AET", "127.0.0.1", 4000, "GE", 5],
        ["AET", "127.0.0.1"],
        [],
        {},
        "text",
        12,
        {"AET": "A", "Host": "h", "Port": 1},
        {
            "AET": "A",
            "Host": "h",
            "Port": 104,
            "Manufacturer": "Vitrea",
            "AllowFind": False,
            "UseDicomTls": True,
        },
        {
            "AET": "A",
            "Host": "h",
            "Port": 104,
            "Timeout": 3,
            "LocalAet": "ME",
            "AllowStorageCommitment": False,
        },
        {"AET": "A", "Host": "h"},
        {"AET": "A", "Host": "h", "Port": 70000},
        {"AET": "A", "Host": "h", "Port": "x"},
        {"AET": "A", "Host": "h", "Port": 104, "AllowEcho": "no"},
    ]
    steps: list[Step] = []
    for body in bodies:
        steps += [("PUT", path, {"json": body}), ("GET", f"{path}/configuration")]
    play(
        blank_pair,
        [
            *steps,
            ("PUT", path, text("nonsense")),
            ("GET", "/modalities"),
            ("GET", "/modalities?expand"),
            ("DELETE", path),
            ("GET", f"{path}/configuration"),
            ("GET", path),
            ("DELETE", path),
            ("GET", "/modalities"),
            ("POST", path),
        ],
    )


def test_peers(blank_pair: Pair) -> None:
    path = "/peers/parity"
    bodies: list[Any] = [
        ["http://127.0.0.1:8043/"],
        ["http://127.0.0.1:8043", "user", "password"],
        ["http://127.0.0.1:8043", "user"],
        [],
        "text",
        {"Url": "http://127.0.0.1:8043"},
        {"URL": "http://127.0.0.1:8043", "Username": "user", "Password": "password"},
        {"Url": "http://127.0.0.1:8043", "HttpHeaders": {"Token": "abc"}},
        {"Url": "http://127.0.0.1:8043", "HttpHeaders": ["x"]},
    ]
    steps: list[Step] = []
    for body in bodies:
        steps += [("PUT", path, {"json": body}), ("GET", f"{path}/configuration")]
    play(
        blank_pair,
        [
            *steps,
            ("GET", "/peers"),
            ("GET", "/peers?expand"),
            ("DELETE", path),
            ("GET", f"{path}/configuration"),
            ("DELETE", path),
            ("GET", "/peers"),
        ],
    )


def test_settings_of_the_running_server(blank_pair: Pair) -> None:
    steps: list[Step] = []
    for path in ("log-level", "log-level-http", "log-level-dicom", "log-level-jobs", "log-level-nonsense"):
        for level in ("verbose", "trace", "nonsense", "", "default"):
            steps += [("PUT", f"/tools/{path}", text(level)), ("GET", f"/tools/{path}")]
    for value in ("1", "0", "true", "maybe"):
        steps += [("PUT", "/tools/metrics", text(value)), ("GET", "/tools/metrics")]
        steps += [
            ("PUT", "/tools/unknown-sop-class-accepted", text(value)),
            ("GET", "/tools/unknown-sop-class-accepted"),
        ]
    for encoding in ("Utf8", "latin2", "JAPANESE", "nonsense", "", "Latin1"):
        steps += [("PUT", "/tools/default-encoding", text(encoding)), ("GET", "/tools/default-encoding")]
    for body in (
        '["1.2.840.10008.1.2.1"]',
        '["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2"]',
        "[]",
        "{}",
    ):
        steps += [("PUT", "/tools/accepted-transfer-syntaxes", text(body, Content_Type="application/json"))]
    for method in ("GET", "PUT", "DELETE"):
        steps += [
            (method, "/tools/invalidate-tags"),
            (method, "/tools/lookup"),
            (method, "/tools/bulk-delete"),
        ]
    steps += [("POST", "/tools/invalidate-tags"), ("POST", "/tools/now"), ("POST", "/tools/log-level")]
    play(blank_pair, steps)


def test_logs_are_emptied(empty_pair: Pair, stored: dict[str, str]) -> None:
    assert stored
    play(
        empty_pair,
        [
            ("GET", "/changes?since=0&limit=200"),
            ("DELETE", "/changes"),
            ("GET", "/exports"),
            ("DELETE", "/exports"),
            ("GET", "/exports?last"),
            ("PUT", "/changes"),
            ("POST", "/exports"),
        ],
    )


def test_lookup(empty_pair: Pair, samples: dict[str, Sample], stored: dict[str, str]) -> None:
    assert stored
    main = empty_pair.ours.get(f"/instances/{stored['instances']}/simplified-tags")
    words = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    values = [
        *(main[word] for word in words),
        "",
        "nonsense",
        main["PatientID"].upper(),
        main["PatientID"][:-1],
    ]
    play(empty_pair, [("POST", "/tools/lookup", text(value)) for value in values])
