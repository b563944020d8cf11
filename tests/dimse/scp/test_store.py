"""C-STORE: what is sent is what is stored, and every failure has its status."""

from __future__ import annotations

import struct
import threading
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.dsutils import encode

from orthanclite.core.constants import Metadata
from orthanclite.core.errors import (
    BadFileFormat,
    DatabaseUnavailable,
    FullStorage,
    OrthancError,
    ReadOnly,
)
from orthanclite.core.levels import Level
from orthanclite.dimse.command import command_pdu, data_pdus, encode_command
from orthanclite.dimse.scp.part10 import IMPLEMENTATION_CLASS_UID
from orthanclite.services.ingest.service import IngestService
from tests.dimse.conftest import StartServer
from tests.dimse.support import (
    CT,
    IMPLICIT,
    ct,
    eventually,
    implicit,
    needs_dcmtk,
    send_bytes,
    write_many,
)
from tests.support.scu import paused


def test_the_data_set_is_stored_byte_for_byte(start: StartServer) -> None:
    site = start()
    sent = encode(ct(), True, True)
    assert sent is not None
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, sent, uid=ct().SOPInstanceUID) == 0x0000
    (instance,) = site.instances()
    file = site.file(instance)
    assert file.endswith(sent)
    meta = pydicom.dcmread(BytesIO(file)).file_meta
    assert file[:132] == bytes(128) + b"DICM"
    assert meta.FileMetaInformationGroupLength == len(file) - len(sent) - 144
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, ct().SOPInstanceUID)
    assert meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID


def test_the_origin_is_kept_as_metadata(start: StartServer) -> None:
    site = start()
    with site.associate(CT, aet="  SCANNER ", called="ANYTHING") as association:
        assert association.send_c_store(ct()).Status == 0x0000
    (instance,) = site.instances()
    values = site.lab.index.annotations.metadata(Level.INSTANCE, instance)
    found = {Metadata(key).name: entry.value for key, entry in values.items() if key < 1024}
    assert found["REMOTE_AET"] == "SCANNER"
    assert found["CALLED_AET"] == "ANYTHING"
    assert found["REMOTE_IP"] == "127.0.0.1"
    assert found["ORIGIN"] == "DicomProtocol"


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_encoding_is_stored_as_it_comes(start: StartServer, syntax: pydicom.uid.UID) -> None:
    site = start()
    dataset = ct()
    encoded = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, deflated=syntax.is_deflated)
    assert encoded is not None
    with site.associate(CT, syntaxes=[syntax]) as association:
        assert send_bytes(association, encoded, uid=dataset.SOPInstanceUID) == 0x0000
    (stored,) = site.stored()
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.PatientName == dataset.PatientName
    assert stored.Rows == dataset.Rows


def test_compressed_images_stay_compressed(start: StartServer) -> None:
    site = start()
    dataset = pydicom.dcmread(str(get_testdata_file("JPEG2000.dcm")))
    with site.associate(dataset.SOPClassUID, syntaxes=[JPEG2000]) as association:
        assert association.send_c_store(dataset).Status == 0x0000
    (stored,) = site.stored()
    assert stored.file_meta.TransferSyntaxUID == JPEG2000
    assert stored.PixelData == dataset.PixelData


def test_large_instances_go_to_the_storage_while_they_arrive(
    start: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = start()
    dataset = ct(PixelData=bytes(range(256)) * 32768)  # 8 MiB
    monkeypatch.setattr(IngestService, "store", None)  # the way of what is kept in memory
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, implicit(dataset), uid=dataset.SOPInstanceUID) == 0x0000
    (stored,) = site.stored()
    assert stored.PixelData == dataset.PixelData
    assert len(list(site.lab.blobs.scan())) == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (implicit(ct()), 0x0000),
        (implicit(ct(SOPInstanceUID="1.2.3")), 0xA900),
        (implicit(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.4")), 0xA900),
        (implicit(ct(SOPInstanceUID=None)), 0xC000),
        (implicit(ct(StudyInstanceUID=None)), 0xA700),
        (implicit(ct(StudyInstanceUID="")), 0xA700),
        (implicit(ct())[:-1000], 0xC000),
        (b"garbage!" * 100, 0xC000),
        (b"\0\0", 0xC000),
    ],
    ids=[
        "good",
        "instance",
        "class",
        "no-uid",
        "no-study",
        "empty-study",
        "truncated",
        "garbage",
        "tiny",
    ],
)
def test_each_failure_has_its_status(start: StartServer, data: bytes, status: int) -> None:
    site = start()
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, data, uid=ct().SOPInstanceUID) == status
        # The association lives on, whatever was sent.
        assert send_bytes(association, implicit(ct()), uid=ct().SOPInstanceUID) == 0x0000
    assert len(site.instances()) == 1
    assert len(list(site.lab.blobs.scan())) == 1


