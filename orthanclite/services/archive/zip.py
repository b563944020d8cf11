"""The ZIP format (PKWARE APPNOTE 6.3), as far as an archive written once from front to end needs it."""

from __future__ import annotations

from struct import Struct

DEFLATED = 8
_LIMIT = 0xFFFFFFFF
UNKNOWN_SIZE = _LIMIT
"""The size to give for a member that may be of any size."""

_MAX_ENTRIES = 0xFFFF
# A member of that size may grow beyond 32 bits when it does not compress.
_LARGE = _LIMIT - (1 << 20)

_LOCAL = Struct("<IHHHIIIIHH")
_DESCRIPTOR = Struct("<IIII")
_DESCRIPTOR_64 = Struct("<IIQQ")
_CENTRAL = Struct("<IHHHHIIIIHHHHHII")
_END = Struct("<IHHHHIIH")
_END_64 = Struct("<IQHHIIQQQQ")
_LOCATOR_64 = Struct("<IIQI")
_EXTRA_64 = Struct("<HHQQ")

_FLAG_DESCRIPTOR = 0x0008
_FLAG_UTF8 = 0x0800
_VERSION = 20
_VERSION_64 = 45


class ZipFormat:
    """Lays out the members of one archive and remembers them for its directory.

    The bytes are the caller's to send: :meth:`whole` and its deflated data, or :meth:`begin`, the data and
    :meth:`end`; once all members are there, :meth:`finish`.
    """

    def __init__(self) -> None:
        self._directory = bytearray()
        self._entries = 0
        self._offset = 0
        self._member: tuple[bytes, int, int, bool] | None = None  # name, moment, offset, large

    @property
    def offset(self) -> int:
        """Bytes of the archive so far."""
        return self._offset

    def whole(self, name: str, moment: int, crc: int, data_size: int, size: int) -> bytes:
        """The head of a member whose data, of ``data_size`` bytes for ``size``, are ready."""
        encoded = name.encode("utf-8")
        offset = self._offset
        large = max(data_size, size) >= _LIMIT
        head = self._local(encoded, moment, _flags(encoded), crc, data_size, size, large)
        self._offset += len(head) + data_size
        self._record(encoded, moment, offset, _flags(encoded), crc, data_size, size, large)
        return head

    def begin(self, name: str, moment: int, size: int) -> bytes:
        """The head of a member of about ``size`` bytes that is being deflated while it is sent."""
        encoded = name.encode("utf-8")
        large = size >= _LARGE
        self._member = (encoded, moment, self._offset, large)
        head = self._local(encoded, moment, _flags(encoded) | _FLAG_DESCRIPTOR, 0, 0, 0, large)
        self._offset += len(head)
        return head

    def end(self, crc: int, data_size: int, size: int) -> bytes:
        """What follows the data of a member that :meth:`begin` began."""
        assert self._member is not None
        encoded, moment, offset, large = self._member
        self._member = None
        layout = _DESCRIPTOR_64 if large else _DESCRIPTOR
        tail = layout.pack(0x08074B50, crc, data_size, size)
        self._offset += data_size + len(tail)
        flags = _flags(encoded) | _FLAG_DESCRIPTOR
        self._record(encoded, moment, offset, flags, crc, data_size, size, large)
        return tail

    def finish(self) -> bytes:
        """The directory and the end of the archive."""
        start, length = self._offset, len(self._directory)
        tail = bytearray(self._directory)
        if start >= _LIMIT or length >= _LIMIT or self._entries >= _MAX_ENTRIES:
            end = start + length
            tail += _END_64.pack(
                0x06064B50,
                44,
                3 << 8 | _VERSION_64,
                _VERSION_64,
                0,
                0,
                self._entries,
                self._entries,
                length,
                start,
            )
            tail += _LOCATOR_64.pack(0x07064B50, 0, end, 1)
        count = min(self._entries, _MAX_ENTRIES)
        tail += _END.pack(0x06054B50, 0, 0, count, count, min(length, _LIMIT), min(start, _LIMIT), 0)
        self._offset += len(tail)
        return bytes(tail)

    def _local(
        self, name: bytes, moment: int, flags: int, crc: int, data_size: int, size: int, large: bool
    ) -> bytes:
        extra = b""
        if large:
            extra = _EXTRA_64.pack(1, 16, size, data_size)
            data_size = size = _LIMIT
        version = _VERSION_64 if large else _VERSION
        head = _LOCAL.pack(
            0x04034B50, version, flags, DEFLATED, moment, crc, data_size, size, len(name), len(extra)
        )
        # Date and time are two fields, time first: one little-endian number with the date in its upper half.
        return head + name + extra

    def _record(
        self,
        name: bytes,
        moment: int,
        offset: int,
        flags: int,
        crc: int,
        data_size: int,
        size: int,
        large: bool,
    ) -> None:
        """Add an entry of the directory; its 64-bit fields are there only where they are needed."""
        wide = [value for value in (size, data_size, offset) if value >= _LIMIT]
        extra = b""
        if wide:
            extra = Struct(f"<HH{len(wide)}Q").pack(1, 8 * len(wide), *wide)
        version = _VERSION_64 if large or wide else _VERSION
        self._directory += _CENTRAL.pack(
            0x02014B50,
            3 << 8 | version,  # made on Unix: names are bytes as they stand
            version,
            flags,
            DEFLATED,
            moment,
            crc,
            min(data_size, _LIMIT),
            min(size, _LIMIT),
            len(name),
            len(extra),
            0,
            0,
            0,
            0o100644 << 16,  # a regular file that its owner may write
            min(offset, _LIMIT),
        )
        self._directory += name + extra
        self._entries += 1


def _flags(name: bytes) -> int:
    """Names are announced as UTF-8 where they need it (APPNOTE 4.4.4)."""
    return 0 if name.isascii() else _FLAG_UTF8
