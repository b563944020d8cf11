"""Studies for the browser to look at."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from tests.support.records import dicom_file
from tests.support.server import Server


def study(number: int, name: str, **tags: str) -> bytes:
    """A file of one instance; the number tells patient and study apart."""
    given: dict[str, Any] = {"StudyDate": "20240131", "StudyDescription": "Head", "Modality": "CT", **tags}
    return dicom_file(
        patient=f"p{number}",
        study=f"1.2.{number}",
        series=f"1.2.{number}.1",
        instance=f"1.2.{number}.1.1",
        PatientName=name,
        **given,
    )


def stored(site: Server, number: int, name: str, **tags: str) -> str:
    """The Orthanc identifier of the study."""
    answer = site.client.post("/instances", content=study(number, name, **tags))
    answer.raise_for_status()
    return str(answer.json()["ParentStudy"])


def png(width: int, height: int) -> bytes:
    with io.BytesIO() as packed:
        Image.linear_gradient("L").resize((width, height)).save(packed, "PNG")
        return packed.getvalue()
