"""``python -m dnafast``: the ``dnafast`` command."""

import sys

from dnafast.cli import main

if __name__ == "__main__":
    sys.exit(main())