def test_an_empty_data_set_is_refused(start: StartServer) -> None:
    site = start()
    values: dict[int, int | str | bytes] = {2: CT, 0x100: 1, 0x110: 1, 0x800: 1, 0x1000: "1.2.3"}
    with site.associate(CT, syntaxes=IMPLICIT) as association, paused(association):
        assert association.dul.socket is not None
        pdus = command_pdu(1, encode_command(values)) + b"".join(data_pdus(1, [b""], 0))
        association.dul.socket.send(pdus)
        _, answer = association.dimse.get_msg(block=True)
        assert getattr(answer, "Status", None) == 0xC000


def small(explicit: bool) -> bytes:
    """A data set without pixel data."""
    dataset = ct()
    del dataset.PixelData
    encoded = encode(dataset, not explicit, True)
    assert encoded
    return encoded


@pytest.mark.parametrize("kind", [b"\0", b"\xff", b" "], ids=["nul", "ff", "blank"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_padding_behind_a_data_set_is_dropped(
    start: StartServer, kind: bytes, syntax: pydicom.uid.UID
) -> None:
    site = start()
    sizes = [1, 2, 4, 6, 7, 8, 9, 10, 12, 16, 100, 30_000]
    sent = {}
    with site.associate(CT, syntaxes=[syntax]) as association:
        for size in sizes:
            uid = f"1.2.{size}"
            whole = encode(ct(SOPInstanceUID=uid), syntax.is_implicit_VR, syntax.is_little_endian)
            assert whole
            sent[uid] = whole, whole + kind * size
            assert send_bytes(association, whole + kind * size, uid) == 0x0000
    for instance in site.instances():
        file = site.file(instance)
        stored = pydicom.dcmread(BytesIO(file))
        whole, padded = sent.pop(stored.SOPInstanceUID)
        # Zeros may be elements, of a group that no data set has: then they are kept.
        assert file.endswith(whole) or (kind == b"\0" and file.endswith(padded))
        assert stored.PixelData == ct().PixelData
    assert not sent


@pytest.mark.parametrize("explicit", [True, False])
def test_padding_behind_a_data_set_without_pixels_is_dropped(start: StartServer, explicit: bool) -> None:
    site = start()
    syntax = ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    with site.associate(CT, syntaxes=[syntax]) as association:
        data = small(explicit) + bytes(6)
        assert send_bytes(association, data, uid=ct().SOPInstanceUID) == 0x0000
    assert site.file(site.instances()[0]).endswith(small(explicit))


@pytest.mark.parametrize("tail", [b"\0", bytes(100), b"\xff" * 3], ids=["one", "many", "ff"])
def test_padding_behind_a_deflated_data_set_does_no_harm(start: StartServer, tail: bytes) -> None:
    """PS3.5 annex A.5: an odd length is padded; the stream tells where it ends."""
    site = start()
    encoded = encode(ct(), False, True, deflated=True)
    assert encoded
    with site.associate(CT, syntaxes=[DeflatedExplicitVRLittleEndian]) as association:
        assert send_bytes(association, encoded + tail, uid=ct().SOPInstanceUID) == 0x0000
    (stored,) = site.stored()
    assert stored.PatientName == ct().PatientName
    assert stored.PixelData == ct().PixelData


def test_padding_behind_a_large_data_set_is_dropped(start: StartServer) -> None:
    site = start()
    dataset = ct(PixelData=bytes(range(256)) * 131072)  # 32 MiB
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        data = implicit(dataset)
        assert send_bytes(association, data + b"\0\0\xff\xff", uid=dataset.SOPInstanceUID) == 0x0000
    (instance,) = site.instances()
    assert site.file(instance).endswith(data)
    assert eventually(lambda: len(list(site.lab.blobs.scan())) == 1)


def test_padding_behind_encapsulated_pixels_is_dropped(start: StartServer) -> None:
    site = start()
    dataset = pydicom.dcmread(str(get_testdata_file("JPEG2000.dcm")))
    encoded = encode(dataset, False, True)
    assert encoded
    with site.associate(dataset.SOPClassUID, syntaxes=[JPEG2000]) as association:
        data = encoded + b"\xff" * 5
        sop_class = str(dataset.SOPClassUID)
        assert send_bytes(association, data, dataset.SOPInstanceUID, sop_class) == 0x0000
    assert site.file(site.instances()[0]).endswith(encoded)


@pytest.mark.parametrize(
    "tail", [b"a", b"trailing text", b"\0\0a", b"\xe0\x7f\x10\0", bytes(4) + b"\x0e"], ids=str
)
def test_what_is_more_than_padding_is_refused(start: StartServer, tail: bytes) -> None:
    site = start()
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, implicit(ct()) + tail, uid=ct().SOPInstanceUID) == 0xC000
    assert site.instances() == []


def test_a_file_with_padding_is_no_file_of_the_network(start: StartServer) -> None:
    """Uploaded over HTTP it is refused, as by the reference."""
    site = start()
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, implicit(ct()), uid=ct().SOPInstanceUID) == 0x0000
    file = site.file(site.instances()[0])
    with pytest.raises(BadFileFormat):
        site.lab.store(file + bytes(6))


