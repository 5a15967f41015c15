"""`python -m quatnet COMMAND`, the same as `quatnet COMMAND`; see `quatnet.cli.main`."""

import sys

try:
    from .cli.main import main
except KeyboardInterrupt:  # while NumPy and other packages are imported
    print("quatnet: stopped", file=sys.stderr)
    sys.exit(130)

if __name__ == "__main__":
    main()
