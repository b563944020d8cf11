"""The server as an attacker sees it, and as a user behind a reverse proxy does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pytest
from argon2 import PasswordHasher

from orthanclite.web.entrance.logins import DELAY, FREE_FAILURES, PACE
from orthanclite.web.entrance.security import Gate
from orthanclite.web.policy import HttpPolicy
from tests.safety.judge import Checkup
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running

PASSWORD = "correct horse"
LOGIN = ("alice", PASSWORD)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8192)  # KiB
MORE_USERS = {"carol": "under attack", "dora": "of another address", "erik": "of the same address"}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for this host alone, without passwords: what starts by default."""
    with running(orthanclite(tmp_path_factory.mktemp("open"), {"StableAge": 60})) as started:
        yield started


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with passwords, one of them hashed."""
    users = {"alice": CHEAP.hash(PASSWORD), "bob": "plain", **MORE_USERS}
    config = {"AuthenticationEnabled": True, "RegisteredUsers": users, "StableAge": 60}
    with running(orthanclite(tmp_path_factory.mktemp("guarded"), config)) as started:
        started.client.auth = LOGIN
        yield started


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:8042", True),
        ("viewer.localhost:8042", True),
        ("127.0.0.1:8042", True),
        ("[::1]:8042", True),
        ("evil.example.com", False),
        ("evil.example.com:8042", False),
        ("localhost.evil.example.com", False),
        ("127.0.0.1.evil.example.com", False),
        ("evil-localhost", False),
        ("2130706433", False),
        ("[::1].evil.example.com", True),  # no browser resolves that: it is the address ::1
    ],
)
def test_names_that_lead_here(open_server: Server, host: str, allowed: bool) -> None:
    """DNS rebinding: the page of a foreign name is of the same origin as this server, whose name it bears."""
    for method, path in (("GET", "/patients"), ("POST", "/tools/bulk-delete"), ("GET", "/docs")):
        answer = open_server.client.request(method, path, headers={"Host": host}, json={"Resources": []})
        assert (answer.status_code == 200) is allowed
        assert answer.status_code in (200, 403)


SAME, CROSS = "http://localhost:8042", "https://evil.example.com"

CROSS_SITE = [
    # what a browser sends with a request -> whether it may change anything
    ({}, True),  # not a browser
    ({"Origin": SAME}, True),
    ({"Origin": SAME, "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),  # typed into the address bar
    ({"Origin": CROSS}, False),  # a browser from before Sec-Fetch-Site, or plain HTTP
    ({"Origin": CROSS, "Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),  # an image, a link
    ({"Origin": "null"}, False),  # a sandboxed frame, a file
    ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "http://localhost.evil.example.com"}, False),
    ({"Origin": "http://evil.example.com:8042"}, False),
    ({"Origin": ""}, True),
    ({"Origin": "http://[bad"}, False),
]


@pytest.mark.parametrize(("headers", "allowed"), CROSS_SITE)
def test_requests_of_other_sites(open_server: Server, headers: dict[str, str], allowed: bool) -> None:
    id = open_server.upload(dicom_file())["ID"]
    client = open_server.client
    headers = {"Host": "localhost:8042", **headers}
    expected = 200 if allowed else 403
    assert client.get("/patients", headers=headers).status_code == 200  # the browser keeps it from the page
    path = f"/instances/{id}/labels/a"
    assert client.put(path, headers=headers).status_code == expected
    assert client.post("/instances", content=dicom_file(), headers=headers).status_code == expected
    simple = {**headers, "Content-Type": "text/plain"}  # sent without asking the server first
    assert (
        client.post("/tools/bulk-delete", content=b'{"Resources":[]}', headers=simple).status_code == expected
    )
    # As an image of another site's page would do it: without the option for it, that only reads.
    assert client.get(f"/instances/{id}?_method=DELETE", headers=headers).status_code == 200
    assert client.get(f"/instances/{id}", headers=headers).status_code == 200
    assert client.delete(f"/instances/{id}", headers=headers).status_code == expected
    assert ("access-control-allow-origin" in client.get("/patients", headers=headers).headers) is False


PUBLIC = "https://pacs.example.com"


@pytest.mark.parametrize(
    ("settings", "headers", "allowed"),
    [
        # Host is passed on: nothing but the name to configure.
        ({"allowed_hosts": {"pacs.example.com"}}, {"host": "pacs.example.com", "origin": PUBLIC}, True),
        ({}, {"host": "pacs.example.com", "origin": PUBLIC}, False),
        ({"authentication": True}, {"host": "pacs.example.com", "origin": PUBLIC}, True),
        ({"remote_access": True}, {"host": "pacs.example.com", "origin": PUBLIC}, True),
        # The proxy's defaults: the upstream's own address is the host.
        ({}, {"host": "localhost:8042", "origin": PUBLIC, "x-forwarded-host": "pacs.example.com"}, True),
        ({}, {"host": "localhost:8042", "origin": PUBLIC, "sec-fetch-site": "same-origin"}, True),
        ({}, {"host": "localhost:8042", "origin": PUBLIC}, False),
        ({"allowed_origins": {PUBLIC}}, {"host": "localhost:8042", "origin": PUBLIC}, True),
        ({"allowed_origins": {PUBLIC}}, {"host": "localhost:8042", "origin": CROSS}, False),
        # A viewer on another site that is trusted.
        (
            {"allowed_origins": {"https://viewer.example.com"}},
            {"host": "localhost", "origin": "https://viewer.example.com", "sec-fetch-site": "cross-site"},
            True,
        ),
    ],
)
def test_behind_a_reverse_proxy(settings: dict[str, object], headers: dict[str, str], allowed: bool) -> None:
    frozen = {name: frozenset(value) if isinstance(value, set) else value for name, value in settings.items()}
    gate = Gate(HttpPolicy(**frozen))  # type: ignore[arg-type]
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    assert (gate.refuse("POST", encoded, "127.0.0.1") is None) is allowed


def test_names_and_sites_are_configured(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = {"AllowedHosts": ["PACS.example.com"], "AllowedOrigins": [PUBLIC]}
    with running(orthanclite(tmp_path_factory.mktemp("proxy"), config)) as server:
        for host, origin, expected in (
            ("pacs.example.com", PUBLIC, 200),
            ("localhost", PUBLIC, 200),
            ("evil.example.com", PUBLIC, 403),
            ("localhost", CROSS, 403),
        ):
            headers = {"Host": host, "Origin": origin}
            answer = server.client.post("/tools/bulk-delete", json={"Resources": []}, headers=headers)
            assert answer.status_code == expected


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.5.5.5", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("", True),
        ("10.0.0.5", False),
        ("::ffff:10.0.0.5", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_other_hosts(address: str, allowed: bool) -> None:
    """Forwarded addresses are not believed: only the connection counts."""
    headers = {b"host": b"localhost", b"x-forwarded-for": b"127.0.0.1", b"x-real-ip": b"127.0.0.1"}
    refusal = Gate(HttpPolicy()).refuse("GET", headers, address)
    assert (refusal is None) is allowed
    assert refusal is None or refusal.status == 401


def test_every_path_asks_for_the_password(guarded: Server) -> None:
    paths = guarded.get("/openapi.json")["paths"]
    with httpx.Client(base_url=guarded.url) as stranger:
        for path, operations in paths.items():
            for method in operations:
                answer = stranger.request(method, path.replace("{", "").replace("}", ""), content=b"x")
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Basic ")
                assert answer.content == b""
        assert stranger.get("/unknown").status_code == 401
        assert stranger.request("BREW", "/patients").status_code in (400, 401)


def test_nothing_is_stored_without_the_password(guarded: Server) -> None:
    before = guarded.get("/instances")
    for size in (10, 5 << 20):
        with httpx.Client() as stranger:
            answer = stranger.post(f"{guarded.url}/instances", content=dicom_file() + bytes(size))
        assert answer.status_code == 401
    assert guarded.get("/instances") == before


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic YWxpY2U=",  # no colon
        "Basic OjEyMw==",  # no name
        "Basic YWxpY2U6",  # no password
        "Basic /////w==",  # not UTF-8
        "Bearer " + "x" * 5000,
        "Digest username=alice",
        "basic YWxpY2U6d3Jvbmc=",
    ],
)
def test_bad_credentials(guarded: Server, value: str) -> None:
    answer = httpx.get(f"{guarded.url}/patients", headers={"Authorization": value})
    assert answer.status_code == 401


def refused_login(server: Server, user: str, password: str) -> float:
    """Seconds until a wrong login is refused."""
    started = time.perf_counter()
    assert httpx.get(f"{server.url}/patients", auth=(user, password)).status_code == 401
    return time.perf_counter() - started


def test_guessing_becomes_slow_and_is_logged(guarded: Server) -> None:
    times = [
        refused_login(guarded, "bob", f"guess{number}\r\nforged line") for number in range(FREE_FAILURES + 2)
    ]
    assert min(times[-2:]) >= DELAY
    # As slow together as one after the other, however many connections there are.
    started = time.perf_counter()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda number: refused_login(guarded, "bob", f"guess{number}"), range(10)))
    assert time.perf_counter() - started >= 9 * PACE
    log = guarded.log()
    assert "Failed login of 'bob' from 127.0.0.1" in log
    assert "\nforged line" not in log
    assert "guess" not in log


def test_a_flood_of_logins_shuts_nobody_out(guarded: Server) -> None:
    """Neither whoever is known already, nor another user or address, nor the very user under attack."""
    checkup = Checkup(guarded, auth=LOGIN)
    assert guarded.client.get("/patients").status_code == 200
    done = threading.Event()

    def attack(number: int) -> set[int]:
        statuses = set()
        with httpx.Client(base_url=guarded.url, timeout=120) as attacker:
            for attempt in count():
                answer = attacker.get("/patients", auth=("carol", f"flood{number}.{attempt}"))
                statuses.add(answer.status_code)
                if done.wait(0.1):
                    return statuses
        raise AssertionError

    def login(user: tuple[str, str], address: str) -> float:
        """Seconds until a login that is right and was never seen is answered."""
        transport = httpx.HTTPTransport(local_address=address)
        started = time.perf_counter()
        with httpx.Client(base_url=guarded.url, timeout=60, transport=transport) as client:
            assert client.get("/patients", auth=user).status_code == 200
        return time.perf_counter() - started

    with ThreadPoolExecutor(60) as pool:
        flood = [pool.submit(attack, number) for number in range(60)]
        try:
            time.sleep(2)
            started = time.perf_counter()
            for _ in range(5):
                assert guarded.client.get("/patients").status_code == 200
            assert time.perf_counter() - started < 10
            assert login(("dora", "of another address"), "127.0.0.2") < 15
            assert login(("erik", "of the same address"), "127.0.0.1") < 15
            assert login(("carol", "under attack"), "127.0.0.1") < 40
        finally:
            done.set()
        statuses = set().union(*(attacker.result() for attacker in flood))
    assert statuses == {401}
    checkup()


def test_names_of_files_do_not_make_headers(open_server: Server) -> None:
    id = open_server.upload(dicom_file())["ID"]
    for name in (
        "a%0d%0aSet-Cookie:%20x=1",
        "a%22%3b%20x%3d%22",
        "%01%02%7f%09",
        "%c3%a9%e2%80%ae",
        "%ff",
        "a%00b",
    ):
        for path in ("file", "attachments/dicom/data"):
            answer = open_server.client.get(f"/instances/{id}/{path}?filename={name}")
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
            assert answer.headers.get("content-disposition", "").count('"') in (0, 2)


def test_answers_are_not_sniffed_or_framed(open_server: Server) -> None:
    """What is stored may be HTML: no browser may take it for a page of ours."""
    html = b"<script>alert(1)</script>"
    id = open_server.upload(dicom_file(PatientName="<script>alert(1)</script>"))["ID"]
    open_server.client.put(f"/instances/{id}/metadata/1024", content=html).raise_for_status()
    open_server.client.put(f"/instances/{id}/attachments/1025", content=html).raise_for_status()
    for path in (
        f"/instances/{id}/metadata/1024",
        f"/instances/{id}/attachments/1025/data",
        f"/instances/{id}/content/PatientName",
        f"/instances/{id}/tags",
        "/<script>alert(1)</script>",
    ):
        answer = open_server.client.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "html" not in answer.headers.get("content-type", "")
    for path in ("/docs",):
        policy = open_server.client.get(path).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_secrets_are_not_shown(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = "s3cr3t-pass"
    config = {
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"carol": secret},
        "OrthancPeers": {"p": ["http://localhost:1/", "u", secret]},
    }
    with running(orthanclite(tmp_path_factory.mktemp("secrets"), config)) as server:
        server.client.auth = ("carol", secret)
        for path in ("/system", "/peers?expand", "/peers/p/configuration", "/tools/metrics-prometheus"):
            answer = server.client.get(path)
            assert answer.status_code == 200
            assert secret not in answer.text
        server.client.put("/tools/log-level", content="trace")
        server.client.get("/patients")
        assert server.client.put("/patients/x/protected", content="1").status_code >= 400
        assert secret not in server.log()
