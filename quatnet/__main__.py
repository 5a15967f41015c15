"""`python -m quatnet COMMAND`, the same as `quatnet COMMAND`; see `quatnet.cli.main`."""

from .cli.main import main

if __name__ == "__main__":
    main()
