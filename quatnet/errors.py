"""Exceptions of quatnet."""

from importlib import import_module
from types import ModuleType


class QuatnetError(Exception):
    """Base class of the exceptions of quatnet.

    A message states the expected value, the received value, and what to change. The message is one line. Line breaks
    and control characters, for example of a file name, are escaped.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


def one_line(text: str, *, length: int = 1000) -> str:
    """Return `text` with escaped control characters and surrogates, and shortened to `length` characters.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    if len(text) > length:
        text = f"{text[: length // 2]} ... {text[-length // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ShapeError(QuatnetError, ValueError):
    """Exception for an array with an invalid shape, layout or dtype."""


class ConfigError(QuatnetError, ValueError):
    """Exception for an option with an invalid value."""


class GraphFreedError(QuatnetError, RuntimeError):
    """Exception for a second call of `backward` on the same graph."""


class DataError(QuatnetError, ValueError):
    """Exception for a recording or data set that is missing, unreadable or in an unexpected format.

    Also for a file that cannot be written.
    """


class CheckpointError(QuatnetError, ValueError):
    """Exception for a checkpoint, model file or weight file that is missing, damaged or does not match."""


class NonFiniteError(QuatnetError, ArithmeticError):
    """Exception for a loss, a metric, a parameter or a confidence that is NaN or infinite."""


class BackendUnavailable(QuatnetError, RuntimeError):
    """Exception for a backend that is selected but not available on this machine."""


class MissingPackageError(QuatnetError, ImportError):
    """Exception for an optional package that is required but not installed."""


def import_optional(module: str, message: str) -> ModuleType:
    """Return a module of an optional package. Raises MissingPackageError with `message` if it is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(message) from error


class TrainingStopped(QuatnetError):
    """Exception for training that was interrupted by Ctrl-C.

    If a checkpoint path is given, the state after the last step is saved.
    """
