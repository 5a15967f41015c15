"""Data sets behind one small record type, on the host; they know nothing of tensors."""

from . import audioset, esc50, gtzan, ravdess, synthetic
from .balanced import balanced_batches
from .download import download
from .features import features
from .found import recordings
from .pack import pack
from .packed import Packed
from .records import Clip, Dataset
from .shard import Format
from .targets import one_hot

__all__ = [
    "Clip",
    "Dataset",
    "Format",
    "Packed",
    "audioset",
    "balanced_batches",
    "download",
    "esc50",
    "features",
    "gtzan",
    "one_hot",
    "pack",
    "ravdess",
    "recordings",
    "synthetic",
]
