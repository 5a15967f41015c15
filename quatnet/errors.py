"""The errors that quatnet raises for a user's mistake: what was expected, what came, what to do."""


class QuatnetError(Exception):
    """Base of every error that quatnet raises on purpose."""


class ShapeError(QuatnetError, ValueError):
    """An array has the wrong shape, layout or dtype."""


class ConfigError(QuatnetError, ValueError):
    """An option has a value that cannot work."""


class GraphFreedError(QuatnetError, RuntimeError):
    """`backward` was called twice through the same graph."""


class DataError(QuatnetError, ValueError):
    """A recording or a data set is missing, unreadable or not what it claims to be."""


class CheckpointError(QuatnetError, ValueError):
    """A checkpoint is truncated, foreign, or does not fit the model."""


class BackendUnavailable(QuatnetError, RuntimeError):
    """The array module asked for by `QUATNET_BACKEND` cannot be used on this machine."""


class MissingPackageError(QuatnetError, ImportError):
    """An optional package that the called function needs is not installed."""


class TrainingStopped(QuatnetError):
    """Ctrl-C during training: everything up to the last step is saved, where a checkpoint was asked for."""
