"""Which operations a server in mode ``ReadOnly`` does not have."""

from __future__ import annotations

from orthanclite.web.routing import Operation

_LEVELS = frozenset({"patients", "studies", "series", "instances"})

_WRITING_TOOLS = frozenset({"bulk-anonymize", "bulk-delete", "bulk-modify", "create-dicom", "reconstruct"})

# POST operations of a resource that read it or send it elsewhere.
_READING_ACTIONS = frozenset({"archive", "media", "export", "verify-md5"})


def writes(operation: Operation) -> bool:
    """Whether an operation changes what is stored (resources, their annotations, the logs)."""
    if operation.method == "GET":
        return False
    first, *rest = [segment for segment in operation.path.split("/") if segment]
    if first in ("changes", "exports"):
        return True
    if first == "tools":
        return bool(rest) and rest[0] in _WRITING_TOOLS
    if first == "storage-commitment":
        return rest[-1:] == ["remove"]
    if first not in _LEVELS:
        return False
    if operation.method == "POST" and rest:
        # Modifying one instance answers the file and stores nothing.
        transient = first == "instances" and rest[-1] in ("modify", "anonymize")
        return not transient and rest[-1] not in _READING_ACTIONS
    return True
