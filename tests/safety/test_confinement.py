"""What a process that decodes hostile images can do once somebody has taken it over: next to nothing."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import landlockpy
import pyseccomp
import pytest

from orthanclite.core.errors import CorruptedFile, OrthancError
from orthanclite.core.machine.processes import CONFINEMENT, start_module
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.handover import OpenFile
from orthanclite.services.imaging.workers import PoolLimits, WorkerPool

pytestmark = pytest.mark.skipif(not landlockpy.supported(), reason="a kernel without Landlock")
HAS_SECCOMP = hasattr(pyseccomp, "SyscallFilter")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    os.environ["ORTHANC__SECRET_OF_A_TEST"] = "secret"
    opened = WorkerPool(PoolLimits(workers=1))
    yield opened
    opened.close()
    del os.environ["ORTHANC__SECRET_OF_A_TEST"]


class Intruder:
    """Pickles as a function of the files that are handed over: the worker cannot import these tests.

    It runs a program and returns its ``result``, or the name of its error.
    """

    def __init__(self, program: str) -> None:
        indented = "".join(f"    {line}\n" for line in program.splitlines())
        guarded = f"try:\n{indented}except Exception as exc:\n    result = type(exc).__name__\n"
        self._source = (
            f"lambda *files: (lambda names: (exec({guarded!r}, names), str(names.get('result')).encode())[1])"
            "({'files': files})"
        )

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (self._source,)


def attempt(pool: WorkerPool, program: str, *files: object) -> str:
    """Run a program in a worker, as one would who has taken it over."""
    return pool.run("operator:call", Intruder(program), *files).decode()


def test_what_is_in_force(pool: WorkerPool) -> None:
    means = attempt(pool, f"import os; result = os.environ[{CONFINEMENT!r}]")
    assert means == ("landlock,seccomp" if HAS_SECCOMP else "landlock")


@pytest.mark.parametrize("what", ["file", "folder", "storage"])
def test_nothing_is_read(pool: WorkerPool, tmp_path: Path, what: str) -> None:
    """Neither the images of others nor the configuration and its passwords."""
    path = tmp_path / "secret"
    path.write_text("secret")
    code = (
        f"import os; result = os.listdir({str(tmp_path)!r})[0]"
        if what == "folder"
        else (f"result = open({str(path)!r}).read()")
    )
    assert attempt(pool, code) == "PermissionError"
    for file in ("/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", "/proc/self/mem"):
        assert attempt(pool, f"result = open({file!r}, 'rb').read(4).decode()") == "PermissionError"


@pytest.mark.skipif(not HAS_SECCOMP, reason="libseccomp is not installed")
@pytest.mark.parametrize(
    "code",
    [
        "os.kill(server, 0)",
        "os.kill(-1, 0)",
        "os.kill(0, 0)",
        "signal.pidfd_send_signal(os.pidfd_open(server), 0)",
        "libc.syscall(200, server, 0)",  # tkill
        "libc.syscall(234, server, server, 0)",  # tgkill
        "resource.prlimit(server, resource.RLIMIT_NOFILE)",
        "resource.prlimit(server, resource.RLIMIT_NOFILE, (9, 9))",
        "os.sched_setaffinity(server, {0})",
        "os.sched_setscheduler(server, os.SCHED_IDLE, os.sched_param(0))",
        "os.setpriority(os.PRIO_PROCESS, server, 5)",
        "os.setpriority(os.PRIO_PGRP, 0, 5)",
        "os.setpriority(os.PRIO_USER, 0, 5)",
    ],
)
def test_nothing_is_done_to_other_processes(pool: WorkerPool, code: str) -> None:
    if "syscall" in code and platform.machine() != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    head = f"""import ctypes, os, resource, signal
server = {os.getpid()}
class C:
    def syscall(self, *arguments):
        if ctypes.CDLL(None, use_errno=True).syscall(*arguments):
            raise OSError(ctypes.get_errno(), "")
