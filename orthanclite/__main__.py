"""``python -m orthanclite``."""

import sys

from orthanclite.cli import main

if __name__ == "__main__":
    sys.exit(main())
