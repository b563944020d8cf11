"""The Native DICOM Model in XML (PS3.19 annex A), read into the DICOM JSON Model (PS3.18 annex F)."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from orthanclite.core.errors import BadFileFormat
from orthanclite.dicom.encoding import MAX_DEPTH

_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_INTEGERS = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_FLOATS = frozenset({"DS", "FD", "FL"})


class _Builder(TreeBuilder):
    """Refuses declarations: nobody has a use for them here but to have entities expanded."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadFileFormat("A document of the Native DICOM Model has no declarations")


def from_native_model(text: bytes) -> dict[str, Any]:
    """The data set of a document, in the JSON model.

    :raises BadFileFormat: for what is no such document.
    """
    parser = XMLParser(target=_Builder())
    try:
        parser.feed(text)
        root = parser.close()
    except ParseError as exc:
        raise BadFileFormat(f"Not an XML document: {exc}") from exc
    if _name(root) != "NativeDicomModel":
        raise BadFileFormat("Not a document of the Native DICOM Model")
    return _dataset(root, 0)


def _dataset(parent: Element, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise BadFileFormat(f"Sequences are nested more than {MAX_DEPTH} levels deep")
    found = {}
    for child in parent:
        if _name(child) == "DicomAttribute":
            tag, vr = child.get("tag", ""), child.get("vr", "")
            if len(tag) != 8 or len(vr) != 2:
                raise BadFileFormat("An attribute has no tag or no VR")
            found[tag.upper()] = _attribute(child, vr, depth)
    return found


def _attribute(element: Element, vr: str, depth: int) -> dict[str, Any]:
    values: list[Any] = []
    for child in element:
        name = _name(child)
        if name == "InlineBinary":
            return {"vr": vr, "InlineBinary": (child.text or "").strip()}
        if name == "BulkData":
            return {"vr": vr, "BulkDataURI": child.get("uri") or child.get("uuid") or ""}
        if name == "Item":
            values.append(_dataset(child, depth + 1))
        elif name == "PersonName":
            values.append(_person_name(child))
        elif name == "Value":
            values.append(_value(child.text or "", vr))
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _person_name(element: Element) -> dict[str, str]:
    groups = {}
    for child in element:
        if _name(child) in _GROUPS:
            parts = {_name(part): part.text or "" for part in child}
            text = "^".join(parts.get(name, "") for name in _NAME_PARTS).rstrip("^")
            groups[_name(child)] = text
    return groups


def _value(text: str, vr: str) -> Any:
    try:
        if vr in _INTEGERS and text.strip():
            return int(text)
        if vr in _FLOATS and text.strip():
            return float(text)
    except ValueError as exc:
        raise BadFileFormat(f"Not a number: {text}") from exc
    return text


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
