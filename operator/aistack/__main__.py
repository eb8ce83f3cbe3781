"""`aistack`, `kubectl aistack` and `python -m aistack` are the same program."""

import sys

from aistack.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
