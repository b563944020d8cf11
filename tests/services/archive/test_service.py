"""Archives over the real index and storage: names, content, DICOMDIR, limits."""

from __future__ import annotations

import io
import mmap
import os
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from orthanclite.core.errors import (
    BadFileFormat,
    CorruptedFile,
    InexistentItem,
    InexistentTag,
    NotImplementedInServer,
    ParameterOutOfRange,
    UnknownResource,
)
from orthanclite.core.levels import Level
from orthanclite.services.archive.names import Folder, folder_name
from orthanclite.services.archive.plan import Layout
from orthanclite.services.archive.service import ArchiveRequest, ArchiveService
from orthanclite.services.ingest.service import IngestOptions
from tests.support.lab import Lab, lab
from tests.support.records import InMemory, dicom_file
from tests.support.tools import needs_dcmtk, needs_unzip


class Upper:
    """Turns big endian files into something recognisable; all others cannot be transcoded."""

    def transcode(
        self, dicom: bytes | mmap.mmap, transfer_syntax: str, lossy_quality: int | None
    ) -> InMemory:
        if b"Name^refused" in bytes(dicom):
            raise NotImplementedInServer("cannot")
        return InMemory(bytes(dicom) + b"transcoded")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as opened:
        yield opened


def service(bench: Lab) -> ArchiveService:
    return ArchiveService(bench.resources, bench.reader, Upper(), bench.dictionary, bench.runtime, threads=2)


@pytest.fixture
def archives(bench: Lab) -> Iterator[ArchiveService]:
    opened = service(bench)
    yield opened
    opened.close()


def archive(archives: ArchiveService, *ids: str, layout: Layout = Layout.FULL, **options: object) -> bytes:
    request = ArchiveRequest(list(ids), layout, **options)  # type: ignore[arg-type]
    return b"".join(archives.writer(request).stream())


def opened(content: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(content))


@contextmanager
def file_set(path: Path) -> Iterator[FileSet]:
    """A file-set of pydicom, without the warning about the temporary folder that it leaves."""
    files = FileSet(path)
    yield files
    files._stage["t"].cleanup()


def names(content: bytes) -> list[str]:
    with opened(content) as members:
        assert members.testzip() is None
        return members.namelist()


def test_full_path_and_content(bench: Lab, archives: ArchiveService) -> None:
    file = dicom_file(
        "A1",
        InstanceNumber=12,
        AccessionNumber="acc",
        StudyDescription="chest / abdomen",
        SeriesNumber=3,
        SeriesDescription='a<b>:c*?"|\\d',
    )
    [stored] = bench.store(file)
    content = archive(archives, stored.ids.patient)
    path = "A1 - Name^A1/acc - chest abdomen/3 - CT - a b c d/CT000012.dcm"
    assert names(content) == [path]
    with opened(content) as members:
        assert members.read(path) == file
        assert members.getinfo(path).compress_type == zipfile.ZIP_DEFLATED


@needs_unzip
def test_unzip_agrees(bench: Lab, archives: ArchiveService, tmp_path: Path) -> None:
    files = [dicom_file("A", instance=f"1.{n}", InstanceNumber=n, side=64) for n in range(1, 6)]
    stored = bench.store(*files)
    path = tmp_path / "archive.zip"
    path.write_bytes(archive(archives, stored[0].ids.study))
    subprocess.run(["unzip", "-q", str(path), "-d", str(tmp_path / "out")], check=True)
    extracted = sorted((tmp_path / "out").rglob("*.dcm"))
    assert [entry.name for entry in extracted] == [f"CT{n:06}.dcm" for n in range(1, 6)]
    assert [entry.read_bytes() for entry in extracted] == files


