"""Tests stand where the package has what they test."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CROSS_CUTTING = {"clients", "parity", "safety", "support"}
"""Other people's clients, comparisons with the reference, attacks on the whole server, its failures, and what
tests are made with."""


def folders() -> list[str]:
    found = (path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/**/test_*.py"))
    return sorted({str(folder) for folder in found if folder.parts and folder.parts[0] not in CROSS_CUTTING})


@pytest.mark.parametrize("folder", folders())
def test_every_folder_of_tests_is_one_of_the_package(folder: str) -> None:
    of_pages = (
        ROOT / "explorer" / "src" / Path(folder).relative_to("explorer") if "explorer/" in folder else None
    )
    assert (ROOT / "orthanclite" / folder / "__init__.py").exists() or (of_pages and of_pages.is_dir())
    assert (ROOT / "tests" / folder / "__init__.py").exists(), "names of test modules would collide"


def packages() -> list[str]:
    return sorted(
        path.parent.name
        for path in ROOT.glob("orthanclite/*/__init__.py")
        if any(module.name != "__init__.py" for module in path.parent.rglob("*.py"))
    )


TESTED_ELSEWHERE = {"app": "commands"}
"""The composition root is what the command line starts."""


@pytest.mark.parametrize("package", packages())
def test_every_package_has_tests(package: str) -> None:
    assert list((ROOT / "tests" / TESTED_ELSEWHERE.get(package, package)).rglob("test_*.py"))
