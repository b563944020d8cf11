"""Settings of the buttons that open a study elsewhere, with the names that Orthanc Explorer 2 gave them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orthanclite.config.table import Fate, setting
from orthanclite.core.errors import BadParameterType, ParameterOutOfRange

VIEWERS = ("ohif", "ohif-2", "weasis", "slicer", "meddream")

_LEVELS = ("study", "series", "instance")
_KNOWN = frozenset({"Id", "Tooltip", "Icon", "HttpMethod", "Url", "Target"})
_METHODS = ("GET", "POST", "PUT")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.ASCII | re.IGNORECASE)
_IGNORED = re.compile(r"[\x00-\x1f\x7f\\]|^ ")  # what browsers leave out of an address, or read as a slash
_UNCERTAIN_SCHEME = re.compile(r"[^/?#]*\{[^/?#]*:")  # one that values of a resource are part of
_UNSAFE_SCHEMES = frozenset({"javascript", "data", "vbscript", "blob", "file", "about", "filesystem"})

Button = Mapping[str, str]


def parse_buttons(value: object) -> Mapping[str, Sequence[Button]]:
    """``CustomButtons``: what stands beside a study, a series or an instance.

    :raises BadParameterType: for what is no list of buttons for each level.
    :raises ParameterOutOfRange: for a level, a method or an address that cannot be used.
    """
    if not isinstance(value, Mapping):
        raise BadParameterType("must be an object")
    buttons: dict[str, Sequence[Button]] = {}
    for level, wanted in value.items():
        if not isinstance(wanted, list):
            raise BadParameterType(f'"{level}" must be a list')
        if level not in _LEVELS:
            if wanted:
                raise ParameterOutOfRange(f'has no buttons for "{level}", but for {", ".join(_LEVELS)}')
            continue
        buttons[level] = tuple(_button(one) for one in wanted)
    return buttons


def _button(value: object) -> Button:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        raise BadParameterType("a button must be an object of strings")
    unknown = set(value) - _KNOWN
    if unknown:
        raise ParameterOutOfRange(f"a button has no {', '.join(sorted(unknown))}")
    method, url = value.get("HttpMethod", "GET"), value.get("Url", "")
    if method not in _METHODS:
        raise ParameterOutOfRange(f'HttpMethod must be one of {", ".join(_METHODS)}, found "{method}"')
    if not value.get("Tooltip") or not url:
        raise ParameterOutOfRange("a button needs a Tooltip and a Url")
    scheme = _scheme(url)
    if scheme in _UNSAFE_SCHEMES:
        raise ParameterOutOfRange(f'Url may not begin with "{scheme}:"')
    if _UNCERTAIN_SCHEME.match(url):
        raise ParameterOutOfRange(f'Url may not have a value before its first colon, found "{url}"')
    if method != "GET" and (scheme is not None or url.startswith("//")):
        raise ParameterOutOfRange(
            "Url must be a path below this server's API where HttpMethod is POST or PUT, "
            "as the pages send requests to no other server"
        )
    return {
        "Tooltip": value["Tooltip"],
        "HttpMethod": method,
        "Url": url,
        "Target": value.get("Target", "_blank"),
    }


def parse_public_root(value: object) -> str:
    """Where another viewer is: a path, or an address of HTTP; with a slash at its end."""
    if not isinstance(value, str):
        raise BadParameterType("must be a string")
    if not value or _scheme(value) not in (None, "http", "https"):
        raise ParameterOutOfRange(f'must be a path or begin with http:// or https://, found "{value}"')
    return value if value.endswith("/") else f"{value}/"


def _scheme(address: str) -> str | None:
    """What an address begins with, in lower case; None for a path.

    :raises ParameterOutOfRange: for an address that a browser would read as another one.
    """
    if _IGNORED.search(address):
        raise ParameterOutOfRange(
            "an address may have neither control characters nor backslashes, nor a space before it"
        )
    found = _SCHEME.match(address)
    return None if found is None else found[1].lower()


@dataclass(frozen=True, slots=True)
class OpenerOptions:
    """Which buttons open a study elsewhere."""

    ohif: bool = setting("EnableOpenInOhifViewer3", False, "A button that opens OHIF 3.")
    ohif_root: str = setting(
        "OhifViewer3PublicRoot", "/ohif/", "Where OHIF 3 is: a path or an address.", parse=parse_public_root
    )
    ohif_2: bool = setting("EnableOpenInOhifViewer", False, "A button that opens OHIF 2.")
    ohif_2_root: str = setting(
        "OhifViewerPublicRoot",
        "http://ohif.my.site/",
        "Where OHIF 2 is: a path or an address.",
        parse=parse_public_root,
    )
    meddream: bool = setting("EnableOpenInMedDreamViewer", False, "A button that opens MedDream.")
    meddream_root: str = setting(
        "MedDreamViewerPublicRoot",
        "http://meddream.my.site/",
        "Where MedDream is: a path or an address.",
        parse=parse_public_root,
    )
    weasis: bool = setting(
        "EnableOpenInWeasisViewer", False, "A link that opens Weasis, where the user has it, by DICOMweb."
    )
    slicer: bool = setting(
        "EnableOpenInSlicer", False, "A link that opens 3D Slicer, where the user has it, by DICOMweb."
    )
    viewers: tuple[str, ...] = setting(
        "ViewersOrdering", VIEWERS, "In which order the buttons stand; those that are not named come last."
    )
    icons: Mapping[str, str] = setting(
        "ViewersIcons", {}, "Icons of the buttons.", fate=Fate.INERT, why="the buttons have names, not icons"
    )
    buttons: Mapping[str, Sequence[Button]] = setting(
        "CustomButtons",
        {},
        "Further buttons beside a study, a series or an instance: lists of objects with Tooltip, Url, "
        "HttpMethod (GET opens the address, POST and PUT send an empty request to this server) and Target. "
        "In Url, {UUID} is the Orthanc identifier, and {StudyInstanceUID} or any other main tag, of the "
        "resource or of what it belongs to, its value. Id and Icon are accepted; a button shows its Tooltip. "
        "Such as a list study with Tooltip Ask the ward and Url https://ward.example.com/?id={PatientID}.",
        parse=parse_buttons,
    )