GROUP_2 = {
    "syntax": struct.pack("<HHI", 2, 0x10, 20) + b"1.2.840.10008.1.2.1\0",
    "class": struct.pack("<HHI", 2, 2, 4) + b"1.2\0",
    "length": struct.pack("<HHII", 2, 0, 4, 12),
}


@pytest.mark.parametrize("elements", GROUP_2.values(), ids=GROUP_2)
def test_group_2_in_a_data_set_is_kept_and_means_nothing(start: StartServer, elements: bytes) -> None:
    site = start()
    data = elements + implicit(ct())
    with site.associate(CT, syntaxes=IMPLICIT) as association:
        assert send_bytes(association, data, uid=ct().SOPInstanceUID) == 0x0000
    (instance,) = site.instances()
    assert site.file(instance).endswith(data)
    values = site.lab.index.annotations.metadata(Level.INSTANCE, instance)
    assert values[Metadata.TRANSFER_SYNTAX].value == ImplicitVRLittleEndian
    assert values[Metadata.SOP_CLASS_UID].value == CT


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_group_2_in_an_explicit_data_set(start: StartServer, syntax: pydicom.uid.UID) -> None:
    site = start()
    encoded = encode(ct(), False, syntax.is_little_endian)
    assert encoded
    order = "<" if syntax.is_little_endian else ">"
    data = struct.pack(order + "HH2sH", 2, 0x10, b"UI", 18) + b"1.2.840.10008.1.2\0" + encoded
    with site.associate(CT, syntaxes=[syntax]) as association:
        assert send_bytes(association, data, uid=ct().SOPInstanceUID) == 0x0000
    (instance,) = site.instances()
    assert site.file(instance).endswith(data)
    values = site.lab.index.annotations.metadata(Level.INSTANCE, instance)
    assert values[Metadata.TRANSFER_SYNTAX].value == syntax


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FullStorage(), 0xA700),
        (DatabaseUnavailable("The queue is full"), 0xA700),
        (ReadOnly(), 0xA700),
        (OrthancError(), 0x0110),
    ],
)
def test_a_server_that_cannot_store_says_so(
    start: StartServer, monkeypatch: pytest.MonkeyPatch, error: OrthancError, status: int
) -> None:
    site = start()

    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(IngestService, "store", fail)
    with site.associate(CT) as association:
        answer = association.send_c_store(ct())
    assert answer.Status == status
    assert answer.ErrorComment == str(error)


def test_storing_twice_is_no_failure(start: StartServer) -> None:
    site = start()
    with site.associate(CT) as association:
        assert [association.send_c_store(ct()).Status for _ in range(2)] == [0, 0]
    assert len(site.instances()) == 1


def test_several_associations_at_once(start: StartServer) -> None:
    site = start(threads=2)
    failures: list[int] = []

    def send(number: int) -> None:
        with site.associate(CT) as association:
            for index in range(10):
                status = association.send_c_store(ct(SOPInstanceUID=f"1.2.{number}.{index}")).Status
                if status != 0x0000:
                    failures.append(status)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert len(site.instances()) == 120


@needs_dcmtk
def test_dcmtk_tools(start: StartServer, tmp_path: Path) -> None:
    site = start()
    assert site.run("echoscu").returncode == 0
    folder = write_many(tmp_path / "files", 5)
    sent = site.run("storescu", str(folder), options=["+sd"])
    assert sent.returncode == 0, sent.stderr
    assert len(site.instances()) == 5
    rle = str(get_testdata_file("MR_small_RLE.dcm"))
    sent = site.run("dcmsend", rle)
    assert sent.returncode == 0, sent.stderr
    assert len(site.instances()) == 6


@needs_dcmtk
def test_default_storescu_is_not_held_up_by_delayed_acks(start: StartServer, tmp_path: Path) -> None:
    """With delayed ACKs each instance takes 44 ms."""
    import time

    site = start()
    folder = write_many(tmp_path / "files", 100)
    took = []
    for _ in range(3):  # on a busy machine the first time may be slow for other reasons
        began = time.monotonic()
        sent = site.run("storescu", str(folder), options=["+sd"])
        took.append(time.monotonic() - began)
        assert sent.returncode == 0, sent.stderr
        assert len(site.instances()) == 100
        if took[-1] < 3.0:
            break
    assert min(took) < 3.0
