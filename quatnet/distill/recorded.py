"""A teacher in a file: its answers clip by clip, whichever network gave them.

An `.npz` file holds `clip`, the names of the clips (N,), with or without the ending of a file, and either `logits`
(N, classes) in the order of the data set's classes, or `embedding` (N, size), of which `linear_probe` makes logits.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError


@dataclass(frozen=True)
class CachedOutputs:
    """What a file says: the row of each clip, and `answers` (N, size), which are "logits" or "embedding"."""

    path: Path
    rows: Mapping[str, int]
    answers: np.ndarray
    kind: str

    def of(self, clips: Sequence[str]) -> np.ndarray:
        """Return the answers (clips, size), in the order asked for. Raises DataError where clips are missing."""
        rows = [row for clip in clips if (row := self._row(clip)) is not None]
        if missing := [clip for clip in clips if self._row(clip) is None]:
            raise DataError(
                f"{self.path} has no {self.kind} for {len(missing)} of {len(clips)} clips, first {missing[0]!r}; "
                "its names must be those of the recordings, with or without .wav"
            )
        return self.answers[rows]

    def _row(self, clip: str) -> int | None:
        return self.rows.get(clip, self.rows.get(Path(clip).stem))


def read_cached_outputs(path: Path) -> CachedOutputs:
    """Read a teacher's answers; of a file with both, the logits. Raises DataError where it is no such file."""
    arrays = _arrays(Path(path))
    kind = next((kind for kind in ("logits", "embedding") if kind in arrays), None)
    if kind is None or "clip" not in arrays:
        raise DataError(f"{path} must hold clip, and logits or embedding; it holds {', '.join(arrays) or 'nothing'}")
    clips, answers = arrays["clip"], arrays[kind]
    _check(path, clips, answers, kind)
    return CachedOutputs(
        Path(path), {str(clip): row for row, clip in enumerate(clips)}, answers.astype(np.float32), kind
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("clip", "logits", "embedding") if name in file.files}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path} with a teacher's answers") from error
    except (ValueError, TypeError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is truncated or no .npz file of arrays ({type(error).__name__})") from error


def _check(path: Path, clips: np.ndarray, answers: np.ndarray, kind: str) -> None:
    fits = clips.ndim == 1 and clips.dtype.kind == "U" and answers.ndim == 2 and answers.dtype.kind == "f"
    if not fits or len(clips) != len(answers) or not answers.size:
        raise DataError(
            f"{path}: expected names (N,) in clip and floats (N, size) in {kind}, "
            f"got {clips.shape} of {clips.dtype} and {answers.shape} of {answers.dtype}"
        )
    if len(set(clips.tolist())) < len(clips) or not np.isfinite(answers).all():
        raise DataError(f"{path}: expected each clip once and finite numbers")
