"""Execution of a script with one-line error messages."""

from collections.abc import Callable

from ..backend import check_backend
from ..errors import CheckpointError, QuatnetError
from ..processes import barrier, exit_all


def run_main(main: Callable[[], None], *, stopped: str = "stopped", hint: str = "") -> None:
    """Call `main` after checking that the requested backend is available.

    A QuatnetError, an OSError or Ctrl-C prints one line to stderr and exits with code 1. `stopped` is the line printed
    after Ctrl-C, and `hint` is appended to the line of a CheckpointError.
    """
    try:
        check_backend()
        barrier()  # with several processes, connect to MPI, and end here if it does not work
        main()
    except (QuatnetError, OSError) as error:
        exit_all(f"{type(error).__name__}: {error}{hint if isinstance(error, CheckpointError) else ''}")
    except KeyboardInterrupt:
        exit_all(stopped)
