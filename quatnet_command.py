"""Command `quatnet`. This module is outside of the package, because importing the package takes time."""

import signal


def main() -> None:
    """Run `quatnet.cli.main.main`. Ctrl-C during the imports ends the process without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from quatnet.cli.main import main

    main()


if __name__ == "__main__":
    main()
