"""Making and changing workitems (UPS-RS, PS3.18 sections 11.4 and 11.6 to 11.8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from orthanclite.core.errors import BadRequest, OrthancError, UnsupportedMediaType
from orthanclite.core.identifiers import generate_uid
from orthanclite.dicom.attributes import Attributes
from orthanclite.dicom.json_model import attributes_from_model
from orthanclite.dicom.reading.native_model import from_native_model
from orthanclite.dicomweb.addresses import Addresses
from orthanclite.dicomweb.forms import JSON, XML, with_warnings
from orthanclite.services.worklists.steps import SOP_INSTANCE, STATE, TRANSACTION, NoRight, Steps, WrongState
from orthanclite.web.answers.responses import Response
from orthanclite.web.call import Call
from orthanclite.web.media_types import parse_media_type
from orthanclite.web.routing import Arg, Body, Router

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_LONGEST_UID = 64
_BODY = Body((JSON, XML))
_REQUESTER = Arg("requester", "The application entity title of whoever asks")


class WorkitemChanges:
    """Changes workitems as clients ask for it."""

    def __init__(self, steps: Steps, addresses: Addresses) -> None:
        self._steps = steps
        self._addresses = addresses

    def create(self, call: Call) -> Response:
        """201, and where the new workitem is.

        :raises BadRequest: where it is malformed, or lacks something.
        :raises RevisionConflict: where there is one with its UID.
        """
        given = _data_set(call)
        uid = _named(call) or _text(given, SOP_INSTANCE) or generate_uid()
        if not _UID.fullmatch(uid) or len(uid) > _LONGEST_UID:
            raise BadRequest(f"Not a UID: {uid}")
        self._steps.create(uid, given)
        place = f"{self._addresses.base(call)}/workitems/{uid}"
        return Response(201).with_header("Location", place).with_header("Content-Location", place)

    def update(self, call: Call) -> Response:
        """200.

        :raises UnknownResource: where there is no such workitem.
        :raises BadRequest: where it may not be changed so.
        """
        given = _data_set(call)
        transaction = _named(call) or _text(given, TRANSACTION)
        kept = {tag: value for tag, value in given.items() if tag != TRANSACTION}
        with self._told(call):
            self._steps.update(call.params["workitem"], kept, transaction)
        return self._done(call, 200, "")

    def change_state(self, call: Call) -> Response:
        """200.

        :raises UnknownResource: where there is no such workitem.
        :raises BadRequest: without the right transaction UID.
        :raises WrongState: where it cannot come into the state.
        """
        given = _data_set(call)
        with self._told(call):
            warning = self._steps.change_state(
                call.params["workitem"], _text(given, STATE), _text(given, TRANSACTION)
            )
        return self._done(call, 200, warning)

    def request_cancellation(self, call: Call) -> Response:
        """202.

        :raises UnknownResource: where there is no such workitem.
        :raises WrongState: where it is too late to cancel it.
        """
        given = _data_set(call) if call.body.strip() else {}
        with self._told(call):
            warning = self._steps.request_cancellation(call.params["workitem"], given)
        return self._done(call, 202, warning)

    def _done(self, call: Call, status: int, warning: str) -> Response:
        base = self._addresses.base(call)
        response = Response(status).with_header(
            "Content-Location", f"{base}/workitems/{call.params['workitem']}"
        )
        return with_warnings(response, base, [warning] if warning else [])

    @contextmanager
    def _told(self, call: Call) -> Iterator[None]:
        """Tell of a conflict in the header ``Warning``, too (PS3.18 table 11.7.3-2)."""
        try:
            yield
        except (NoRight, WrongState) as exc:
            base = self._addresses.base(call)
            exc.headers = [(b"warning", f"299 {base}: {_shown(exc)}".encode("latin-1", "replace"))]
            raise


def change_routes(root: str, changes: WorkitemChanges) -> Router:
    """Routes that make and change workitems."""
    router = Router("DICOMweb")
    workitem = f"{root}/workitems/{{workitem}}"
    by = Arg("transaction-uid", "The transaction UID of whoever has it in hand")
    router.post(
        f"{root}/workitems",
        "Make a workitem (UPS-RS)",
        query=[Arg("workitem", "Its UID, unless the data set tells it")],
        body=_BODY,
    )(changes.create)
    for method in ("POST", "PUT"):
        router.route(method, workitem, "Change attributes of a workitem (UPS-RS)", query=[by], body=_BODY)(
            changes.update
        )
    router.put(
        f"{workitem}/state",
        "Claim a workitem, or bring it to its end (UPS-RS)",
        description="The data set has ProcedureStepState and TransactionUID.",
        query=[_REQUESTER],
        body=_BODY,
    )(changes.change_state)
    router.post(
        f"{workitem}/cancelrequest",
        "Ask for the cancellation of a workitem (UPS-RS)",
        query=[_REQUESTER],
        body=_BODY,
    )(changes.request_cancellation)
    return router


def _data_set(call: Call) -> Attributes:
    """The one data set of a body.

    :raises UnsupportedMediaType: for a body that is neither JSON nor XML.
    :raises BadFileFormat: for one that is malformed, or has several.
    """
    kind = parse_media_type(call.header("content-type", JSON)).name
    if kind == XML:
        return attributes_from_model(from_native_model(call.body))
    if kind not in (JSON, "application/json"):
        raise UnsupportedMediaType(f"A workitem is sent as {JSON} or {XML}")
    found = call.json()
    if isinstance(found, list):
        if len(found) != 1:
            raise BadRequest("A workitem is one data set")
        found = found[0]
    return attributes_from_model(found)


def _named(call: Call) -> str:
    """The UID that a query names: by itself (``?1.2.3``), or as the value of an argument."""
    for name, value in call.arguments:
        if _UID.fullmatch(name) and not value:
            return name
        if name.lower() in ("workitem", "transaction-uid", "transactionuid"):
            return value.strip()
    return ""


def _text(attributes: Attributes, tag: int) -> str:
    found = attributes.get(tag)
    return "" if found is None else found.text.strip(" \0")


def _shown(error: OrthancError) -> str:
    return error.details or error.message
