"""Start a script so that a user's mistake ends in one line."""

import sys
from collections.abc import Callable

from ..backend import check
from ..errors import QuatnetError


def run_main(main: Callable[[], None], *, stopped: str = "stopped") -> None:
    """Call `main`; a missing GPU, a QuatnetError, an OSError or Ctrl-C ends in one line on stderr and exit code 1.

    `stopped` is the line that Ctrl-C prints.
    """
    try:
        check()
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(stopped)
