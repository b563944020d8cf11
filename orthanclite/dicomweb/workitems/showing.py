"""The worklist service (UPS-RS, PS3.18 chapter 11): workitems are searched and shown."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from orthanclite.core.errors import NotImplementedInServer
from orthanclite.dicom.attributes import Attribute, Attributes
from orthanclite.dicom.dictionary import TagDictionary
from orthanclite.dicom.json_model import model_of
from orthanclite.dicom.reading.dataset import SPECIFIC_CHARACTER_SET
from orthanclite.dicom.renderings.dicomweb_xml import to_xml
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.forms import JSON, REPRESENTATIONS, XML, whole_response, with_warnings, xml_response
from orthanclite.dicomweb.negotiation import choose, ranges
from orthanclite.dicomweb.search.queries import QUERY, QueryReader
from orthanclite.services.worklists.workitems import SHOWN, Workitems
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.routing import Arg, Router

_UTF_8 = Attribute("CS", "ISO_IR 192")

_REFUSED = (
    ("POST", "/workitems/{workitem}/subscribers/{aet}"),
    ("DELETE", "/workitems/{workitem}/subscribers/{aet}"),
    ("POST", "/workitems/{workitem}/subscribers/{aet}/suspend"),
    ("GET", "/subscribers/{aet}"),
)
"""The transactions that are not there (PS3.18 table 11.1.2-1)."""
_NOT_HERE = "Nobody is told of what happens to workitems: there are no subscriptions"


class _NotHere(NotImplementedInServer):
    """A transaction that is not there."""

    status = 501  # RFC 9110 section 15.6.2

    def __init__(self, base: str) -> None:
        super().__init__(_NOT_HERE)
        self.headers = [(b"warning", f"299 {base}: {_NOT_HERE}".encode("latin-1", "replace"))]


class WorkitemAnswers:
    """Answers what is asked of workitems."""

    def __init__(self, workitems: Workitems, dictionary: TagDictionary, addresses: Addresses) -> None:
        self._workitems = workitems
        self._dictionary = dictionary
        self._reader = QueryReader(dictionary)
        self._addresses = addresses

    def search(self, call: Call) -> Response:
        """The workitems that match (PS3.18 section 11.9).

        :raises BadRequest: for what is no query.
        :raises NotAcceptable: where the client accepts neither JSON nor XML.
        """
        asked = self._reader.read(call)
        for tag in SHOWN:
            asked.keys.setdefault(tag, self._reader.universal(tag))
        found = self._workitems.search(asked.keys, asked.fuzzy, asked.offset, asked.limit, asked.all_fields)
        warnings = list(asked.warnings)
        if found.left:
            warnings.append(f"There are {found.left} additional results that can be requested")
        return self._answer(call, found.workitems, warnings)

    def retrieve(self, call: Call) -> Response:
        """A workitem (PS3.18 section 11.5).

        :raises UnknownResource: where there is none.
        :raises NotAcceptable: where the client accepts neither JSON nor XML.
        """
        return self._answer(call, [self._workitems.get(call.params["workitem"])], [])

    def refuse(self, call: Call) -> Response:
        """:raises NotImplementedInServer: always."""
        raise _NotHere(self._addresses.base(call))

    def _answer(self, call: Call, workitems: Iterable[Attributes], warnings: Iterable[str]) -> Response:
        chosen = choose(ranges(call), REPRESENTATIONS)
        models = [model_of({**one, SPECIFIC_CHARACTER_SET: _UTF_8}) for one in workitems]
        if chosen.media_type == XML:
            response = xml_response(to_xml(one, self._dictionary) for one in models)
        else:
            media_type = "application/json" if chosen.media_type == "application/json" else JSON
            response = whole_response(call, orjson.dumps(models), media_type)
        response.with_header("Cache-Control", "no-cache")  # PS3.18 section 11.5.2
        return with_warnings(response, self._addresses.base(call), warnings)


def workitem_routes(root: str, answers: WorkitemAnswers) -> Router:
    """Routes that search and show workitems."""
    router = Router("DICOMweb")
    forms = (JSON, "multipart/related")
    router.get(
        f"{root}/workitems",
        "Search workitems (UPS-RS)",
        description="Also of worklists, each scheduled procedure step. Any attribute is a parameter.",
        query=QUERY,
        answers=forms,
    )(answers.search)
    router.get(
        f"{root}/workitems/{{workitem}}",
        "Show a workitem (UPS-RS)",
        query=[Arg("accept", "Media types, in place of the header Accept")],
        answers=forms,
    )(answers.retrieve)
    return router


def refused_routes(root: str, answers: WorkitemAnswers) -> Router:
    """Routes that say what is not there."""
    router = Router("DICOMweb")
    for method, path in _REFUSED:
        router.route(method, f"{root}{path}", "Not supported (UPS-RS)")(answers.refuse)
    return router
