"""Audio data sets, cached features, and packed recordings of AudioSet, on NumPy arrays."""

from . import annotations, audioset, esc50, folder, gtzan, ravdess, synthetic, table
from .balanced import balanced_batches
from .download import download
from .features import features
from .index import RecordingIndex, index_recordings
from .pack import pack
from .packed import PackedClips
from .recordings import choose_clip_seconds
from .records import Clip, Dataset
from .shard import ShardFormat
from .targets import one_hot

__all__ = [
    "Clip", "Dataset", "PackedClips", "RecordingIndex", "ShardFormat", "annotations", "audioset", "balanced_batches",
    "choose_clip_seconds", "download", "esc50", "features", "folder", "gtzan", "index_recordings", "one_hot", "pack",
    "ravdess", "synthetic", "table",
]  # fmt: skip