def test_all_levels_can_be_mixed_and_are_counted_once(bench: Lab, archives: ArchiveService) -> None:
    stored = bench.store(
        *(dicom_file("A", "1.1", "1.1.1", f"1.1.1.{n}", InstanceNumber=n) for n in range(1, 4)),
        dicom_file("A", "1.2", "1.2.1", "1.2.1.1", StudyDescription="other"),
        dicom_file("B", "2.1", "2.1.1", "2.1.1.1"),
        dicom_file("B", "2.1", "2.1.1", "2.1.1.2", InstanceNumber=2),
    )
    first, other = stored[0].ids, stored[4].ids
    content = archive(
        archives, first.instance, first.series, first.patient, other.instance, other.instance, first.study
    )
    assert sorted(names(content)) == [
        "A - Name^A/Unknown Study/CT/CT000001.dcm",
        "A - Name^A/Unknown Study/CT/CT000002.dcm",
        "A - Name^A/Unknown Study/CT/CT000003.dcm",
        "A - Name^A/other/CT/CT000001.dcm",
        "B - Name^B/Unknown Study/CT/CT000001.dcm",
    ]


def test_instances_that_share_an_index_are_counted_from_zero(bench: Lab, archives: ArchiveService) -> None:
    numbers = (7, 7, 3)
    stored = bench.store(*(dicom_file(instance=f"1.{n}", InstanceNumber=k) for n, k in enumerate(numbers)))
    content = archive(archives, stored[0].ids.series)
    assert [Path(name).name for name in names(content)] == ["CT000000.dcm", "CT000001.dcm", "CT000002.dcm"]
    with opened(content) as members:
        first = dcmread(io.BytesIO(members.read(members.namelist()[0])))
    assert first.InstanceNumber == 3


@pytest.mark.parametrize(
    ("modality", "number", "expected"),
    [
        ("", 5, "00000005.dcm"),
        ("X", 5, "X0000005.dcm"),
        ("RTPLAN", 5, "RT000005.dcm"),
        ("CT", -1, "CT-00001.dcm"),
    ],
)
def test_file_names(bench: Lab, archives: ArchiveService, modality: str, number: int, expected: str) -> None:
    [stored] = bench.store(dicom_file(Modality=modality, InstanceNumber=number))
    assert Path(names(archive(archives, stored.ids.instance))[0]).name == expected


def test_empty_and_dangerous_names(bench: Lab, archives: ArchiveService) -> None:
    stored = bench.store(
        dicom_file("", "1.1", "1.1.1", "1.1.1.1", PatientName="", Modality=""),
        dicom_file(
            "..", "1.2", "1.2.1", "1.2.1.1", PatientName="", StudyDescription="../../etc", Modality=""
        ),
        dicom_file("Z", "1.4", "1.4.1", "1.4.1.1", PatientName="^", StudyDescription="^"),
    )
    found = sorted(names(archive(archives, *(one.ids.instance for one in stored))))
    assert found == [
        "Unknown Patient-2/Unknown Study/Unknown Series/00000001.dcm",
        "Unknown Patient/.. .. etc/Unknown Series/00000001.dcm",
        "Z - ^/Unknown Study/CT/CT000001.dcm",
    ]


@pytest.mark.parametrize("utf8", [False, True])
def test_very_long_names_fit_file_systems(utf8: bool, tmp_path: Path) -> None:
    """Each value is as long as the index keeps it."""
    tags = {"0008,0050": "a" * 100, "0008,1030": "é" * 128 + "b" * 200}
    folder = Folder()
    found = {folder.unique(folder_name(Level.STUDY, tags, utf8)) for _ in range(3)}
    assert len(found) == 3
    for name in found:
        assert name.startswith("a" * 100 + " - ")
        (tmp_path / name).mkdir()


