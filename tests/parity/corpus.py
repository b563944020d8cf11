"""The files that both servers are given: pydicom's bundled ones and those that DCMTK and pydicom make here.

Every file has identifiers of its own, so that no upload replaces another: bundled files that are the same
image in another encoding have the last digits of their SOP Instance UID changed in place, which leaves
whatever is odd in them as it is.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.data
from pydicom.dataset import Dataset

from tests.parity.made import images, made_files

DCMTK = shutil.which("dcmconv") is not None
"""Whether DCMTK's converters are installed; without them the corpus has no files of theirs."""

CONVERSIONS: dict[str, tuple[str, list[str], frozenset[str]]] = {
    "implicit": ("dcmconv", ["+ti"], frozenset({"grey8", "grey12", "grey16", "rgb8", "frames"})),
    "explicit": ("dcmconv", ["+te"], frozenset({"grey16", "rgb8", "sequences"})),
    "big-endian": ("dcmconv", ["+tb"], frozenset({"grey8", "grey16", "rgb8", "frames", "sequences"})),
    "deflated": ("dcmconv", ["+td"], frozenset({"grey16", "rgb8", "sequences"})),
    "implicit-no-meta": ("dcmconv", ["+ti", "-F"], frozenset({"grey16", "sequences"})),
    "explicit-no-meta": ("dcmconv", ["+te", "-F"], frozenset({"grey16", "sequences"})),
    "group-lengths": ("dcmconv", ["+te", "+g"], frozenset({"grey16", "sequences"})),
    "undefined-lengths": ("dcmconv", ["+te", "-e"], frozenset({"sequences"})),
    "explicit-lengths": ("dcmconv", ["+ti", "+e"], frozenset({"sequences"})),
    "padded": ("dcmconv", ["+te", "+p", "512", "64"], frozenset({"grey16", "sequences"})),
    "jpeg-baseline": ("dcmcjpeg", ["+eb", "+un"], frozenset({"grey8", "rgb8", "frames"})),
    "jpeg-extended": ("dcmcjpeg", ["+ee", "+un"], frozenset({"grey12"})),
    "jpeg-spectral": ("dcmcjpeg", ["+es", "+un"], frozenset({"grey8"})),
    "jpeg-progressive": ("dcmcjpeg", ["+ep", "+un"], frozenset({"grey8"})),
    "jpeg-lossless": ("dcmcjpeg", ["+el"], frozenset({"grey8", "grey12", "grey16", "rgb8"})),
    "jpeg-lossless-sv1": ("dcmcjpeg", ["+e1"], frozenset({"grey8", "grey12", "grey16", "rgb8", "frames"})),
    "jpeg-rgb": ("dcmcjpeg", ["+eb", "+cr", "+un"], frozenset({"rgb8"})),
    "jpeg-fragments": ("dcmcjpeg", ["+e1", "+fs", "1"], frozenset({"grey16", "frames"})),
    "jpeg-no-offsets": ("dcmcjpeg", ["+e1", "-ot"], frozenset({"grey16", "frames"})),
    "jpegls-lossless": ("dcmcjpls", ["+el"], frozenset({"grey8", "grey12", "grey16", "rgb8", "frames"})),
    "jpegls-near-lossless": ("dcmcjpls", ["+en", "+un"], frozenset({"grey8", "grey12", "rgb8"})),
    "rle": ("dcmcrle", [], frozenset({"grey8", "grey12", "grey16", "rgb8", "frames"})),
}
"""By name: the program of DCMTK, its options, the images of ``made.py`` it is given."""


OTHER_IDENTIFIERS = frozenset({"bundled/rtdose_rle.dcm", "bundled/rtdose_rle_1frame.dcm"})
"""Their text is of VR UN. The reference keeps the padding of the PatientID, which gives another patient."""


@dataclass(frozen=True)
class Sample:
    """A file of the corpus."""

    name: str
    """``bundled/...``, ``charset/...`` (pydicom's), ``dcmtk/{conversion}/{image}`` or ``made/...``."""
    data: bytes

    def __str__(self) -> str:
        return self.name


@cache
def corpus() -> tuple[Sample, ...]:
    """All files, in a fixed order."""
    samples = [*_bundled(), *_made(), *_converted()]
    return tuple(_distinct(sample for sample in samples if sample.name not in OTHER_IDENTIFIERS))


def is_dicom(sample: Sample) -> bool:
    """Whether pydicom finds the identifiers of an instance in the file."""
    return _identifiers(sample.data) is not None


def _bundled() -> Iterator[Sample]:
    folder = Path(pydicom.data.__file__).parent
    for kind, below in (("bundled", "test_files"), ("charset", "charset_files")):
        for path in sorted((folder / below).rglob("*")):
            if path.is_file() and path.suffix not in {".py", ".pyc"}:
                yield Sample(f"{kind}/{path.relative_to(folder / below)}", path.read_bytes())


def _made() -> Iterator[Sample]:
    for name, data in made_files().items():
        yield Sample(f"made/{name}", data)


def _converted() -> Iterator[Sample]:
    if not DCMTK:
        return
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source", Path(folder) / "target"
        for conversion, (program, options, wanted) in CONVERSIONS.items():
            for image, data in images(f"dcmtk-{conversion}").items():
                if image not in wanted:
                    continue
                source.write_bytes(data)
                command = [program, *options, str(source), str(target)]
                subprocess.run(command, check=True, capture_output=True, timeout=60)
                yield Sample(f"dcmtk/{conversion}/{image}", target.read_bytes())


def _identifiers(data: bytes) -> tuple[str, str, str, str] | None:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset: Dataset = pydicom.dcmread(BytesIO(data), force=True, stop_before_pixels=True)
            uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
            return (str(dataset.get("PatientID", "")), *map(str, uids))  # type: ignore[return-value]
    except (AttributeError, ValueError, KeyError, NotImplementedError, EOFError, OSError, struct.error):
        return None


def _identifiers_of(sample: Sample) -> tuple[str, str, str, str]:
    identifiers = _identifiers(sample.data)
    assert identifiers is not None
    return identifiers


def _distinct(samples: Iterable[Sample]) -> Iterator[Sample]:
    seen: set[tuple[str, str, str, str]] = set()
    for sample in samples:
        identifiers = _identifiers(sample.data)
        data = sample.data
        # Two digits that begin with no zero make a valid component, whatever comes before them.
        for number in range(10, 100):
            if identifiers is None or identifiers not in seen:
                break
            uid = _identifiers_of(sample)[-1]
            data = sample.data.replace(uid.encode(), f"{uid[:-2]}{number}".encode())
            identifiers = _identifiers(data)
        assert identifiers is None or identifiers not in seen, sample.name
        if identifiers is not None:
            seen.add(identifiers)
        yield Sample(sample.name, data)
