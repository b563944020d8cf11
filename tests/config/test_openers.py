"""Buttons that open a study elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from orthanclite.config.load import load
from orthanclite.config.sections.openers import OpenerOptions
from orthanclite.core.errors import BadParameterType, OrthancError, ParameterOutOfRange


def options(folder: Path, given: Mapping[str, object]) -> OpenerOptions:
    path = folder / "orthanc.json"
    path.write_text(json.dumps({"OrthancExplorer2": {"UiOptions": given}}))
    return load([path], environ={}).settings.explorer.options


def test_nothing_is_offered_unless_asked_for(tmp_path: Path) -> None:
    found = options(tmp_path, {})
    assert not any((found.ohif, found.ohif_2, found.meddream, found.weasis, found.slicer))
    assert found.buttons == {}


def test_addresses_end_with_a_slash(tmp_path: Path) -> None:
    found = options(tmp_path, {"OhifViewer3PublicRoot": "https://viewer.example.com/ohif"})
    assert found.ohif_root == "https://viewer.example.com/ohif/"


def test_buttons_have_all_that_a_page_needs(tmp_path: Path) -> None:
    button = {"Id": "ask", "Tooltip": "Ask", "Icon": "bi bi-asterisk", "Url": "radiant://?n={UUID}"}
    found = options(tmp_path, {"CustomButtons": {"study": [button], "instance": [], "bulk-studies": []}})
    (shown,) = found.buttons["study"]
    assert shown == {
        "Tooltip": "Ask",
        "HttpMethod": "GET",
        "Url": "radiant://?n={UUID}",
        "Target": "_blank",
    }


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"OhifViewer3PublicRoot": "javascript:alert(1)//"}, ParameterOutOfRange),
        ({"OhifViewer3PublicRoot": ""}, ParameterOutOfRange),
        ({"CustomButtons": []}, BadParameterType),
        ({"CustomButtons": {"study": {}}}, BadParameterType),
        ({"CustomButtons": {"study": ["x"]}}, BadParameterType),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": 1}]}}, BadParameterType),
        ({"CustomButtons": {"bulk-studies": [{"Tooltip": "T", "Url": "x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Url": "x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "x", "Onclick": "y"}]}}, ParameterOutOfRange),
        (
            {"CustomButtons": {"study": [{"Tooltip": "T", "Url": "x", "HttpMethod": "DELETE"}]}},
            ParameterOutOfRange,
        ),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": " JavaScript:x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "data:text/html,x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "java\nscript:x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "\x01javascript:x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "{PatientID}:x"}]}}, ParameterOutOfRange),
        ({"CustomButtons": {"study": [{"Tooltip": "T", "Url": "java{PatientID}:x"}]}}, ParameterOutOfRange),
        (
            {"CustomButtons": {"study": [{"Tooltip": "T", "Url": "/\\a.b/", "HttpMethod": "POST"}]}},
            ParameterOutOfRange,
        ),
        ({"OhifViewer3PublicRoot": "java\tscript:alert(1)//"}, ParameterOutOfRange),
        (
            {"CustomButtons": {"study": [{"Tooltip": "T", "Url": "https://a.b/", "HttpMethod": "POST"}]}},
            ParameterOutOfRange,
        ),
        (
            {"CustomButtons": {"study": [{"Tooltip": "T", "Url": "//a.b/", "HttpMethod": "PUT"}]}},
            ParameterOutOfRange,
        ),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, given: Mapping[str, object], error: type[OrthancError]
) -> None:
    with pytest.raises(error):
        options(tmp_path, given)
