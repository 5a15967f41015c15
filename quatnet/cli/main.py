"""Command line interface `quatnet COMMAND`, the same as `python -m quatnet COMMAND`.

Without a command, the output of `info` and the usage are printed. Exit codes: 0 success, 1 internal error, 2 invalid
argument or any other QuatnetError, 3 some recordings failed, 4 no recording can be used, 130 interrupted.
"""

import argparse
import difflib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from ..backend import check_backend
from ..errors import QuatnetError, TrainingStopped, one_line
from ..processes import SIZE, barrier, exit_all

COMMANDS = {  # a command is the module of this package with its name, which is imported only if the command is used
    "train": "classifier trained on your recordings",
    "classify": "classes of recordings, or events with start and end",
    "evaluate": "accuracy of a model on labeled recordings",
    "embed": "embeddings of recordings",
    "prune": "smaller model, by removal of filters and fine-tuning",
    "distill": "smaller model, trained with the outputs of a model",
    "export": "ONNX file of a model",
    "info": "backend, device and versions of this machine, or the content of a model",
    "profile": "parameters, multiplications, memory and time of a network",
    "roofline": "predicted time of a training step on three GPUs, from data sheets",
}
EXIT_CODES = (
    "exit codes: 0 success, 1 internal error, 2 invalid argument, file or data, 3 some recordings cannot be used "
    "(classify, embed, evaluate; other commands list them), 4 no recording can be used, 130 interrupted"
)


class Parser(argparse.ArgumentParser):
    """Argument parser that prints an error as one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2. With several processes, end all of them with code 1."""
        line = one_line(f"{self.prog}: {message}")
        if SIZE > 1:
            exit_all(line)
        self.exit(2, f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in `arguments`, by default the arguments of the process."""
    parser = Parser(prog="quatnet", description="Quaternion networks for audio on NumPy and CuPy.")
    _set_up_process()
    try:
        args = _parse(parser, list(sys.argv[1:] if arguments is None else arguments))
        _run(args)
        if args.command is None:
            print()
            parser.print_help()
        sys.stdout.flush()
    except TrainingStopped as error:
        parser.exit(130, f"{parser.prog}: {error}\n")
    except QuatnetError as error:
        parser.error(str(error))
    except BrokenPipeError:  # the reader of a pipe, such as head, has finished
        _discard_output()
        sys.exit(1)
    except OSError as error:
        _discard_output()
        parser.error(str(error))
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: stopped\n")


def _set_up_process() -> None:
    """Open closed standard streams, and set the handlers of warnings and of odd characters."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, it stays open
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name or class may have characters that the terminal lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = _print_warning  # type: ignore[assignment]


def _parse(parser: Parser, arguments: list[str]) -> argparse.Namespace:
    """Return the parsed arguments. The module of the command is imported."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        if name in arguments[:1]:
            import_module(f".{name}", __package__).add_arguments(command)
    unknown = [name for name in arguments[:1] if name not in COMMANDS]
    if close := [close for name in unknown for close in difflib.get_close_matches(name, COMMANDS, 1)]:
        parser.error(f"there is no command {unknown[0]!r}; did you mean {close[0]}?")
    return parser.parse_args(arguments)


def _discard_output() -> None:
    """Discard what is buffered for stdout, so that Python does not try to write it at exit."""
    with suppress(OSError, ValueError):  # stdout may have no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(args: argparse.Namespace) -> None:
    """Run a command. The exit code of the process is its result, if it is not None."""
    if args.command not in (None, "info"):  # `info` also reports on a machine without the requested backend
        check_backend()
        barrier()  # with several processes, connect to MPI; process 0 alone prints
    code = import_module(f".{args.command or 'info'}", __package__).run(args)
    if code:
        sys.exit(code)


def _print_warning(message: Warning | str, *_: Any) -> None:
    print(one_line(f"quatnet: warning: {message}"), file=sys.stderr)