libc = C()
"""
    assert attempt(pool, head + code) == "PermissionError"


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(os.getpid(), 0)",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))",
        "os.sched_setaffinity(0, os.sched_getaffinity(0))",
    ],
)
def test_a_worker_may_still_do_to_itself(pool: WorkerPool, code: str) -> None:
    assert attempt(pool, f"import os, resource\n{code}\nresult = 'done'") == "done"


@pytest.mark.skipif(not HAS_SECCOMP, reason="libseccomp is not installed")
def test_a_worker_that_aborts_ends(pool: WorkerPool) -> None:
    with pytest.raises(OrthancError):
        attempt(pool, "import os; os.abort()")
    assert attempt(pool, "result = 'the next one'") == "the next one"


def test_nothing_is_written(pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("untouched")
    for code in (
        "open(folder + '/new', 'w').write('x')",
        "open(folder + '/there', 'a').write('x')",
        "open('/tmp/orthanclite-test-new', 'w').write('x')",
        "os.unlink(folder + '/there')",
        "os.mkdir(folder + '/below')",
        "os.symlink('/etc/passwd', folder + '/link')",
        "os.rename(folder + '/there', folder + '/gone')",
        "os.truncate(folder + '/there', 0)",
    ):
        assert attempt(pool, f"import os; folder = {str(tmp_path)!r}; {code}") == "PermissionError"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["untouched"]


def test_nobody_is_talked_to(pool: WorkerPool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port})); result = 'connected'"
        assert attempt(pool, code) == "PermissionError"
        assert (
            attempt(pool, "import socket; socket.create_server(('', 0)); result = 'bound'")
            == "PermissionError"
        )
        if HAS_SECCOMP:
            for kind in ("socket.AF_INET, socket.SOCK_DGRAM", "socket.AF_UNIX", "socket.AF_INET6"):
                code = f"import socket; socket.socket({kind}); result = 'made'"
                assert attempt(pool, code) == "PermissionError"


def test_nothing_is_started_and_nobody_is_hit(pool: WorkerPool) -> None:
    code = "import os; os.execv('/bin/true', ['true']); result = 'started'"
    assert attempt(pool, code) == "PermissionError"
    assert attempt(pool, f"import os; os.kill({os.getpid()}, 0); result = 'reached'") == "PermissionError"


def test_no_secrets_are_inherited(pool: WorkerPool) -> None:
    assert "ORTHANC__SECRET_OF_A_TEST" in os.environ
    assert attempt(pool, "import os; result = ' '.join(os.environ.values())").find("secret") < 0


def test_files_are_handed_over_open(pool: WorkerPool, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    result = ScratchFile(tmp_path, "result")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]  # a scratch file has no name
    code = "result = files[0].read().decode(); files[1].write(b'copy of ' + result.encode())"
    for _ in range(50):  # more than a worker could have open if it kept them
        assert attempt(pool, code, source, OpenFile(result.descriptor)) == "content"
    assert result.read(0, 100) == (b"copy of content" * 50)[:100]
    # What is handed over for reading cannot be written.
    assert attempt(pool, "files[0].write(b'x')", source) in ("UnsupportedOperation", "OSError")
    assert attempt(pool, "import os; os.write(files[0].fileno(), b'x'); result = ''", source) == "OSError"
    assert source.read_bytes() == b"content"


def test_a_file_that_is_gone(pool: WorkerPool, tmp_path: Path) -> None:
    with pytest.raises(CorruptedFile, match="nothing"):
        attempt(pool, "result = ''", tmp_path / "nothing")
    assert attempt(pool, "result = 'fine'") == "fine"


def test_a_worker_that_does_not_answer_is_replaced(pool: WorkerPool) -> None:
    with pytest.raises(OrthancError):
        attempt(pool, "import os; os._exit(1)")
    assert attempt(pool, "result = 'fine'") == "fine"


def test_where_writing_is_allowed(tmp_path: Path) -> None:
    """The process that writes large blobs: the storage folder, and nothing else."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    allowed = (
        f"import os; os.makedirs({str(inside / 'ab')!r}); open({str(inside / 'part')!r}, 'w').write('x'); "
        f"os.rename({str(inside / 'part')!r}, {str(inside / 'ab' / 'written')!r})"
    )
    refused = f"open({str(outside / 'written')!r}, 'w')"
    for statement, status in ((allowed, 0), (refused, 1)):
        arguments = ("-n1", "-r1", statement)
        process = start_module("timeit", arguments, (), writable=[inside])  # which runs statements
        assert process.wait(60) == status
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [inside / "ab" / "written"]


def test_without_the_means_of_the_system(tmp_path: Path) -> None:
    """An old kernel, no libseccomp: the process runs all the same, and says so."""
    program = (
        "import sys, landlockpy, types\n"
        "def refuse(*args, **kw): raise landlockpy.UnsupportedError('no')\n"
        "landlockpy.Ruleset = refuse\n"
        "sys.modules['pyseccomp'] = None\n"
        "from orthanclite.confined import confine\n"
        "print(confine([]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
