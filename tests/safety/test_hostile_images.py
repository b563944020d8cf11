"""Images that are broken on purpose, through every route that looks at pixels.

``FUZZ_IMAGES`` in the environment asks for another number of mutated images, ``FUZZ_SEED`` for others.
"""

from __future__ import annotations

import os
import random
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from tests.parity import image_files
from tests.safety.judge import PATIENCE, Checkup, judge
from tests.safety.mutations import element, file_with
from tests.support.server import Server, orthanclite, running

IMAGES = int(os.environ.get("FUZZ_IMAGES", "1000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
BOUND = 1 << 30
"""Bytes of memory that the server and its workers may take together."""

PICTURES = ("preview", "rendered", "image-uint8", "image-uint16", "image-int16")
ROUTES = (
    *PICTURES,
    "rendered?width=90&height=50&smooth=1",
    "matlab",
    "numpy",
    "numpy?compress",
    "frames",
    "frames/0/raw",
    "frames/0/raw.gz",
    "frames/1/preview",
    "frames/1/raw",
    "frames/1/numpy",
    "frames/4000000/matlab",
)
TARGETS = tuple(f"file?transcode=1.2.840.10008.1.2{last}" for last in (".1", ".5", ".4.50", ".4.80", ".4.90"))


class Memory(threading.Thread):
    """Watches how much memory a server and its workers take together."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        assert server.process is not None
        self._root = server.process.pid
        self._done = threading.Event()
        self.peak = 0

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(0.05):
            self.peak = max(self.peak, sum(map(_private, _family(self._root))))


def _family(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, tasks.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def _private(pid: int) -> int:
    """Resident bytes of a process that no file backs."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def _is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = {"OverwriteInstances": True, "SyncStorageArea": False, "StableAge": 600}
    with running(orthanclite(tmp_path_factory.mktemp("hostile"), config)) as started:
        yield started


@pytest.fixture(autouse=True)
def well_afterwards(server: Server) -> Iterator[None]:
    """Whatever a test does, the server lives, and took no more memory than it may."""
    checkup = Checkup(server)
    with Memory(server) as memory:
        yield
    checkup()
    assert memory.peak < BOUND, memory.peak
    server.client.post("/tools/bulk-delete", json={"Resources": server.get("/patients")}).raise_for_status()


def ask(server: Server, path: str) -> int:
    """The status of an answer that came in time and was a proper one."""
    started = time.monotonic()
    answer = server.client.get(path)
    assert time.monotonic() - started < PATIENCE, path
    judge(answer.status_code, answer.content, path)
    return answer.status_code


def mutated_images(seed: int, count: int) -> Iterator[bytes]:
    """``count`` images in all encodings, each broken in one to three places of what describes its pixels."""
    chance = random.Random(seed)
    names = [name for name in image_files.names() if not name.startswith("bundled:")]
    for _ in range(count):
        data = bytearray(image_files.content(chance.choice(names)))
        module = max(data.find(b"\x28\x00\x02\x00"), 300)  # the image pixel module
        for _ in range(chance.randint(1, 3)):
            _mutate(data, module, chance)
        yield bytes(data)


def _mutate(data: bytearray, module: int, chance: random.Random) -> None:
    first, last = chance.choice(((module, module + 120), (module + 120, module + 300), (module, len(data))))
    place = chance.randrange(first, max(first + 1, min(last, len(data))))
    kind = chance.randrange(8)
    if kind <= 2:
        data[place : place + 1] = bytes([chance.randrange(256)])
    elif kind == 3:
        data[place : place + 2] = chance.choice((0, 1, 2, 4, 16, 0x7FFF, 0xFFFF)).to_bytes(2, "little")
    elif kind == 4:
        data[place : place + 4] = chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "little")
    elif kind == 5:
        del data[place:]
    elif kind == 6:
        del data[place : place + chance.randint(1, 30)]
    else:
        data[place:place] = chance.randbytes(chance.randint(1, 30))


def test_mutated_images(server: Server) -> None:
    seen: Counter[int] = Counter()
    for number, data in enumerate(mutated_images(SEED, IMAGES)):
        answer = server.client.post("/instances", content=data)
        judge(answer.status_code, answer.content, number)
        if answer.status_code != 200:
            continue
        instance = f"/instances/{answer.json()['ID']}"
        for route in (*ROUTES, TARGETS[number % len(TARGETS)]):
            seen[ask(server, f"{instance}/{route}")] += 1
        if number % 10 == 0:
            seen[ask(server, f"/series/{server.get(instance)['ParentSeries']}/numpy")] += 1
    assert seen[200] > IMAGES
    assert seen[415] > IMAGES / 2


def header(rows: int, columns: int, frames: int = 1, bits: int = 16, samples: int = 1) -> list[bytes]:
    """An image pixel module."""
    colour = b"RGB " if samples == 3 else b"MONOCHROME2 "
    short = [(0x00280002, samples), (0x00280010, rows), (0x00280011, columns), (0x00280100, bits)]
    short += [(0x00280101, bits), (0x00280102, bits - 1), (0x00280103, 0)]
    elements = {tag: element(tag, b"US", struct.pack("<H", value)) for tag, value in short}
    elements[0x00280004] = element(0x00280004, b"CS", colour)
    elements[0x00280008] = element(0x00280008, b"IS", str(frames).encode().ljust(12))
    return [elements[tag] for tag in sorted(elements)]


def encapsulated(*fragments: bytes) -> bytes:
    """Pixel data of an empty offset table and ``fragments``."""
    items = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(part)) + part for part in (b"", *fragments))
    return element(0x7FE00010, b"OB", items + b"\xfe\xff\xdd\xe0\0\0\0\0", 0xFFFFFFFF)


