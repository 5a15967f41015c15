"""Cached logits or embeddings of a teacher.

The `.npz` file of the outputs has two arrays. The array `clip` (N,) contains the names of the clips, with or without
file extension. The second array is `logits` (N, classes), in the class order of the data set, or `embedding` (N, size).
`linear_probe` computes logits from embeddings.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..npz import read_npz


@dataclass(frozen=True)
class CachedOutputs:
    """Outputs of a teacher for a set of clips.

    Parameters
    ----------
    path : file of the outputs, used in error messages
    rows : index of each clip name in `outputs`
    outputs : (N, size) float32
    kind : "logits" or "embedding"
    """

    path: Path
    rows: Mapping[str, int]
    outputs: np.ndarray
    kind: str

    def select(self, clips: Sequence[str]) -> np.ndarray:
        """Return the outputs (len(clips), size) in the order of `clips`. Raises DataError if clips are missing."""
        rows = [self._row(clip) for clip in clips]
        if missing := [clip for clip, row in zip(clips, rows, strict=True) if row is None]:
            raise DataError(
                f"{self.path} has no {self.kind} for {len(missing)} of {len(clips)} clips, first {missing[0]!r}; "
                "its clip names must be the file names of the recordings, with or without extension"
            )
        if len(set(rows)) < len({_without_suffix(clip) for clip in clips}):
            raise DataError(f"{self.path}: expected file names with folders, because two clips have the same file name")
        return self.outputs[np.array(rows, dtype=int)]

    def _row(self, clip: str) -> int | None:
        names = (clip, _without_suffix(clip), Path(clip).name, _without_suffix(Path(clip).name))
        return next((self.rows[name] for name in names if name in self.rows), None)


def _without_suffix(clip: str) -> str:
    """Return a file name without its suffix. The name of a window, `a.wav 0-5 s`, and `1.7` have no suffix."""
    stem, suffix = os.path.splitext(clip)
    return stem if suffix[1:].isalnum() and not suffix[1:].isdigit() else clip


def read_cached_outputs(path: str | os.PathLike) -> CachedOutputs:
    """Return the cached outputs of a teacher.

    If the file has logits and embeddings, the logits are returned. Raises DataError if the file is missing or damaged,
    or if the arrays do not have the expected names and shapes.
    """
    arrays = read_npz(path, error=DataError)
    kind = next((kind for kind in ("logits", "embedding") if kind in arrays), None)
    if kind is None or "clip" not in arrays:
        raise DataError(f"{path} must have clip, and logits or embedding; it has {', '.join(arrays) or 'none of them'}")
    clips, outputs = arrays["clip"], arrays[kind]
    valid = clips.ndim == 1 and clips.dtype.kind == "U" and outputs.ndim == 2 and outputs.dtype.kind == "f"
    if not valid or len(clips) != len(outputs) or not outputs.size:
        raise DataError(
            f"{path}: expected names (N,) in clip and floats (N, size) in {kind}, "
            f"got {clips.shape} of {clips.dtype} and {outputs.shape} of {outputs.dtype}"
        )
    rows = {str(clip): row for row, clip in enumerate(clips)}
    if len(rows) < len(clips):
        raise DataError(f"{path}: expected each clip once")
    with np.errstate(over="ignore"):
        outputs = outputs.astype(np.float32)
    if not np.isfinite(outputs).all():
        raise DataError(f"{path}: expected {kind} in the range of float32, got larger numbers")
    return CachedOutputs(Path(path), rows, outputs, kind)
