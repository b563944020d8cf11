"""Which identifier became which: the map of an edit, as CSV (RFC 4180) or JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import orjson

from orthanclite.core.errors import BadFileFormat
from orthanclite.core.identifiers import hierarchy
from orthanclite.core.levels import Level
from orthanclite.core.main_tags import IDENTIFIER_OF
from orthanclite.core.model import Parts
from orthanclite.core.ports import Resources
from orthanclite.dicom.edit import EditPlan, TagPath
from orthanclite.services.edit.sources import Source, Sources

UID_MAP = "uid-map"
"""The key of the output of a job."""

FORMATS: Mapping[str, str] = {"CSV": "text/csv", "JSON": "application/json"}
"""The formats, with their media types."""

_NAMES = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.INSTANCE: "SOPInstanceUID",
}
_TOGETHER = 200

Row = tuple[str, str, str]
"""The name of an attribute, its original value and its new one."""

Plans = Callable[[Mapping[int, str]], EditPlan]


def wanted_format(body: Mapping[str, object]) -> str:
    """The format of the map that a request asks for (``UidMap``); empty for none.

    :raises BadFileFormat: for an unknown one
    """
    format = body.get("UidMap", "")
    if not isinstance(format, str) or (format not in FORMATS and "UidMap" in body):
        raise BadFileFormat(f"UidMap should be one of {', '.join(FORMATS)}")
    return format


def new_identifiers(plan: EditPlan, identifiers: Mapping[int, str]) -> dict[int, str]:
    """The identifiers of what a plan makes of an instance, by tag."""
    found: dict[int, str] = {}
    for tag in IDENTIFIER_OF.values():
        path, original = TagPath(tag), identifiers.get(tag, "")
        if path in plan.keep:
            found[tag] = original
        elif path in plan.replace:
            found[tag] = str(plan.replace[path] or "")
        elif tag in plan.renew and original:
            found[tag] = plan.references.get(original) or plan.new_uid(original)
        else:
            found[tag] = original
    return found


def map_rows(resources: Resources, ids: Sequence[str], plans: Plans) -> Iterator[list[Row]]:
    """The rows for stored instances and their ancestors, each once, a batch at a time.

    :param ids: of the sources; those of which there is no result are left out
    """
    sources, told = Sources(resources), set[Row]()
    for start in range(0, len(ids), _TOGETHER):
        loaded = sources.load(ids[start : start + _TOGETHER])
        known = [one for one in loaded if isinstance(one, Source)]
        rows: list[Row] = []
        for source, new in _with_results(resources, known, plans):
            for level, tag in IDENTIFIER_OF.items():
                row = (_NAMES[level], source.identifiers.get(tag, ""), new[tag])
                if level is Level.INSTANCE:
                    rows.append(row)
                elif row not in told:
                    told.add(row)
                    rows.append(row)
        yield rows


def _with_results(
    resources: Resources, sources: Iterable[Source], plans: Plans
) -> Iterator[tuple[Source, dict[int, str]]]:
    made = {}
    for source in sources:
        new = new_identifiers(plans(source.identifiers), source.identifiers)
        ids = hierarchy(*(new[IDENTIFIER_OF[level]] for level in Level))
        made[ids.instance] = (source, new)
    stored = {one.id for one in resources.get_many(Level.INSTANCE, sorted(made), Parts.NONE)}
    return (pair for id, pair in made.items() if id in stored)


def encoded(batches: Iterable[list[Row]], format: str) -> Iterator[bytes]:
    """A map in one of :data:`FORMATS`, piece by piece."""
    if format == "JSON":
        separator = b"["
        for rows in batches:
            for attribute, original, new in rows:
                yield separator + orjson.dumps({"Attribute": attribute, "Original": original, "New": new})
                separator = b",\n"
        yield b"[]\n" if separator == b"[" else b"]\n"
        return
    yield _csv([("Attribute", "Original", "New")])
    for rows in batches:
        yield _csv(rows)


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8")
