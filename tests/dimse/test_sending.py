"""Which context an instance is sent in, and which bytes; the associations are doubles, all else is real."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from orthanclite.core.errors import (
    BadFileFormat,
    CorruptedFile,
    NetworkProtocol,
    NoPresentationContext,
    NotImplementedInServer,
    OrthancError,
)
from orthanclite.core.levels import Level
from orthanclite.core.machine.buffers import View
from orthanclite.dimse.command import AFFECTED_SOP_INSTANCE_UID, Command, Value, encode_command
from orthanclite.dimse.conversation import Context, Message
from orthanclite.dimse.sending import InstanceLine, InstanceSender, Sent, with_next
from orthanclite.services.content.outgoing import OutgoingInstance, OutgoingInstances
from orthanclite.services.content.scratch import ScratchFile
from orthanclite.services.imaging.transcoding import TranscodingService
from orthanclite.services.remotes.client import MoveOriginator
from tests.dicom.dicom_builder import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    deflate,
    file_of,
    minimal,
)
from tests.dimse.support import CT, ct
from tests.support.lab import Lab

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
STATUS, COMMENT = 0x0900, 0x0902
ALL = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


class Peer:
    """An association whose other end accepts everything, in the contexts that it has."""

    def __init__(self, *syntaxes: str, sop_class: str = CT, is_scu: bool = True, status: int = 0) -> None:
        self.contexts = [
            Context(2 * number + 1, sop_class, syntax, is_scu) for number, syntax in enumerate(syntaxes)
        ]
        self.answer: dict[int, Value] = {STATUS: status}
        self.asked: list[tuple[Context, Mapping[int, Value]]] = []
        self.data = b""

    def ask(
        self,
        context: Context,
        elements: Mapping[int, Value],
        data: Iterable[View] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Message:
        self.asked.append((context, elements))
        self.data = b"".join(data or ())
        if meanwhile is not None:
            meanwhile()
        return Message(Command(encode_command(self.answer)), context)

    @property
    def transfer_syntax(self) -> str:
        """Of what came last."""
        return self.asked[-1][0].transfer_syntax

    def received(self) -> pydicom.Dataset:
        """What came last, as pydicom reads it in the transfer syntax of its context."""
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = self.transfer_syntax
        file = io.BytesIO()
        pydicom.filewriter.write_file_meta_info(file, meta, enforce_standard=False)
        return pydicom.dcmread(io.BytesIO(bytes(128) + b"DICM" + file.getvalue() + self.data))


class NoTranscoder:
    """Fails with an error of choice, and notes what was tried."""

    def __init__(self, *errors: OrthancError) -> None:
        self.errors = list(errors)
        self.tried: list[str] = []

    def transcode_instance(self, id: str, transfer_syntax: str, lossy_quality: int | None) -> ScratchFile:
        self.tried.append(transfer_syntax)
        raise self.errors.pop(0)


def store(laboratory: Lab, outgoing: OutgoingInstances, file: bytes) -> OutgoingInstance:
    [result] = laboratory.store(file)
    assert result.ids is not None
    [found] = outgoing.find([result.ids.instance])
    assert found is not None
    return found


def bytes_of(dataset: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def in_rle() -> bytes:
    dataset = ct()
    dataset.compress(RLELossless, generate_instance_uid=False)
    return bytes_of(dataset)


def never() -> NoTranscoder:
    return NoTranscoder()


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE])
def test_a_data_set_goes_out_byte_for_byte(laboratory: Lab, outgoing: OutgoingInstances, syntax: str) -> None:
    file = deflate(minimal()) if syntax == DEFLATED_LE else file_of(minimal(syntax), syntax)
    instance = store(laboratory, outgoing, file)
    peer = Peer(*ALL, sop_class=SECONDARY_CAPTURE)
    sent = InstanceSender(outgoing, never()).send(instance, peer)
    assert sent == Sent(0)
    assert sent.is_success
    assert peer.transfer_syntax == syntax
    assert peer.data
    assert file.endswith(peer.data)
    assert len(file) - len(peer.data) == file.index(b"DICM") + 4 + len(meta_of(file))


def meta_of(file: bytes) -> bytes:
    length = int.from_bytes(file[140:144], "little")
    return file[132 : 144 + length]


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
def test_a_bare_data_set_goes_out_as_it_is(laboratory: Lab, outgoing: OutgoingInstances, syntax: str) -> None:
    bare = minimal(syntax)
    instance = store(laboratory, outgoing, bare)
    peer = Peer(*ALL, sop_class=SECONDARY_CAPTURE)
    assert InstanceSender(outgoing, never()).send(instance, peer).is_success
    assert (peer.transfer_syntax, peer.data) == (syntax, bare)


def test_compressed_pixels_are_not_touched_where_the_peer_takes_them(
    laboratory: Lab, outgoing: OutgoingInstances
) -> None:
    file = in_rle()
    peer = Peer(ExplicitVRLittleEndian, RLELossless)
    assert InstanceSender(outgoing, never()).send(store(laboratory, outgoing, file), peer).is_success
    assert peer.transfer_syntax == RLELossless
    assert file.endswith(peer.data)


@pytest.mark.parametrize(
    ("accepted", "preferred", "chosen"),
    [
        ((ImplicitVRLittleEndian, ExplicitVRLittleEndian), ExplicitVRLittleEndian, ExplicitVRLittleEndian),
        ((ImplicitVRLittleEndian, ExplicitVRLittleEndian), ImplicitVRLittleEndian, ImplicitVRLittleEndian),
        ((ExplicitVRBigEndian, ImplicitVRLittleEndian), ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        ((ExplicitVRBigEndian,), ExplicitVRLittleEndian, ExplicitVRBigEndian),
        ((JPEGLosslessSV1, ExplicitVRBigEndian), ExplicitVRLittleEndian, ExplicitVRBigEndian),
        ((JPEGLosslessSV1, ExplicitVRBigEndian), JPEGLosslessSV1, JPEGLosslessSV1),
        ((JPEGBaseline8Bit, JPEGLosslessSV1), JPEGBaseline8Bit, JPEGLosslessSV1),
    ],
)
def test_other_instances_are_transcoded(
    laboratory: Lab,
    outgoing: OutgoingInstances,
    transcoding: TranscodingService,
    accepted: tuple[str, ...],
    preferred: str,
    chosen: str,
) -> None:
    file = in_rle()
    peer = Peer(*accepted)
    sent = InstanceSender(outgoing, transcoding, preferred).send(store(laboratory, outgoing, file), peer)
    assert sent.is_success
    assert peer.transfer_syntax == chosen
    original, received = ct(), peer.received()
    assert received.SOPInstanceUID == original.SOPInstanceUID
    assert (received.pixel_array == original.pixel_array).all()


def test_what_loses_nothing_but_cannot_be_written_gives_way_to_the_next(
    laboratory: Lab, outgoing: OutgoingInstances
) -> None:
    transcoder = NoTranscoder(NotImplementedInServer("No such image"), NotImplementedInServer("Nor here"))
    peer = Peer(JPEGLosslessSV1, ImplicitVRLittleEndian)
    sent = InstanceSender(outgoing, transcoder).send(store(laboratory, outgoing, in_rle()), peer)
    assert transcoder.tried == [ImplicitVRLittleEndian, JPEGLosslessSV1]
    assert str(sent.error) == "Nor here"
    assert sent.is_failure
    assert not peer.asked


def test_an_image_that_cannot_be_decoded_is_told(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    transcoder = NoTranscoder(BadFileFormat("Broken"))
    peer = Peer(JPEGLosslessSV1, ImplicitVRLittleEndian)
    sent = InstanceSender(outgoing, transcoder).send(store(laboratory, outgoing, in_rle()), peer)
    assert transcoder.tried == [ImplicitVRLittleEndian]
    assert (sent.status, str(sent.error)) == (None, "Broken")


@pytest.mark.parametrize(
    ("peer", "kind"),
    [
        (Peer(), NoPresentationContext),
        (Peer(ExplicitVRLittleEndian, sop_class=SECONDARY_CAPTURE), NoPresentationContext),
        (Peer(ExplicitVRLittleEndian, is_scu=False), NoPresentationContext),
        (Peer(JPEGBaseline8Bit), NetworkProtocol),  # would lose, and be another instance
    ],
    ids=["nothing", "another class", "another role", "with losses"],
)
def test_without_a_context_nothing_is_sent(
    laboratory: Lab,
    outgoing: OutgoingInstances,
    transcoding: TranscodingService,
    peer: Peer,
    kind: type[Exception],
) -> None:
    instance = store(laboratory, outgoing, bytes_of(ct()))
    sent = InstanceSender(outgoing, transcoding).send(instance, peer)
    assert sent.is_failure
    assert type(sent.error) is kind
    assert str(sent.error) == (
        f"No valid presentation context was negotiated for SOP class UID [{CT}] "
        f"and transfer syntax [{EXPLICIT_LE}]"
    )
    assert not peer.asked


@pytest.mark.parametrize("peer", [Peer(ImplicitVRLittleEndian), Peer()], ids=["another syntax", "nothing"])
@pytest.mark.parametrize(("of_server", "of_modality"), [(False, True), (True, False)])
def test_nothing_is_transcoded_against_the_options(
    laboratory: Lab, outgoing: OutgoingInstances, of_server: bool, of_modality: bool, peer: Peer
) -> None:
    sender = InstanceSender(outgoing, never(), transcodes=of_server)
    sent = sender.send(store(laboratory, outgoing, bytes_of(ct())), peer, allow_transcoding=of_modality)
    assert type(sent.error) is NetworkProtocol
    assert not peer.asked


@pytest.mark.parametrize(
    ("originator", "further"),
    [(None, {}), (MoveOriginator("MOVER", 4321), {0x1030: "MOVER", 0x1031: 4321})],
)
def test_the_command_names_the_instance_and_who_asked_for_it(
    laboratory: Lab,
    outgoing: OutgoingInstances,
    originator: MoveOriginator | None,
    further: dict[int, Any],
) -> None:
    peer = Peer(ExplicitVRLittleEndian)
    instance = store(laboratory, outgoing, bytes_of(ct()))
    InstanceSender(outgoing, never()).send(instance, peer, originator=originator)
    [(_, elements)] = peer.asked
    assert elements == {0x0002: CT, 0x0100: 1, 0x0700: 0, 0x1000: ct().SOPInstanceUID, **further}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, "is_success"),
        (0x0111, "is_success"),  # it has the instance
        (0xB000, "is_warning"),
        (0xB007, "is_warning"),
        (0x0001, "is_failure"),
        (0xA700, "is_failure"),
        (0xC000, "is_failure"),
        (0xFE00, "is_failure"),
    ],
)
def test_each_status_is_of_one_kind(
    laboratory: Lab, outgoing: OutgoingInstances, status: int, outcome: str
) -> None:
    peer = Peer(ExplicitVRLittleEndian, status=status)
    peer.answer[COMMENT] = "Zu groß".encode("latin-1")  # whatever its characters
    sent = InstanceSender(outgoing, never()).send(store(laboratory, outgoing, bytes_of(ct())), peer)
    assert (sent.status, sent.comment, sent.error) == (status, "Zu gro\ufffd", None)
    kinds = ("is_success", "is_warning", "is_failure")
    assert [kind for kind in kinds if getattr(sent, kind)] == [outcome]


def test_a_response_without_a_status_ends_it(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    peer = Peer(ExplicitVRLittleEndian)
    peer.answer.clear()
    with pytest.raises(NetworkProtocol):
        InstanceSender(outgoing, never()).send(store(laboratory, outgoing, bytes_of(ct())), peer)


def test_an_instance_that_is_gone_is_not_found(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    instance = store(laboratory, outgoing, bytes_of(ct()))
    assert [one and one.id for one in outgoing.find(["0", instance.id, "1"])] == [None, instance.id, None]


def test_a_file_that_is_missing_is_told(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    instance = store(laboratory, outgoing, bytes_of(ct()))
    laboratory.blobs.path(instance.file.attachment.uuid).unlink()
    peer = Peer(ExplicitVRLittleEndian)
    sent = InstanceSender(outgoing, never()).send(instance, peer)
    assert isinstance(sent.error, CorruptedFile)
    assert not peer.asked


def test_a_large_file_that_is_cut_off_is_noticed_before_anything_is_sent(
    laboratory: Lab, outgoing: OutgoingInstances
) -> None:
    dataset = ct(Rows=2048, Columns=2048, PixelData=bytes(8 << 20))
    instance = store(laboratory, outgoing, bytes_of(dataset))
    path: Path = laboratory.blobs.path(instance.file.attachment.uuid)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(7 << 20)
    peer = Peer(ExplicitVRLittleEndian)
    assert isinstance(InstanceSender(outgoing, never()).send(instance, peer).error, CorruptedFile)
    assert not peer.asked


def test_a_file_that_was_written_anew_meanwhile_is_sent_as_it_is_now(
    laboratory: Lab, outgoing: OutgoingInstances
) -> None:
    """As by ``IngestTranscoding`` in the background, or an instance that is stored again."""
    instance = store(laboratory, outgoing, bytes_of(ct()))
    laboratory.index.resources.delete(Level.INSTANCE, instance.id)
    laboratory.blobs.delete(instance.file.attachment.uuid)
    file = in_rle()
    store(laboratory, outgoing, file)
    peer = Peer(ExplicitVRLittleEndian, RLELossless)
    assert InstanceSender(outgoing, never()).send(instance, peer).is_success
    assert peer.transfer_syntax == RLELossless
    assert file.endswith(peer.data)


def test_a_large_file_takes_no_more_memory_than_a_piece(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    dataset = ct(Rows=4096, Columns=4096, PixelData=bytes(32 << 20))
    instance = store(laboratory, outgoing, bytes_of(dataset))

    class Counting(Peer):
        count = 0

        def ask(
            self,
            context: Context,
            elements: Mapping[int, Value],
            data: Iterable[View] | None = None,
            meanwhile: Callable[[], None] | None = None,
        ) -> Message:
            for piece in data or ():
                self.count += len(piece)
            return super().ask(context, elements)

    peer = Counting(ExplicitVRLittleEndian)
    tracemalloc.start()
    try:
        assert InstanceSender(outgoing, never()).send(instance, peer).is_success
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peer.count > 32 << 20
    assert peak < 8 << 20


# -- the next one is read while the peer is at work ----------------------------------------------------


def test_each_instance_goes_out_whatever_was_read_ahead(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    first, second, third = (
        store(laboratory, outgoing, bytes_of(ct(SOPInstanceUID=f"1.2.{number}"))) for number in (1, 2, 3)
    )
    peer = Peer(ExplicitVRLittleEndian)
    line = InstanceLine(InstanceSender(outgoing, never()), peer)
    for instance, following, goes in (
        (first, second, [second]),
        (second, first, [first]),  # another one than was told
        (third, None, []),
        (first, None, []),
    ):
        assert line.send(instance, following).is_success
        assert peer.asked[-1][1][AFFECTED_SOP_INSTANCE_UID] == instance.sop_instance_uid
        assert instance.sop_instance_uid.encode() in peer.data
        assert line.is_ahead == bool(goes)


def test_what_was_read_ahead_goes_out_though_its_file_is_gone(
    laboratory: Lab, outgoing: OutgoingInstances
) -> None:
    first, second = (
        store(laboratory, outgoing, bytes_of(ct(SOPInstanceUID=f"1.2.{number}"))) for number in (1, 2)
    )
    peer = Peer(ExplicitVRLittleEndian)
    line = InstanceLine(InstanceSender(outgoing, never()), peer)
    assert line.send(first, second).is_success
    laboratory.blobs.delete(second.file.attachment.uuid)
    assert line.send(second).is_success
    assert b"1.2.2" in peer.data


def test_a_failure_ahead_is_that_of_its_instance(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    first, second = (
        store(laboratory, outgoing, bytes_of(ct(SOPInstanceUID=f"1.2.{number}"))) for number in (1, 2)
    )
    laboratory.blobs.delete(second.file.attachment.uuid)
    line = InstanceLine(InstanceSender(outgoing, never()), Peer(ExplicitVRLittleEndian))
    assert line.send(first, second).is_success
    assert isinstance(line.send(second).error, CorruptedFile)
    assert line.send(first).is_success


def test_large_files_are_not_read_ahead(laboratory: Lab, outgoing: OutgoingInstances) -> None:
    small = store(laboratory, outgoing, bytes_of(ct(SOPInstanceUID="1.2.1")))
    large = ct(SOPInstanceUID="1.2.2", Rows=1024, Columns=1024, PixelData=bytes(2 << 20))
    line = InstanceLine(InstanceSender(outgoing, never()), Peer(ExplicitVRLittleEndian))
    assert line.send(small, store(laboratory, outgoing, bytes_of(large))).is_success
    assert not line.is_ahead


def test_each_with_the_next() -> None:
    assert list(with_next([])) == []
    assert list(with_next([1])) == [(1, None)]
    assert list(with_next([1, 2, 3])) == [(1, 2), (2, 3), (3, None)]
