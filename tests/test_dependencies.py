"""What pyproject.toml declares, and what the lock files hold."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVER = [Requirement(text) for text in PROJECT["dependencies"]]
TEST = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]


def locked(name: str) -> dict[str, list[str]]:
    """The releases by library: more than one where it depends on the version of Python."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    for library, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(library), []).append(version)
    return found


@pytest.mark.parametrize(("name", "requirements"), [("server.txt", SERVER), ("test.txt", SERVER + TEST)])
def test_the_lock_file_has_what_is_declared(name: str, requirements: list[Requirement]) -> None:
    releases = locked(name)
    for requirement in requirements:
        versions = releases.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not in {name}: run requirements/update"
        for version in versions:
            assert requirement.specifier.contains(version), f"{requirement}: run requirements/update"


@pytest.mark.parametrize("name", ["server.txt", "build.txt"])
def test_the_lock_files_agree(name: str) -> None:
    tested = locked("test.txt")
    for library, versions in locked(name).items():
        assert tested.get(library, versions) == versions, library


@pytest.mark.parametrize("name", ["server.txt", "test.txt", "build.txt"])
def test_every_release_has_hashes_and_comes_from_nowhere_in_particular(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == sum(map(len, locked(name).values()))
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


KNOWN_INSIDE = {"httptools", "pydicom", "sqlalchemy", "starlette", "uvicorn"}
"""Libraries of which more is used than they promise."""


def test_libraries_whose_insides_are_known_have_an_upper_bound() -> None:
    bounded = {one.name for one in SERVER if any(spec.operator == "<" for spec in one.specifier)}
    assert bounded >= KNOWN_INSIDE
    assert all(any(spec.operator == ">=" for spec in one.specifier) for one in SERVER + TEST)


def test_tests_and_benchmarks_import_only_what_is_declared() -> None:
    """What the package itself imports is judged by deptry."""
    modules = packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in SERVER + TEST}
    for path in (*ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")):
        for name in imported(path) - {"orthanclite", "tests", "benchmarks"} - sys.stdlib_module_names:
            origins = {canonicalize_name(one) for one in modules.get(name, [name])}
            assert origins & declared, f"{path.relative_to(ROOT)} imports {name}"


def imported(path: Path) -> set[str]:
    """The packages that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found
