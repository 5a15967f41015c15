"""Command line interface `python -m quatnet COMMAND`.

Without a command, the output of `info` and the usage are printed.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from ..backend import check_backend
from ..errors import QuatnetError
from . import info, profile, roofline


class Parser(argparse.ArgumentParser):
    """Argument parser that prints an error as one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in `arguments`.

    An invalid argument or a QuatnetError prints one line and exits with code 2.
    """
    parser = Parser(prog="python -m quatnet", description="Quaternion networks on NumPy and CuPy.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    info.add_parser(commands)
    profile.add_parser(commands)
    roofline.add_parser(commands)
    parser.set_defaults(run=info.run)
    args = parser.parse_args(arguments)
    try:
        if args.run is not info.run:  # `info` also reports on a machine without the requested backend
            check_backend()
        args.run(args)
        if args.command is None:
            print()
            parser.print_help()
    except QuatnetError as error:
        parser.error(str(error))
