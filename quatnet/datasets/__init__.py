"""Data sets behind one small record type, on the host; they know nothing of tensors."""

from . import esc50, gtzan, ravdess, synthetic
from .download import download
from .features import features
from .records import Clip, Dataset

__all__ = ["Clip", "Dataset", "download", "esc50", "features", "gtzan", "ravdess", "synthetic"]
