"""Marks of tests that need programs of the system, and are skipped where these are not installed."""

from __future__ import annotations

import shutil

import pytest

needs_unzip = pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
needs_dcmtk = pytest.mark.skipif(shutil.which("dcmdump") is None, reason="DCMTK is not installed")
