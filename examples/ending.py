"""How every example begins and ends: a missing GPU, a user's mistake and Ctrl-C are one clear line."""

import sys
from collections.abc import Callable

from quatnet.backend import check
from quatnet.errors import QuatnetError


def run(main: Callable[[], None], stopped: str = "stopped") -> None:
    """Call `main`, if there is the array module that QUATNET_BACKEND asks for; exit code 1 with an error."""
    try:
        check()
        main()
    except (QuatnetError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(stopped)
