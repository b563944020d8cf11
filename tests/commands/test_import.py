"""``orthanclite import`` against a running server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import command_line
from tests.support.ports import free_port
from tests.support.records import dicom_file
from tests.support.server import Server, orthanclite, running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(orthanclite(tmp_path_factory.mktemp("server"))) as started:
        yield started


@pytest.fixture
def server(shared: Server) -> Server:
    """The module's server, empty."""
    resources = {"Resources": shared.get("/patients")}
    shared.client.post("/tools/bulk-delete", json=resources).raise_for_status()
    return shared


def instance(number: int) -> bytes:
    return dicom_file(instance=f"1.2.3.{number}", InstanceNumber=number)


def run(server: Server, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return command_line("import", f"--url={server.url}", *arguments, cwd=folder)


def stored(server: Server) -> int:
    return int(server.get("/statistics")["CountInstances"])


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_folder_with_everything_below_it(server: Server, tmp_path: Path) -> None:
    deep = tmp_path / "images" / "a" / "b"
    deep.mkdir(parents=True)
    for number in range(5):
        (tmp_path / "images" / ("", "a", "a/b")[number % 3] / f"{number}.dcm").write_bytes(instance(number))
    (deep / "DICOMDIR").write_bytes(b"not sent")
    ended = run(server, tmp_path, "images")
    assert ended.returncode == 0, ended.stderr
    assert "5 files" in ended.stdout
    assert "5 Success" in ended.stdout
    assert stored(server) == 5


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
def test_the_members_of_an_archive(server: Server, tmp_path: Path, name: str) -> None:
    members = {f"study/series {number}/image": instance(number) for number in range(3)}
    members["__MACOSX/._image"] = b"not sent"
    if name.endswith(".zip"):
        content = zipped(members)
    else:
        content = tarred(members, "w:" + {"tgz": "gz", "tar": ""}.get(name[2:], name.rpartition(".")[2]))
    (tmp_path / name).write_bytes(content)
    ended = run(server, tmp_path, name)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 Success" in ended.stdout
    assert stored(server) == 3


def test_several_paths_and_what_is_there_already(server: Server, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(instance(1))
    (tmp_path / "two.zip").write_bytes(zipped({"1": instance(1), "2": instance(2)}))
    ended = run(server, tmp_path, "--jobs=1", "one.dcm", "two.zip")
    assert ended.returncode == 0
    assert "2 Success" in ended.stdout
    assert "1 AlreadyStored" in ended.stdout
    assert stored(server) == 2


def test_refusals_are_told_with_their_reason(server: Server, tmp_path: Path) -> None:
    (tmp_path / "good.dcm").write_bytes(instance(1))
    (tmp_path / "notes.txt").write_bytes(b"These are no images.")
    (tmp_path / "broken.zip").write_bytes(zipped({"1": instance(2)})[:-30])
    (tmp_path / "broken.tar.gz").write_bytes(b"\x1f\x8b no gzip at all")
    mixed = {"image": instance(3), "text": b"neither"}
    (tmp_path / "mixed.zip").write_bytes(zipped(mixed))
    ended = run(
        server, tmp_path, "good.dcm", "notes.txt", "broken.zip", "broken.tar.gz", "mixed.zip", "absent.dcm"
    )
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert any("2 Success" in line for line in lines)
    for name in ("notes.txt", "broken.zip", "broken.tar.gz", "mixed.zip!text", "absent.dcm"):
        assert f"  {name}" in lines
    assert "Not stored (2): Cannot parse an invalid DICOM file" in lines
    assert "Traceback" not in ended.stderr
    assert stored(server) == 2


NASTY = "\x1b[2J\x1b]0;owned\x07\r\u202e.dcm"


def test_names_are_shown_and_not_obeyed(server: Server, tmp_path: Path) -> None:
    """A terminal takes escape sequences for orders, and a carriage return hides what stood before."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / NASTY).write_bytes(b"no DICOM")
    (folder / os.fsdecode(b"bytes-\xff-that-are-no-utf-8")).write_bytes(b"no DICOM")
    (folder / "a.zip").write_bytes(zipped({NASTY: b"no DICOM", "dir/" + NASTY: b"no DICOM"}))
    (folder / "b.tar").write_bytes(tarred({NASTY: b"no DICOM"}, "w"))
    outcome = run(server, tmp_path, folder)
    assert outcome.returncode == 1
    assert "Not stored (5)" in outcome.stdout
    assert outcome.stdout.count("\\x1b[2J\\x1b]0;owned\\x07\\r\\u202e.dcm") == 4
    assert "bytes-\\udcff-that" in outcome.stdout
    assert all(line.isprintable() for line in outcome.stdout.splitlines())
    assert "owned\x07" not in outcome.stderr


def test_files_larger_than_the_limit_are_not_sent(server: Server, tmp_path: Path) -> None:
    (tmp_path / "large.dcm").write_bytes(dicom_file(side=800))
    (tmp_path / "large.zip").write_bytes(zipped({"image": dicom_file(side=800)}))
    ended = run(server, tmp_path, "--max-size=1", "large.dcm", "large.zip")
    assert ended.returncode == 1
    assert "Not stored (2): is larger than 1 MB" in ended.stdout
    assert stored(server) == 0


def test_a_stopped_import_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    count = 1500
    for number in range(count):
        (images / f"{number:04}.dcm").write_bytes(instance(number))
    process = subprocess.Popen(
        [sys.executable, "-m", "orthanclite", "import", f"--url={server.url}", "--state=state", "images"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background with the signal ignored, and so would this be.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while stored(server) < 20:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from here" in errors
    assert "Traceback" not in errors
    done = [json.loads(line) for line in (tmp_path / "state").read_text().splitlines()]
    assert len(done) == len(set(done)) == stored(server) < count

    ended = run(server, tmp_path, "--state=state", "images")
    assert ended.returncode == 0
    assert f"{count - len(done)} Success" in ended.stdout
    assert f"{len(done)} files were sent by an earlier run" in ended.stdout
    assert stored(server) == count
    assert not (tmp_path / "state").exists()


def test_a_state_torn_by_a_kill_is_good_up_to_its_last_line(server: Server, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.dcm").write_bytes(instance(number))
    (tmp_path / "state").write_text('"images/0.dcm"\n"images/1.d')
    assert run(server, tmp_path, "--state=state", "images").returncode == 0
    assert stored(server) == 2


def test_no_server_no_import(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(instance(1))
    url = f"http://127.0.0.1:{free_port()}"
    ended = command_line("import", f"--url={url}", "one.dcm", cwd=tmp_path)
    assert ended.returncode == 255
    assert f"No server answers at {url}" in ended.stderr


def test_a_password_is_asked_for_and_used(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(instance(1))
    config = {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "a:b"}}
    with running(orthanclite(tmp_path / "server", config)) as server:
        without = run(server, tmp_path, "one.dcm")
        wrong = run(server, tmp_path, "-u", "alice:no", "one.dcm")
        right = run(server, tmp_path, "-u", "alice:a:b", "one.dcm")
    assert (without.returncode, wrong.returncode, right.returncode) == (255, 255, 0)
    assert "-u user:password" in without.stderr
    assert "1 Success" in right.stdout


def test_a_state_that_is_none_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(instance(1))
    (tmp_path / "state").write_text("something else\n")
    ended = run(server, tmp_path, "--state=state", "one.dcm")
    assert ended.returncode == 255
    assert '"state" is not the state of an import' in ended.stderr
    assert (tmp_path / "state").read_text() == "something else\n"
