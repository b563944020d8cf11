"""Every reading route of the resource tree, for every resource of the corpus or for a choice of them."""

from __future__ import annotations

import re

import pytest

from tests.parity.compare import Difference, differences, report
from tests.parity.conftest import Pair
from tests.parity.differences import unexpected

LEVELS = ("patients", "studies", "series", "instances")
CHILDREN = {
    "patients": ("studies", "series", "instances"),
    "studies": ("series", "instances"),
    "series": ("instances",),
    "instances": (),
}
PARENTS = {
    "patients": (),
    "studies": ("patient",),
    "series": ("patient", "study"),
    "instances": ("patient", "study", "series"),
}
UNKNOWN = "00000000-11111111-22222222-33333333-44444444"


def compare(pair: Pair, paths: list[str], method: str = "GET") -> None:
    found: list[Difference] = []
    for path in paths:
        found += pair.differences(method, path)
    assert not found, report(found)


def few(pair: Pair, level: str, number: int = 12) -> list[str]:
    """Some resources of a level, spread over all."""
    ids = pair.ids(level)
    return ids[:: max(1, len(ids) // number)]


@pytest.mark.parametrize("level", LEVELS)
def test_lists(pair: Pair, level: str) -> None:
    queries = [
        "",
        "?expand",
        "?expand=true",
        "?expand=false",
        "?expand&full",
        "?expand&short",
        "?expand&simplify",
    ]
    refused = ["?since=3", "?limit=5", "?since=a&limit=2", "?limit=b&since=2", "?since=100000&limit=10"]
    compare(pair, [f"/{level}{query}" for query in (*queries, *refused)] + [f"/{level}/"])


@pytest.mark.parametrize("level", LEVELS)
def test_every_single_resource(pair: Pair, level: str) -> None:
    compare(pair, [f"/{level}/{one}" for one in pair.ids(level)])


@pytest.mark.parametrize("level", LEVELS)
def test_formats_and_navigation(pair: Pair, level: str) -> None:
    paths = []
    for one in few(pair, level):
        paths += [f"/{level}/{one}{query}" for query in ("?full", "?short", "?simplify", "?short&full", "/")]
        for relative in (*CHILDREN[level], *PARENTS[level]):
            paths += [f"/{level}/{one}/{relative}{query}" for query in ("", "?full", "?short")]
    compare(pair, paths)


@pytest.mark.parametrize("level", LEVELS)
def test_metadata_statistics_attachments(pair: Pair, level: str) -> None:
    paths = []
    for one in few(pair, level, 40):
        base = f"/{level}/{one}"
        paths += [f"{base}/{route}" for route in ("metadata?expand", "statistics", "attachments")]
    for one in few(pair, level, 3):
        base = f"/{level}/{one}"
        paths += [f"{base}/metadata/{name}" for name in ("nonsense", "1234", "RemoteAET", "ModifiedFrom")]
        paths += [f"{base}/attachments/{name}" for name in ("dicom", "nonsense", "1234", "parity-blob")]
        paths += [f"{base}/attachments?full"]
    compare(pair, paths)


@pytest.mark.parametrize("level", LEVELS)
def test_names_of_metadata(pair: Pair, level: str) -> None:
    for one in few(pair, level, 40):
        ours, reference = (answer.json() for answer in pair.both("GET", f"/{level}/{one}/metadata"))
        assert [name for name in ours if not name.startswith("MainDicom")] == reference


@pytest.mark.parametrize("level", LEVELS)
def test_tags_of_all_instances_and_shared_tags(pair: Pair, level: str) -> None:
    routes = ["module", "module?short", "module?simplify"]
    if level != "instances":
        routes += ["shared-tags", "shared-tags?short", "instances-tags", "instances-tags?short"]
    if level == "studies":
        routes += ["module-patient", "module-patient?simplify"]
    if level == "patients":
        routes += ["protected"]
    compare(pair, [f"/{level}/{one}/{route}" for one in few(pair, level, 30) for route in routes])


SIMPLIFIED = {
    "patients": ("shared-tags?simplify", "instances-tags?simplify"),
    "studies": ("shared-tags?simplify", "instances-tags?simplify"),
    "series": ("shared-tags?simplify", "instances-tags?simplify"),
    "instances": ("simplified-tags", "tags?simplify", "simplified-tags?whole", "header?simplify"),
}


@pytest.mark.parametrize("level", LEVELS)
def test_simplified_tags(pair: Pair, level: str) -> None:
    """Of what has no private elements, as these are named otherwise."""
    paths = []
    for one in few(pair, level, 80):
        full = pair.ours.get(f"/{level}/{one}/{'instances-tags' if level != 'instances' else 'tags'}")
        if not re.search(r"'[0-9a-f]{3}[13579bdf],", repr(full)):
            paths += [f"/{level}/{one}/{route}" for route in SIMPLIFIED[level]]
    assert paths
    compare(pair, paths)


def test_ordered_slices(pair: Pair) -> None:
    """Where two instances have the same index, their order is that of the identifiers here, any there."""
    paths = []
    for one in pair.ids("series"):
        indices = [instance["IndexInSeries"] for instance in pair.ours.get(f"/series/{one}/instances")]
        if len(indices) == len(set(indices)):
            paths.append(f"/series/{one}/ordered-slices")
    assert len(paths) > 50
    compare(pair, paths)


def test_series_of_several_slices(pair: Pair) -> None:
    series = {
        answer.json()["ParentSeries"]
        for name, (answer, _) in pair.uploads.items()
        if name.startswith("made/series-")
    }
    routes = ("", "/shared-tags", "/instances-tags?simplify", "/instances?expand", "/statistics")
    compare(pair, [f"/series/{one}{route}" for one in sorted(series) for route in routes])


def test_tags_of_every_instance(pair: Pair) -> None:
    compare(
        pair, [f"/instances/{one}/{route}" for one in pair.ids("instances") for route in ("tags", "header")]
    )


def test_renderings_of_tags(pair: Pair) -> None:
    routes = ("tags?short", "tags?whole", "tags?ignore-length=PatientName", "header?short")
    compare(pair, [f"/instances/{one}/{route}" for one in few(pair, "instances", 60) for route in routes])


def test_files(pair: Pair) -> None:
    paths = []
    for one in few(pair, "instances", 40):
        base = f"/instances/{one}"
        paths += [f"{base}/file", f"{base}/file?filename=a%22b%C3%A9.dcm", f"{base}/attachments/dicom/data"]
        paths += [f"{base}/attachments/dicom/{route}" for route in ("size", "md5", "is-compressed", "info")]
        paths += [f"{base}/attachments/dicom/compressed-{route}" for route in ("size", "md5", "data")]
        paths += [f"{base}/frames", f"{base}/frames/0", f"{base}/attachments/dicom"]
    compare(pair, paths)


SELECTED = (
    "bundled/CT_small.dcm",
    "bundled/rtplan.dcm",
    "bundled/test-SR.dcm",
    "bundled/JPEG2000.dcm",
    "bundled/SC_rgb_rle_2frame.dcm",
    "made/values",
    "made/private",
    "made/pdf",
    "made/after-pixels",
    "dcmtk/undefined-lengths/sequences",
    "dcmtk/implicit-no-meta/sequences",
    "dcmtk/big-endian/sequences",
    "dcmtk/deflated/sequences",
    "dcmtk/jpeg-fragments/frames",
    "dcmtk/jpeg-no-offsets/frames",
)


def test_raw_content_of_whole_trees(pair: Pair) -> None:
    found: list[Difference] = []
    for name in SELECTED:
        if name not in pair.uploads:
            continue
        pending = [f"/instances/{pair.uploads[name][0].json()['ID']}/content"]
        while pending:
            path = pending.pop()
            found += pair.differences("GET", path)
            answer = pair.ours.client.get(path)
            if answer.headers.get("content-type", "").startswith("application/json"):
                pending += [f"{path}/{child}" for child in answer.json()]
    assert not found, report(found)


def test_raw_content_keeps_the_byte_order_of_the_file(pair: Pair) -> None:
    """Release 1.10 turns numbers of a big endian file into little endian ones, 1.13 does not."""
    instance = pair.uploads["bundled/MR_small_bigendian.dcm"][0].json()["ID"]
    ours, reference = pair.both("GET", f"/instances/{instance}/content/Rows")
    assert ours.content == reference.content[::-1] == b"\0\x40"


def test_paths_of_raw_content(pair: Pair) -> None:
    base = f"/instances/{pair.uploads['bundled/test-SR.dcm'][0].json()['ID']}/content"
    compare(
        pair,
        [
            f"{base}/{path}"
            for path in (
                "",
                "PatientName",
                "0010,0010",
                "0010-0010/",
                "00100010",
                "0010,0010/0",
                "0040-a730/0/0040-A010",
                "0040-a730/99",
                "0040-a730/x",
                "0040-a730/0/0010-0010",
                "1234-5678",
                "Nonsense",
                "0040a730",
                "ContentSequence/0/ConceptNameCodeSequence/0/CodeValue",
            )
        ],
    )


def test_server_wide_routes(pair: Pair) -> None:
    compare(
        pair,
        [
            "/statistics",
            "/system",
            "/changes?limit=3&since=5",
            "/exports",
            "/exports?last",
            "/exports?since=0&limit=4",
            "/modalities",
            "/modalities?expand",
            "/modalities/sample",
            "/modalities/sample/configuration",
            "/modalities/nonsense",
            "/modalities/nonsense/configuration",
            "/peers",
            "/peers?expand",
            "/peers/other",
            "/peers/other/configuration",
            "/peers/nonsense",
            "/tools",
            "/tools/default-encoding",
            "/tools/log-level",
            "/tools/log-level-http",
            "/tools/metrics",
            "/tools/accepted-transfer-syntaxes",
            "/tools/unknown-sop-class-accepted",
            "/tools/generate-uid",
            "/tools/generate-uid?level=nonsense",
            "/plugins",
            "/plugins/nonsense",
        ],
    )


def test_changes_of_the_uploads(pair: Pair) -> None:
    """Everything but the stable events, whose order depends on the clock, comes in the same order."""
    logs = []
    for server in (pair.ours, pair.reference):
        changes, since, done = [], 0, False
        while not done:
            answer = server.get("/changes", params={"since": since, "limit": 500})
            changes += answer["Changes"]
            since, done = answer["Last"], answer["Done"]
        events = [(one["ChangeType"], one["ResourceType"], one["ID"], one["Path"]) for one in changes]
        logs.append(events)
    ours, reference = ([event for event in log if not event[0].startswith("Stable")] for log in logs)
    assert ours == reference
    # An instance that comes late makes its parents stable twice.
    assert set(logs[0]) == set(logs[1])


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
def test_unknown_resources(pair: Pair, method: str) -> None:
    """PUT and POST name routes that do not take them, or resources that do not exist."""
    paths = []
    for level in LEVELS:
        base = f"/{level}/{UNKNOWN}"
        routes = ["", "/metadata", "/metadata/1234", "/attachments", "/attachments/dicom/data", "/statistics"]
        routes += ["/module", "/nonsense", "/attachments/dicom/verify-md5", "/attachments/dicom"]
        routes += [f"/{other}" for other in (*CHILDREN[level], *PARENTS[level])]
        if level == "instances":
            routes += [
                "/tags",
                "/simplified-tags",
                "/header",
                "/content",
                "/file",
                "/frames",
                "/pdf",
                "/preview",
            ]
        else:
            routes += ["/shared-tags", "/instances-tags"]
        if level == "series":
            routes += ["/ordered-slices"]
        if level == "patients":
            routes += ["/protected"]
        paths += [base + route for route in routes]
    paths += ["/nonsense", "/nonsense/more", "/tools/nonsense"]
    paths += ["/statistics", "/system", "/tools/now", "/changes/1"] if method != "GET" else []
    compare(pair, paths, method)


def test_the_style_of_json(pair: Pair) -> None:
    """Bodies are the same to the byte where no value is random."""
    paths = [
        "/statistics",
        "/exports",
        "/peers?expand",
        "/modalities",
        "/tools/default-encoding",
        "/patients/x",
    ]
    for name in ("made/empty-values", "made/pdf", "made/charset-utf8", "dcmtk/big-endian/sequences"):
        if name in pair.uploads:
            instance = pair.uploads[name][0].json()["ID"]
            paths += [
                f"/instances/{instance}/{route}" for route in ("tags", "simplified-tags", "header", "content")
            ]
    for path in paths:
        ours, reference = pair.both("GET", path)
        assert ours.text == reference.text, path


def test_json_as_xml(pair: Pair) -> None:
    """The first media type decides; errors and what is no JSON stay what they are."""
    instance = few(pair, "instances")[0]
    paths = [
        "/patients",
        "/statistics",
        "/exports",
        f"/instances/{instance}/attachments",
        f"/instances/{instance}/content",
        f"/instances/{instance}/header",
        f"/instances/{instance}/statistics",
        "/nope",
    ]
    accepted = [
        "application/xml",
        "application/xml;q=0.5, application/json",
        "application/json, application/xml",
    ]
    found: list[Difference] = []
    for accept in accepted:
        for path in paths:
            ours, theirs = pair.both("GET", path, headers={"Accept": accept})
            if path == "/patients" and "xml" in theirs.headers["content-type"]:
                assert sorted(ours.text.split()) == sorted(theirs.text.split())  # the order is that of 1.13
                continue
            found += unexpected(differences(f"GET {path} as {accept}", ours, theirs))
    assert not found, report(found)
