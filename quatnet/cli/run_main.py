"""Execution of a script with one-line error messages."""

import sys
from collections.abc import Callable

from ..backend import check_backend
from ..errors import QuatnetError


def run_main(main: Callable[[], None], *, stopped: str = "stopped") -> None:
    """Call `main` after checking that the requested backend is available.

    A QuatnetError, an OSError or Ctrl-C prints one line to stderr and exits with code 1. `stopped` is the line printed
    after Ctrl-C.
    """
    try:
        check_backend()
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(stopped)
