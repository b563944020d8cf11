"""``python -m orthanclite.config ROOT`` writes the generated documentation and example below ``ROOT``."""

import sys
from pathlib import Path

from orthanclite.config.render import default_file, documentation


def write_generated(root: Path) -> None:
    """Bring ``docs/configuration.md`` and ``config/orthanc.json`` of a checkout up to date."""
    for name, text in (("docs/configuration.md", documentation()), ("config/orthanc.json", default_file())):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_generated(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
