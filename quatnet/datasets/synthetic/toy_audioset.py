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

CLASSES, CLASS_STEP = 527, 50  # the classes 0, 50, ... are those of the sounds
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
    names = dict(zip(range(0, CLASSES, CLASS_STEP), SOUNDS, strict=False))
    rows = [[n, _machine_id(n), names.get(n, f"class {n}, without clips")] for n in range(CLASSES)]
    write_csv(folder / LABELS, [["index", "mid", "display_name"], *rows])
    for number, (split, fraction) in enumerate(SPLITS.items()):
        _write_split(folder, split, round(fraction * clips), np.random.default_rng([seed, number]), clip_seconds)
    return folder


def _machine_id(index: int) -> str:
    return f"/m/toy{index:03}"


def _write_split(folder: Path, split: str, clips: int, rng: np.random.Generator, clip_seconds: float) -> None:
    audio_folder = folder / "audio" / f"{split}_segments"
    audio_folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"# Segments csv of a toy data set\n# num_segs={clips}\n# YTID, start_seconds, end_seconds, positive_labels\n"
    ]
    for number in range(clips):
        name, start = "".join(rng.choice(LETTERS, 11)), 10 * int(rng.integers(30))
        sound_indices = sorted(rng.choice(len(SOUNDS), rng.integers(1, 4), replace=False))
        labels = ",".join(_machine_id(CLASS_STEP * index) for index in sound_indices)
        lines.append(f'{name}, {start}.000, {start + 10}.000, "{labels}"\n')
        file_name = (f"Y{name}.wav", f"{name}_{start}.wav", f"{name}_{1000 * start}.wav")[number % 3]
        if number % 10 != 9:
            waveform = _waveform(sound_indices, rng, round(clip_seconds * RATE_HZ))
            soundfile.write(audio_folder / file_name, waveform, RATE_HZ, subtype="PCM_16")
        if number == 1:
            (audio_folder / file_name).write_text("not an audio file")
    (folder / f"{split}_segments.csv").write_text("".join(lines), encoding="utf-8")


def _waveform(sound_indices: list[int], rng: np.random.Generator, samples: int) -> np.ndarray:
    sounds = [list(SOUNDS.values())[index](samples, rng) for index in sound_indices]
    return simulate_recording(sum(sound / (np.abs(sound).max() + 1e-9) for sound in sounds), rng)
