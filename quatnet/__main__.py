"""python -m quatnet COMMAND: what can be asked from the command line."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from .errors import QuatnetError
from .profile import command as profile


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command named in `arguments`; a mistake in them ends with one line and exit code 2."""
    parser = Parser(prog="python -m quatnet", description="Quaternion networks on NumPy.")
    parser.set_defaults(run=lambda _: parser.print_help())
    profile.add_to(parser.add_subparsers(title="commands", metavar="COMMAND"))
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except QuatnetError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
