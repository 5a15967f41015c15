"""Toy version of AudioSet with synthesized recordings.

The tables and file names have the formats of AudioSet. Ten of the 527 classes have clips. As in AudioSet, clips have
several labels, some recordings are missing, and some recordings cannot be read.
"""

import os
from pathlib import Path

import numpy as np
import soundfile

from ...checks import checked_count, checked_number, checked_path
from ...files import write_csv
from ..audioset import LABELS
from .sounds import SOUNDS
from .waveforms import RATE_HZ, simulate_recording

CLASSES = 527
SPLITS = {"balanced_train": 0.4, "unbalanced_train": 0.3, "eval": 0.3}  # table -> fraction of the clips
LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))


def write(folder: str | os.PathLike, *, clips: int = 100, seed: int = 0, clip_seconds: float = 10.0) -> Path:
    """Write the tables and recordings into `folder` and return `folder`.

    In each table, every tenth recording is missing and the second recording is unreadable.

    Parameters
    ----------
    folder : folder of the data set, created if necessary
    clips : number of clips in all three tables together, at least 20
    seed : seed of the synthesis
    clip_seconds : length of a recording in seconds

    Raises
    ------
    ConfigError
        `clips` is less than 20, or `clip_seconds` is not positive.
    """
    checked_count("clips", clips, 20)
    checked_number("clip_seconds", clip_seconds, "(0, 1e6)")
    folder = checked_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_classes(folder / LABELS)
    for number, (split, fraction) in enumerate(SPLITS.items()):
        _write_split(folder, split, round(fraction * clips), np.random.default_rng([seed, number]), clip_seconds)
    return folder


def _machine_id(index: int) -> str:
    return f"/m/toy{index:03}"


def _write_classes(path: Path) -> None:
    names = [_sound_name(index) or f"class {index}, without clips" for index in range(CLASSES)]
    rows = ([index, _machine_id(index), name] for index, name in enumerate(names))
    write_csv(path, [["index", "mid", "display_name"], *rows])


def _sound_name(index: int) -> str | None:
    """Return the name of a sound for every fiftieth class, otherwise None."""
    return list(SOUNDS)[index // 50] if index % 50 == 0 and index // 50 < len(SOUNDS) else None


def _write_split(folder: Path, split: str, clips: int, rng: np.random.Generator, clip_seconds: float) -> None:
    audio_folder = folder / "audio" / f"{split}_segments"
    audio_folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"# Segments csv of a toy data set\n# num_segs={clips}\n# YTID, start_seconds, end_seconds, positive_labels\n"
    ]
    for number in range(clips):
        name, start = "".join(rng.choice(LETTERS, 11)), 10 * int(rng.integers(30))
        sound_indices = sorted(rng.choice(len(SOUNDS), rng.integers(1, 4), replace=False))
        labels = ",".join(_machine_id(50 * index) for index in sound_indices)
        lines.append(f'{name}, {start}.000, {start + 10}.000, "{labels}"\n')
        if number % 10 != 9:
            _write_recording(audio_folder / _file_name(name, start, number), number, sound_indices, rng, clip_seconds)
    (folder / f"{split}_segments.csv").write_text("".join(lines), encoding="utf-8")


def _file_name(name: str, start: int, number: int) -> str:
    return (f"Y{name}.wav", f"{name}_{start}.wav", f"{name}_{1000 * start}.wav")[number % 3]


def _write_recording(
    path: Path, number: int, sound_indices: list[int], rng: np.random.Generator, clip_seconds: float
) -> None:
    samples = round(clip_seconds * RATE_HZ)
    sounds = [list(SOUNDS.values())[index](samples, rng) for index in sound_indices]
    waveform = simulate_recording(sum(sound / (np.abs(sound).max() + 1e-9) for sound in sounds), rng)
    if number == 1:
        path.write_text("not an audio file")
    else:
        soundfile.write(path, waveform, RATE_HZ, subtype="PCM_16")