@needs_unzip
def test_foreign_characters(bench: Lab, archives: ArchiveService, tmp_path: Path) -> None:
    [stored] = bench.store(
        dicom_file(
            "P", SpecificCharacterSet="ISO_IR 192", PatientName="Noël^山田", StudyDescription="Röntgen"
        )
    )
    plain = archive(archives, stored.ids.study)
    assert names(plain) == ["P - Nol^/Rntgen/CT/CT000001.dcm"]
    utf8 = archive(archives, stored.ids.study, utf8=True)
    assert names(utf8) == ["P - Noël^山田/Röntgen/CT/CT000001.dcm"]
    with opened(plain) as members:
        assert all(not member.flag_bits & 0x800 for member in members.infolist())
    with opened(utf8) as members:
        assert all(member.flag_bits & 0x800 for member in members.infolist())
    path = tmp_path / "utf8.zip"
    path.write_bytes(utf8)
    listing = subprocess.run(
        ["unzip", "-Z1", str(path)], check=True, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert listing.stdout.decode().strip() == "P - Noël^山田/Röntgen/CT/CT000001.dcm"


def test_study_names_its_patient_as_it_knows_it(bench: Lab, archives: ArchiveService) -> None:
    """Two studies share a PatientID and differ in the name: no archive of one shows the name of the other."""
    first, second = bench.store(
        dicom_file("P", "1.1", "1.1.1", "1.1.1.1", PatientName="First"),
        dicom_file("P", "1.2", "1.2.1", "1.2.1.1", PatientName="Second"),
    )

    def folders(*ids: str, level: Level | None = None) -> set[str]:
        return {name.split("/")[0] for name in names(archive(archives, *ids, level=level))}

    for stored, folder in ((first, "P - First"), (second, "P - Second")):
        ids = stored.ids
        assert folders(ids.study, level=Level.STUDY) == {folder}
        assert folders(ids.series, level=Level.SERIES) == {folder}
        for id in (ids.study, ids.series, ids.instance):
            assert folders(id) == {folder}
        assert folders(ids.patient) == folders(ids.patient, level=Level.PATIENT) == {"P - First"}
    assert folders(first.ids.series, second.ids.series) == {"P - First"}


def test_series_layout(bench: Lab, archives: ArchiveService) -> None:
    [stored] = bench.store(dicom_file(SeriesNumber=4))
    content = archive(archives, stored.ids.series, layout=Layout.SERIES, level=Level.SERIES)
    assert names(content) == ["4 - CT/CT000001.dcm"]


def test_unknown_resources(bench: Lab, archives: ArchiveService) -> None:
    [stored] = bench.store(dicom_file())
    with pytest.raises(UnknownResource):
        archive(archives, stored.ids.study, "nope")
    with pytest.raises(InexistentItem, match=r"Missing resource while creating an archive: nope"):
        archive(archives, "nope", level=Level.STUDY)
    with pytest.raises(InexistentItem):
        archive(archives, stored.ids.series, level=Level.STUDY)
    with pytest.raises(ParameterOutOfRange, match=r"Unknown transfer syntax: 1\.2"):
        archive(archives, stored.ids.study, transfer_syntax="1.2")
    with pytest.raises(ParameterOutOfRange):
        archive(archives, stored.ids.study, transfer_syntax="1.2.840.10008.1.2", lossy_quality=101)


def test_empty_archive(archives: ArchiveService) -> None:
    assert names(archive(archives)) == []


def test_transcoding_keeps_what_it_cannot_change(bench: Lab, archives: ArchiveService) -> None:
    stored = bench.store(
        dicom_file("good", "1.1", "1.1.1", "1.1.1.1"), dicom_file("refused", "1.2", "1.2.1", "1.2.1.1")
    )
    ids = [one.ids.instance for one in stored]
    with opened(archive(archives, *ids, transfer_syntax="1.2.840.10008.1.2.4.90")) as members:
        contents = {name[0]: members.read(name) for name in members.namelist()}
    assert contents["g"].endswith(b"transcoded")
    assert contents["r"] == dicom_file("refused", "1.2", "1.2.1", "1.2.1.1")
    with opened(archive(archives, ids[0], transfer_syntax="1.2.840.10008.1.2.1")) as members:
        assert not members.read(members.namelist()[0]).endswith(b"transcoded")


def test_instance_deleted_meanwhile_is_left_out(bench: Lab, archives: ArchiveService) -> None:
    stored = bench.store(*(dicom_file(instance=f"1.{n}", InstanceNumber=n) for n in range(4)))
    writer = archives.writer(ArchiveRequest([stored[0].ids.study], Layout.FULL))
    outcome = bench.resources.delete(Level.INSTANCE, stored[2].ids.instance)
    for uuid in outcome.removed_blobs:
        bench.blobs.delete(uuid)
    content = b"".join(writer.stream())
    assert [Path(name).name for name in names(content)] == ["CT000000.dcm", "CT000001.dcm", "CT000003.dcm"]


def test_lost_file_fails_the_archive(bench: Lab, archives: ArchiveService) -> None:
    [stored] = bench.store(dicom_file())
    [attachment] = bench.index.annotations.attachments(Level.INSTANCE, stored.ids.instance).values()
    bench.blobs.delete(attachment.uuid)
    with pytest.raises(CorruptedFile):
        archive(archives, stored.ids.study)


def test_writer_goes_step_by_step(bench: Lab, archives: ArchiveService) -> None:
    stored = bench.store(*(dicom_file(instance=f"1.{n}", InstanceNumber=n, side=16) for n in range(3)))
    request = ArchiveRequest([stored[0].ids.study], Layout.MEDIA)
    writer = archives.writer(request)
    content = bytearray()
    done = []
    while writer.step(content.extend):
        done.append(writer.members_done)
    assert done == [1, 2, 3]
    assert writer.archive_size == len(content)
    assert names(bytes(content)) == ["IMAGES/IM0", "IMAGES/IM1", "IMAGES/IM2", "DICOMDIR"]
    assert bytes(content) == b"".join(archives.writer(request).stream())


@needs_unzip
@pytest.mark.parametrize("compress", [False, True])
def test_large_members_are_deflated_in_blocks(tmp_path: Path, compress: bool) -> None:
    pixels = os.urandom(5_000_000) + bytes(5_000_000)
    big = dicom_file("big", "1.1", "1.1.1", "1.1.1.1", side=2236, pixels=pixels)
    small = dicom_file("small", "1.2", "1.2.1", "1.2.1.1")
    with lab(tmp_path, IngestOptions(compress=compress)) as bench:
        stored = bench.store(big, small)
        archives = service(bench)
        content = archive(archives, *(one.ids.patient for one in stored))
        media = archive(archives, *(one.ids.patient for one in stored), layout=Layout.MEDIA)
        archives.close()
    path = tmp_path / "big.zip"
    path.write_bytes(content)
    subprocess.run(["unzip", "-tqq", str(path)], check=True)
    with opened(content) as members:
        assert {members.read(name) for name in members.namelist()} == {big, small}
    with opened(media) as members:
        directory = dcmread(io.BytesIO(members.read("DICOMDIR")))
    assert {record.get("PatientID") for record in directory.DirectoryRecordSequence} >= {"big", "small"}


def test_memory_stays_flat(bench: Lab, archives: ArchiveService) -> None:
    """200 MB of files must not need much more than what is deflated ahead."""
    side = 2048
    stored = [
        bench.store(
            dicom_file(instance=f"1.{n}", InstanceNumber=n, side=side, pixels=os.urandom(side * side * 2))
        )
        for n in range(24)
    ]
    writer = archives.writer(ArchiveRequest([stored[0][0].ids.study], Layout.FULL))
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in writer.stream())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 24 * side * side * 2
    assert peak < 120e6


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, list[str]]]:
    """All that pydicom brings along and that can be stored."""
    with lab(tmp_path_factory.mktemp("samples")) as bench:
        for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):
            try:
                bench.store(path.read_bytes())
            except (BadFileFormat, InexistentTag):
                continue
        yield bench, bench.resources.list_ids(Level.PATIENT)


