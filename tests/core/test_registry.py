"""Remote modalities and peers, from what people and programs write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orthanclite.core.errors import BadFileFormat, BadParameterType, OrthancError, ParameterOutOfRange
from orthanclite.core.remotes.registry import MODALITY_KEYS, Manufacturer, Modality, Peer, RetrieveMethod

FLAGS = sorted(key for key in MODALITY_KEYS if key.startswith(("Allow", "Use")))


def test_a_modality_as_an_array() -> None:
    assert Modality.parse(["AET", "host", 104]) == Modality("AET", "host", 104)
    assert Modality.parse(["AET", "host", "104", "GE"]).manufacturer is Manufacturer.GE


modalities = st.builds(
    Modality,
    aet=st.text(max_size=16),
    host=st.text(),
    port=st.integers(1, 65534),
    manufacturer=st.sampled_from(Manufacturer),
    allow_echo=st.booleans(),
    allow_event_report=st.booleans(),
    allow_n_action=st.booleans(),
    allow_store=st.booleans(),
    use_dicom_tls=st.booleans(),
    local_aet=st.text(max_size=16),
    timeout=st.integers(0, 3600),
    retrieve_method=st.sampled_from(RetrieveMethod),
)


@given(modalities)
def test_a_modality_survives_its_json(modality: Modality) -> None:
    assert Modality.parse(json.loads(json.dumps(modality.to_json()))) == modality
    assert set(modality.to_json()) <= MODALITY_KEYS


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag != "AllowStorageCommitment"])
def test_each_permission_is_one_of_its_own(flag: str) -> None:
    plain = {"AET": "A", "Host": "h", "Port": 1}
    default = Modality.parse(plain).to_json()
    changed = Modality.parse({**plain, flag: not default[flag]}).to_json()
    assert {key for key in default if default[key] != changed[key]} == {flag}


def test_the_older_word_for_storage_commitment() -> None:
    plain = {"AET": "A", "Host": "h", "Port": 1, "AllowStorageCommitment": False}
    modality = Modality.parse(plain)
    assert not modality.allow_event_report
    assert not modality.allow_n_action
    assert Modality.parse({**plain, "AllowNAction": True}).allow_n_action


@pytest.mark.parametrize(
    ("name", "now"),
    [("MedInria", Manufacturer.GENERIC), ("SyngoVia", Manufacturer.GENERIC_NO_WILDCARD_IN_DATES)],
)
def test_manufacturers_that_were(name: str, now: Manufacturer) -> None:
    assert Manufacturer.parse(name) is now


BAD_MODALITIES: list[tuple[object, type[OrthancError]]] = [
    (None, BadFileFormat),
    ("AET", BadFileFormat),
    ([], BadFileFormat),
    (["AET", "host"], BadFileFormat),
    (["AET", "host", 104, "GE", 1], BadFileFormat),
    (["AET", 1, 104], BadFileFormat),
    (["AET", "host", 1.5], BadFileFormat),
    (["AET", "host", True], BadFileFormat),
    (["AET", "host", "١٠٤"], BadFileFormat),
    (["AET", "host", 0], ParameterOutOfRange),
    (["AET", "host", 65535], ParameterOutOfRange),
    (["AET", "host", "99999"], ParameterOutOfRange),
    (["AET", "host", 104, "Acme"], ParameterOutOfRange),
    ({}, BadFileFormat),
    ({"AET": "A", "Host": "h"}, BadFileFormat),
    ({"AET": "A", "Host": "h", "Port": 1, "AllowEcho": 1}, BadFileFormat),
    ({"AET": "A", "Host": "h", "Port": 1, "Timeout": -1}, BadParameterType),
    ({"AET": "A", "Host": "h", "Port": 1, "Timeout": True}, BadFileFormat),
    ({"AET": "A", "Host": "h", "Port": 1, "RetrieveMethod": "C-STORE"}, ParameterOutOfRange),
]


@pytest.mark.parametrize(("value", "error"), BAD_MODALITIES)
def test_what_is_no_modality(value: object, error: type[OrthancError]) -> None:
    with pytest.raises(error):
        Modality.parse(value)


peers = st.builds(
    Peer,
    url=st.from_regex(r"(https?://)?([a-z]+:[a-z]*@)?[a-z0-9.]{1,9}(:[1-9][0-9]{0,3})?/", fullmatch=True),
    username=st.text(),
    password=st.text(),
    http_headers=st.dictionaries(st.text(), st.text(), max_size=3),
    certificate_file=st.text(),
    timeout=st.integers(0, 3600),
    user_properties=st.dictionaries(st.text(alphabet="xyz", min_size=1), st.text(), max_size=3),
)


@given(peers)
def test_a_peer_survives_its_stored_json(peer: Peer) -> None:
    assert Peer.parse(json.loads(json.dumps(peer.to_stored_json()))) == peer


SECRET = "s3cr3t"


def test_secrets_of_a_peer_are_not_shown() -> None:
    peer = Peer.parse(
        {
            "Url": "http://h",
            "Username": "u",
            "Password": SECRET,
            "HttpHeaders": {"Token": SECRET},
            "CertificateFile": "c",
            "CertificateKeyPassword": SECRET,
            "Ward": "7",
        }
    )
    shown = peer.to_json()
    assert SECRET not in json.dumps(shown) + repr(peer)
    assert shown["HttpHeaders"] == ["Token"]
    assert shown["Password"] is shown["CertificateKeyPassword"] is None
    assert shown["Ward"] == "7"


@pytest.mark.parametrize("value", [["http://h"], ["http://h/"], {"Url": "http://h"}, {"URL": "http://h/"}])
def test_the_url_of_a_peer_ends_with_a_slash(value: object) -> None:
    assert Peer.parse(value).url == "http://h/"


BAD_PEERS: list[Any] = [
    None,
    "http://h",
    [],
    [""],
    ["http://h", "user"],
    ["http://h", "user", 1],
    {},
    {"Url": ""},
    {"Url": 1},
    {"Url": "http://h", "HttpHeaders": ["a"]},
    {"Url": "http://h", "HttpHeaders": {"a": 1}},
    {"Url": "http://h", "Pkcs11": True},
    ["ftp://h/"],
    ["http://"],
    ["http://h:port/"],
    ["http://h/ x"],
    {"Url": "http://h", "Ward": None},
    {"Url": "http://h", "Ward": {}},
]


@pytest.mark.parametrize("value", BAD_PEERS)
def test_what_is_no_peer(value: object) -> None:
    with pytest.raises(BadFileFormat):
        Peer.parse(value)


def test_a_negative_timeout_is_no_number_of_seconds() -> None:
    with pytest.raises(BadParameterType):
        Peer.parse({"Url": "http://h", "Timeout": -1})


def test_jobs_show_a_peer_without_its_secrets() -> None:
    assert Peer.parse(["http://h"]).to_job_json() == ["http://h/"]
    assert Peer.parse(["http://h", "alice", SECRET]).to_job_json() == ["http://h/", "alice", ""]
    shown = Peer.parse(
        {
            "Url": "http://h",
            "Username": "alice",
            "Password": SECRET,
            "HttpHeaders": {"Token": SECRET},
            "CertificateFile": "c",
            "CertificateKeyFile": "k",
            "CertificateKeyPassword": SECRET,
        }
    ).to_job_json()
    assert shown == {
        "CertificateFile": "c",
        "HttpHeaders": {"Token": ""},
        "Pkcs11": False,
        "Timeout": 0,
        "Url": "http://h/",
        "Username": "alice",
    }
