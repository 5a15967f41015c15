"""Exceptions of quatnet. Their messages state what was expected, what was received and how to fix it."""


class QuatnetError(Exception):
    """Base class of all exceptions that quatnet raises."""


class ShapeError(QuatnetError, ValueError):
    """An array has the wrong shape, layout or dtype."""


class ConfigError(QuatnetError, ValueError):
    """An option has an invalid value."""


class GraphFreedError(QuatnetError, RuntimeError):
    """`backward` was called a second time on a graph that was freed."""


class DataError(QuatnetError, ValueError):
    """A recording or a data set is missing, unreadable, or has an unexpected format."""


class CheckpointError(QuatnetError, ValueError):
    """A checkpoint is truncated, was not written by quatnet, or does not fit the model."""


class BackendUnavailable(QuatnetError, RuntimeError):
    """The backend selected by `QUATNET_BACKEND` is not available on this machine."""


class MissingPackageError(QuatnetError, ImportError):
    """An optional package that the called function needs is not installed."""


class TrainingStopped(QuatnetError):
    """Training was interrupted by Ctrl-C. If a checkpoint path is given, the state after the last step is saved."""
