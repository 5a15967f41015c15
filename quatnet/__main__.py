"""`python -m quatnet COMMAND`; see `quatnet.cli.main`."""

import sys

from .cli.main import main

if __name__ == "__main__":
    main(sys.argv[1:])
