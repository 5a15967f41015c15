"""python -m quatnet COMMAND: what can be asked from the command line. Without a command: what is this machine?"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from ..backend import check
from ..errors import QuatnetError
from . import info, profile, roofline


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command named in `arguments`; a mistake in them, or no such backend, is one line and exit code 2."""
    parser = Parser(prog="python -m quatnet", description="Quaternion networks on NumPy, and on CuPy.")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    profile.add_to(commands)
    roofline.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        if not options.run:
            print(info.report(), end="\n\n", flush=True)
        check()
        options.run(options) if options.run else parser.print_help()
    except QuatnetError as error:
        parser.error(str(error))
