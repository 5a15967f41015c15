"""A miniature of AudioSet: its tables and file names, 527 classes, and synthesized recordings of ten of them.

As in the real set, clips have several labels, some recordings are missing, and one cannot be read.
"""

import csv
from pathlib import Path

import numpy as np
import soundfile

from ...errors import ConfigError
from ..audioset import LABELS
from .sounds import SOUNDS
from .waveforms import RATE_HZ, recorded

CLASSES = 527
SPLITS = {"balanced_train": 0.4, "unbalanced_train": 0.3, "eval": 0.3}  # shares of the clips
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))


def write(folder: Path, *, clips: int = 100, seed: int = 0, clip_seconds: float = 10.0) -> Path:
    """Write the tables and recordings into `folder` and return it.

    Every tenth recording is missing, and the second of each table is no sound. Names are of three kinds.

    Raises
    ------
    ConfigError
        Fewer than 20 clips, or no length.
    """
    if clips < 20 or clip_seconds <= 0:
        raise ConfigError(f"expected at least 20 clips and clip_seconds > 0, got {clips}, {clip_seconds}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_classes(folder / LABELS)
    for number, (split, share) in enumerate(SPLITS.items()):
        _write_split(folder, split, round(share * clips), np.random.default_rng([seed, number]), clip_seconds)
    return folder


def _machine_id(index: int) -> str:
    return f"/m/mini{index:03}"


def _write_classes(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["index", "mid", "display_name"])
        for index in range(CLASSES):
            table.writerow([index, _machine_id(index), _sound_at(index) or f"class {index}, never heard"])


def _sound_at(index: int) -> str | None:
    """The ten sounds are every fiftieth class."""
    return list(SOUNDS)[index // 50] if index % 50 == 0 and index // 50 < len(SOUNDS) else None


def _write_split(folder: Path, split: str, clips: int, rng: np.random.Generator, clip_seconds: float) -> None:
    place = folder / "audio" / f"{split}_segments"
    place.mkdir(parents=True, exist_ok=True)
    lines = [
        f"# Segments csv of a miniature\n# num_segs={clips}\n# YTID, start_seconds, end_seconds, positive_labels\n"
    ]
    for number in range(clips):
        name, start = "".join(rng.choice(LETTERS, 11)), 10 * int(rng.integers(30))
        heard = sorted(rng.choice(len(SOUNDS), rng.integers(1, 4), replace=False))
        labels = ",".join(_machine_id(50 * index) for index in heard)
        lines.append(f'{name}, {start}.000, {start + 10}.000, "{labels}"\n')
        if number % 10 != 9:
            _write_recording(place / _file_name(name, start, number), number, heard, rng, clip_seconds)
    (folder / f"{split}_segments.csv").write_text("".join(lines), encoding="utf-8")


def _file_name(name: str, start: int, number: int) -> str:
    return (f"Y{name}.wav", f"{name}_{start}.wav", f"{name}_{1000 * start}.wav")[number % 3]


def _write_recording(path: Path, number: int, heard: list[int], rng: np.random.Generator, clip_seconds: float) -> None:
    samples = round(clip_seconds * RATE_HZ)
    sounds = [list(SOUNDS.values())[index](samples, rng) for index in heard]
    wave = recorded(sum(sound / (np.abs(sound).max() + 1e-9) for sound in sounds), rng)
    if number == 1:
        path.write_text("this is no sound")
    else:
        soundfile.write(path, wave, RATE_HZ, subtype="PCM_16")
