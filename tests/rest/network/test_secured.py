"""Two servers that speak TLS only and trust only each other, as modalities and as peers; DCMTK's tools."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.certificates import Identity, make_identity
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running
from tests.support.tunnel import Tunnel, tunnel

COUNT = 3
STUDY = "1.2.3"


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("identities")
    return {name: make_identity(folder, name) for name in ("site", "other", "stranger")}


@pytest.fixture(scope="module")
def proxy() -> Iterator[Tunnel]:
    with tunnel() as started:
        yield started


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, identities: dict[str, Identity], proxy: Tunnel
) -> Iterator[tuple[Server, Server]]:
    """``SITE``, whose HTTP goes out through a proxy, and ``OTHER``, which serves HTTPS to SITE only."""
    folder: Path = tmp_path_factory.mktemp("secured")
    ports = {name: free_port() for name in ("site", "other", "https")}
    files = {name: (str(one.certificate), str(one.key)) for name, one in identities.items()}

    def config(name: str, friend: str) -> dict[str, Any]:
        certificate, key = files[name]
        return {
            "DicomAet": name.upper(),
            "DicomPort": ports[name],
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": certificate,
            "DicomTlsPrivateKey": key,
            "DicomTlsTrustedCertificates": files[friend][0],
            "DicomModalities": {
                friend: {
                    "AET": friend.upper(),
                    "Host": "127.0.0.1",
                    "Port": ports[friend],
                    "UseDicomTls": True,
                }
            },
            "OverwriteInstances": True,
        }

    site = orthanclite(
        folder / "site",
        {
            **config("site", "other"),
            "HttpProxy": f"bob:pr0xy@127.0.0.1:{proxy.port}",
            "HttpsCACertificates": files["other"][0],
            "OrthancPeers": {
                "other": {
                    "Url": f"https://127.0.0.1:{ports['https']}/",
                    "CertificateFile": files["site"][0],
                    "CertificateKeyFile": files["site"][1],
                },
                "nameless": [f"https://127.0.0.1:{ports['https']}/"],
                "strange": {
                    "Url": f"https://127.0.0.1:{ports['https']}/",
                    "CertificateFile": files["stranger"][0],
                    "CertificateKeyFile": files["stranger"][1],
                },
            },
        },
    )
    other = orthanclite(
        folder / "other",
        {
            **config("other", "site"),
            "HttpPort": ports["https"],
            "SslEnabled": True,
            "SslCertificate": str(identities["other"].both),
            "SslVerifyPeers": True,
            "SslTrustedClientCertificates": files["site"][0],
        },
    )
    other.client.close()
    trust = ssl.create_default_context(cafile=files["other"][0])
    trust.load_cert_chain(*files["site"])
    other.client = httpx.Client(base_url=other.url, timeout=60, verify=trust)
    with running(site), running(other):
        yield site, other


@pytest.fixture(autouse=True)
def filled(pair: tuple[Server, Server]) -> None:
    """SITE has a study, OTHER nothing."""
    site, other = pair
    for number in range(COUNT):
        site.upload(image(number))
    for patient in other.get("/patients"):
        other.client.delete(f"/patients/{patient}")


def image(number: int) -> bytes:
    return dicom_file("P", STUDY, f"{STUDY}.1", f"{STUDY}.1.{number}", side=64)


def count(server: Server) -> int:
    return len(server.get("/instances"))


def post(server: Server, path: str, body: Any = None, status: int = 200) -> Any:
    answer = server.client.post(path, json={} if body is None else body)
    assert answer.status_code == status, answer.text
    return answer.json()


def study(server: Server) -> str:
    (one,) = server.get("/studies")
    return str(one)


# -- DICOM -------------------------------------------------------------------------------------------


def test_echo_store_and_commitment(pair: tuple[Server, Server]) -> None:
    site, other = pair
    post(site, "/modalities/other/echo", {"CheckFind": True})
    answer = post(site, "/modalities/other/store", {"Resources": [study(site)], "StorageCommitment": True})
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (COUNT, 0)
    assert count(other) == COUNT
    # The report comes on an association from OTHER to SITE, over TLS as well.
    report = f"/storage-commitment/{answer['StorageCommitmentTransactionUID']}"
    deadline = time.monotonic() + 60
    while site.get(report)["Status"] == "Pending" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert site.get(report)["Status"] == "Success"
    assert len(site.get(report)["Success"]) == COUNT


@pytest.mark.parametrize("way", ["C-MOVE", "C-GET"])
def test_retrieve(pair: tuple[Server, Server], way: str) -> None:
    _, other = pair
    query = post(other, "/modalities/site/query", {"Level": "Study", "Query": {"StudyInstanceUID": STUDY}})
    body = {"RetrieveMethod": way, "Synchronous": True}
    post(other, f"/queries/{query['ID']}/retrieve", body)
    assert count(other) == COUNT


def test_strangers_are_told_so(pair: tuple[Server, Server], identities: dict[str, Identity]) -> None:
    site, other = pair
    with running(stranger(identities, site)) as server:
        refused = post(server, "/modalities/site/echo", status=500)
        assert "TLS Error" in refused["Details"]
        # Nor does SITE call who shows a certificate that it does not know.
        entry = {"AET": "STRANGER", "Host": "127.0.0.1", "Port": server.dicom_port, "UseDicomTls": True}
        assert site.client.put("/modalities/stranger", json=entry).status_code == 200
        refused = post(site, "/modalities/stranger/store", study(site), status=500)
        assert "certificate verify failed" in refused["Details"]
        assert site.client.delete("/modalities/stranger").status_code == 200
        assert count(server) == 0
    plain = {"AET": "OTHER", "Host": "127.0.0.1", "Port": other.dicom_port}
    assert site.client.put("/modalities/plain", json=plain).status_code == 200
    assert post(site, "/modalities/plain/store", study(site), status=500)["OrthancStatus"] == 9
    assert site.client.delete("/modalities/plain").status_code == 200
    assert count(other) == 0


def stranger(identities: dict[str, Identity], site: Server) -> Server:
    """A server that trusts SITE, which does not trust it."""
    own = identities["stranger"]
    return orthanclite(
        site.folder.parent / "stranger",
        {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(own.certificate),
            "DicomTlsPrivateKey": str(own.key),
            "DicomTlsTrustedCertificates": str(identities["site"].certificate),
            "DicomModalities": {
                "site": {"AET": "SITE", "Host": "127.0.0.1", "Port": site.dicom_port, "UseDicomTls": True}
            },
        },
    )


@pytest.mark.skipif(shutil.which("storescu") is None, reason="DCMTK is not installed")
def test_dcmtk_both_ways(
    pair: tuple[Server, Server], identities: dict[str, Identity], tmp_path: Path
) -> None:
    site, other = pair
    own, trusted = identities["site"], identities["other"]
    files = ["+tls", str(own.key), str(own.certificate), "+cf", str(trusted.certificate)]
    (tmp_path / "image.dcm").write_bytes(image(1))
    sent = subprocess.run(
        [
            "storescu",
            *files,
            "-aec",
            "OTHER",
            "127.0.0.1",
            str(other.dicom_port),
            str(tmp_path / "image.dcm"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    assert count(other) == 1
    port, received = free_port(), tmp_path / "received"
    received.mkdir()
    as_other = ["+tls", str(trusted.key), str(trusted.certificate), "+cf", str(own.certificate)]
    receiver = subprocess.Popen(["storescp", *as_other, "-od", str(received), str(port)])
    try:
        entry = {"AET": "STORESCP", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True}
        assert site.client.put("/modalities/storescp", json=entry).status_code == 200
        deadline = time.monotonic() + 60
        while site.client.post("/modalities/storescp/echo", json={}).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        post(site, "/modalities/storescp/store", study(site))
    finally:
        receiver.terminate()
        receiver.wait()
    assert len(list(received.iterdir())) == COUNT


# -- HTTPS, through the proxy ------------------------------------------------------------------------


def test_a_peer_that_knows_our_certificate(pair: tuple[Server, Server], proxy: Tunnel) -> None:
    site, other = pair
    before = len(proxy.heads)
    answer = post(site, "/peers/other/store", study(site))
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (COUNT, 0)
    assert count(other) == COUNT
    assert site.get("/peers/other/system")["DicomAet"] == "OTHER"
    connected = proxy.heads[before:]
    assert connected
    for head in connected:
        assert head.startswith(f"CONNECT 127.0.0.1:{other.http_port} ")
        assert "Basic Ym9iOnByMHh5" in head


@pytest.mark.parametrize("peer", ["nameless", "strange"])
def test_a_peer_that_does_not(pair: tuple[Server, Server], peer: str) -> None:
    site, other = pair
    refused = post(site, f"/peers/{peer}/store", study(site), status=500)
    assert refused["OrthancStatus"] == 9
    assert "pr0xy" not in str(refused)
    assert count(other) == 0