def jpeg_2000(rows: int, columns: int) -> bytes:
    """A code stream of one huge tile and no data."""
    size = struct.pack(">HHIIIIIIIIH3B", 41, 0, columns, rows, 0, 0, columns, rows, 0, 0, 1, 15, 1, 1)
    coding = struct.pack(">HBBHB5B", 12, 0, 0, 1, 0, 5, 4, 4, 0, 1)
    quantisation = struct.pack(">HB16B", 19, 0x40, *[0x40] * 16)
    tile = struct.pack(">HHIBB", 10, 0, 0, 0, 1)
    marks = ((0x4F, b""), (0x51, size), (0x52, coding), (0x5C, quantisation), (0x90, tile), (0x93, bytes(64)))
    return b"".join(bytes([0xFF, mark]) + content for mark, content in marks) + b"\xff\xd9"


def jpeg(rows: int, columns: int, precision: int, process: int) -> bytes:
    """A JPEG or JPEG-LS frame header and no data."""
    frame = struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    scan = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8\xff" + bytes([process]) + frame + b"\xff\xda" + scan + bytes(64) + b"\xff\xd9"


SYNTAX = "1.2.840.10008.1.2"
BOMBS: dict[str, tuple[str, list[bytes]]] = {
    "native": (".1", [*header(65535, 65535), element(0x7FE00010, b"OW", bytes(64))]),
    "native of wrong length": (".1", [*header(65535, 65535), element(0x7FE00010, b"OW", b"", 0xFFFFFFF0)]),
    "frames": (".1", [*header(8, 8, 2147483647), element(0x7FE00010, b"OW", bytes(128))]),
    "encapsulated frames": (".4.80", [*header(8, 8, 2147483647), encapsulated(bytes(8))]),
    "one fragment per frame": (".5", [*header(8, 8, 100000), encapsulated(*[bytes(64)] * 20000)]),
    "rle": (
        ".5",
        [*header(65535, 65535), encapsulated(struct.pack("<16I", 2, 64, 80, *[0] * 13) + bytes(99))],
    ),
    "rle of zeros": (
        ".5",
        [
            *header(30000, 30000, bits=8),
            encapsulated(struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 99999),
        ],
    ),
    "jpeg": (".4.50", [*header(65535, 65535, bits=8), encapsulated(jpeg(65535, 65535, 8, 0xC0))]),
    "jpeg progressive": (".4.55", [*header(50000, 50000, bits=8), encapsulated(jpeg(50000, 50000, 8, 0xC2))]),
    "jpeg lossless": (".4.70", [*header(65535, 65535), encapsulated(jpeg(65535, 65535, 16, 0xC3))]),
    "jpeg-ls": (".4.80", [*header(65535, 65535), encapsulated(jpeg(65535, 65535, 16, 0xF7))]),
    "jpeg 2000": (".4.90", [*header(65535, 65535), encapsulated(jpeg_2000(65535, 65535))]),
    "jpeg 2000 within reason": (".4.90", [*header(3000, 3000), encapsulated(jpeg_2000(3000, 3000))]),
    "no fragments": (".4.70", [*header(16, 16), element(0x7FE00010, b"OB", b"", 0xFFFFFFFF)]),
    "video": (".4.102", [*header(16, 16, 1000, 8, 3), encapsulated(bytes(1000))]),
}

REFUSED = ("native of wrong length", "no fragments")
"""Those that are not even stored."""


@pytest.mark.parametrize("name", BOMBS)
def test_images_that_claim_to_be_huge(server: Server, name: str) -> None:
    syntax, elements = BOMBS[name]
    data = file_with(*elements, syntax=(SYNTAX + syntax).encode().ljust(22, b"\0"))
    answer = server.client.post("/instances", content=data)
    if name in REFUSED:
        assert answer.status_code == 400
        return
    assert answer.status_code == 200, answer.text
    instance = f"/instances/{answer.json()['ID']}"
    statuses = {route: ask(server, f"{instance}/{route}") for route in (*ROUTES, *TARGETS)}
    if name == "jpeg 2000 within reason":
        assert statuses["preview"] == 200
    elif name != "frames":
        assert {statuses[route] for route in PICTURES} == {415}, statuses


def test_exploding_deflated_image(server: Server) -> None:
    """Two gigabytes of zeros in two megabytes."""
    whole = file_with(*header(65535, 16384), syntax=(SYNTAX + ".1.99").encode())
    start = whole.index(b"\x08\x00\x16\x00")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    parts = [deflater.compress(whole[start:] + element(0x7FE00010, b"OW", b"", 65535 * 16384 * 2))]
    parts += [deflater.compress(bytes(1 << 20)) for _ in range(2048)]
    answer = server.client.post("/instances", content=whole[:start] + b"".join(parts) + deflater.flush())
    judge(answer.status_code, answer.content, "upload")
    if answer.status_code == 200:
        for route in ROUTES:
            assert ask(server, f"/instances/{answer.json()['ID']}/{route}") >= 400 or route == "frames"


def test_workers_that_die_are_replaced(server: Server) -> None:
    good = server.upload(image_files.content("jpegls:grey12" if image_files.DCMTK else "made:grey12"))["ID"]
    pages = [f"/instances/{good}/rendered?width={width}" for width in range(20, 40)]
    for page in pages:
        assert ask(server, page) == 200
        assert server.process is not None
        for worker in _family(server.process.pid)[1:]:
            os.kill(worker, 9)
            while _is_running(worker):  # a killed process takes a moment to end
                time.sleep(0.005)