@pytest.fixture(scope="module")
def media(samples: tuple[Lab, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A DICOM medium of them, unpacked."""
    bench, patients = samples
    archives = service(bench)
    folder = tmp_path_factory.mktemp("media")
    with opened(archive(archives, *patients, layout=Layout.MEDIA, extended=True)) as members:
        members.extractall(folder)
    archives.close()
    yield folder
    shutil.rmtree(folder)


def test_dicomdir_opens_with_pydicom(samples: tuple[Lab, list[str]], media: Path) -> None:
    bench, _ = samples
    with file_set(media / "DICOMDIR") as files:
        assert files.ID == "ORTHANC_MEDIA"
        assert len(files) == bench.resources.counts().instances > 30
        for instance in files:
            dataset = dcmread(instance.path, force=True, stop_before_pixels=True)
            assert dataset.SOPInstanceUID == instance.ReferencedSOPInstanceUIDInFile
            assert dataset.StudyInstanceUID == instance.StudyInstanceUID
            assert dataset.SeriesInstanceUID == instance.SeriesInstanceUID
        assert len(files.find_values("StudyInstanceUID")) == bench.resources.counts().studies


@needs_dcmtk
def test_dicomdir_opens_with_dcmtk(samples: tuple[Lab, list[str]], media: Path) -> None:
    bench, _ = samples
    dump = subprocess.run(
        ["dcmdump", "+E", "-M", "DICOMDIR"], cwd=media, check=True, capture_output=True, text=True
    )
    assert "W:" not in dump.stderr
    assert dump.stdout.count("[IMAGE]") == bench.resources.counts().instances
    assert dump.stdout.count("[PATIENT]") == bench.resources.counts().patients
    assert "offset=" in dump.stdout


@needs_dcmtk
@pytest.mark.parametrize("tool", ["dcmgpdir", "dcmmkdir"])
def test_dcmtk_continues_the_dicomdir(media: Path, tmp_path: Path, tool: str) -> None:
    """The tools that make DICOMDIRs read all of one that they add to, and know the files that are there."""
    folder = tmp_path / "copy"
    shutil.copytree(media, folder)
    before = sum(record.DirectoryRecordType == "IMAGE" for record in records(folder))
    attributes: dict[str, Any] = {
        "StudyID": "1",
        "StudyDate": "20200101",
        "StudyTime": "1000",
        "SeriesNumber": 1,
    }
    extra = dicom_file("new", "9.1", "9.1.1", "9.1.1.1", **attributes)
    (folder / "NEW").write_bytes(extra)
    result = subprocess.run(
        [tool, "+A", "+D", "DICOMDIR", "IMAGES/IM0", "NEW"], cwd=folder, capture_output=True, text=True
    )
    assert "E:" not in result.stderr
    assert "IMAGES/IM0: directory record for this SOP instance already exists" in result.stderr
    assert sum(record.DirectoryRecordType == "IMAGE" for record in records(folder)) == before + 1
    with file_set(folder / "DICOMDIR") as files:
        assert len(files) == before + 1


def records(folder: Path) -> list[Dataset]:
    return list(dcmread(folder / "DICOMDIR").DirectoryRecordSequence)


def test_media_can_be_made_again_bit_for_bit(samples: tuple[Lab, list[str]]) -> None:
    bench, patients = samples
    archives = service(bench)
    request = ArchiveRequest(patients, Layout.MEDIA)
    first, second = archives.spool(request), archives.spool(request)
    assert first.tag == second.tag is not None
    assert first.size == second.size
    assert list(first.pieces(0, first.size)) == list(second.pieces(0, second.size))
    other = archives.spool(ArchiveRequest(patients[:2], Layout.MEDIA))
    assert other.tag != first.tag
    archives.close()
