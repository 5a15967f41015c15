"""Damaged files: mutations of valid files, and the outcome of reading them.

Each format is a class with the method `try_case(number)`, which writes a mutated file, reads it and returns an outcome.
The same number gives the same file. The outcomes are

    silent         a result without an error
    clear error    a QuatnetError of one printable line that names the file
    wrong          a result that differs from the stored one, where a checksum must exclude this
    non-finite     features with NaN or infinity
    uncaught       another exception, or an error of several lines or without the name of the file
"""

import contextlib
import io
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from quatnet.audio import FrontEnd, read
from quatnet.datasets import Clip, PackedClips, ShardFormat, features, index_recordings, pack
from quatnet.datasets.audioset import LABELS, read_segments
from quatnet.errors import QuatnetError

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 10**9 + 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
FRONTEND = FrontEnd(sample_rate_hz=32000, hop=1280, mels=16, clip_seconds=0.5)
ENCODINGS = {
    "wav": [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "PCM_24"), ("WAV", "DOUBLE"), ("WAV", "MS_ADPCM")],
    "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
    "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    "aiff": [("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AIFF", "PCM_S8")],
    "au": [("AU", "PCM_16"), ("AU", "FLOAT"), ("AU", "ULAW")],
    "mp3": [("MP3", "MPEG_LAYER_III")],
}


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return `content` with one to three random changes, most of them in the first 128 bytes."""
    result = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        n = len(result)
        place = rng.randrange(min(n, 128)) if rng.random() < 0.6 else rng.randrange(n)
        change = rng.randrange(8)
        if change < 2:
            result[place] ^= 1 << rng.randrange(8)
        elif change == 2:
            result[place] = rng.randrange(256)
        elif change == 3:
            value = rng.choice(EXTREMES).to_bytes(4, rng.choice(("little", "big")))
            result[place : place + 4] = value[: len(result[place : place + 4])]
        elif change == 4:
            del result[max(1, rng.randrange(n)) :]
        elif change == 5:
            result[place:place] = rng.randbytes(rng.randrange(1, 64))
        elif change == 6:
            del result[place : place + rng.randrange(1, 64)]
        else:
            end = place + rng.randrange(1, 512)
            result[place:end] = bytes(len(result[place:end]))
        result = result or bytearray(1)
    return bytes(result)


def outcome_of_error(error: BaseException, *names: str) -> str:
    """Return "clear error" for one printable line in a QuatnetError that contains one of `names`, else "uncaught"."""
    text = str(error)
    clear = isinstance(error, QuatnetError) and text.isprintable() and any(name in text for name in names)
    return "clear error" if clear else f"uncaught {type(error).__name__}: {text[:100]!r}"


def encoded(file_format: str, subtype: str, channels: int) -> bytes:
    """Return an audio file with 0.5 s of noise."""
    rate_hz = 48000 if subtype == "OPUS" else 22050
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (rate_hz // 2, channels))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, rate_hz, format=file_format, subtype=subtype)
    return buffer.getvalue()


class Audio:
    """Mutated recordings of one format, given by a suffix. With `half`, the files are truncated instead."""

    def __init__(self, suffix: str, folder: Path, *, half: bool = False) -> None:
        self.path, self.half, self.suffix = folder / f"case.{suffix}", half, suffix
        self.contents = [encoded(*encoding, channels) for encoding in ENCODINGS[suffix] for channels in (1, 2)]

    def content(self, number: int) -> bytes:
        rng = random.Random(f"{self.suffix} {number}")
        content = rng.choice(self.contents)
        return content[: rng.randrange(200, len(content) * 9 // 10)] if self.half else mutated(content, rng)

    def try_case(self, number: int) -> str:
        self.path.write_bytes(self.content(number))
        try:
            with warnings.catch_warnings(action="ignore"):  # of truncated files; test_reading_audio has tests of them
                finite = np.isfinite(FRONTEND(*read(self.path))).all()
        except Exception as error:
            return outcome_of_error(error, self.path.name)
        return "silent" if finite else "non-finite"


def try_mutation(contents: dict[Path, bytes], number: int, is_equal: Callable[[], bool]) -> str:
    """Write the files with mutation `number` in one of them, and return the outcome of comparing what they contain."""
    rng = random.Random(number)
    for path, content in contents.items():
        path.write_bytes(content)
    path = rng.choice(sorted(contents))
    path.write_bytes(mutated(contents[path], rng))
    try:
        return "silent" if is_equal() else "wrong"
    except Exception as error:
        return outcome_of_error(error, path.stem)


class FeatureCache:
    """Mutated files of a feature cache, which are detected and computed again."""

    def __init__(self, folder: Path) -> None:
        waveforms = np.random.default_rng(0).uniform(-1, 1, (2, 16000)).astype(np.float32)
        self.clips = [Clip(f"clip {n}", 0, 1, lambda x=x: (x, 32000), f"key {n}") for n, x in enumerate(waveforms)]
        self.folder = folder / "cache"
        self.expected = self.load().copy()
        self.contents = {path: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def load(self) -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return features(self.clips, FRONTEND, cache=self.folder)

    def try_case(self, number: int) -> str:
        return try_mutation(self.contents, number, lambda: np.array_equal(self.load(), self.expected))


class Shards:
    """Mutated shards of packed recordings."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.format = folder / "packed", ShardFormat(8000, 0.05, 4)
        (folder / LABELS).write_text('index,mid,display_name\n0,/m/0,"class"\n')
        names = [f"clip{n:07}" for n in range(6)]
        (folder / "eval_segments.csv").write_text("".join(f'{name}, 0.0, 10.0, "/m/0"\n' for name in names))
        (folder / "audio").mkdir(exist_ok=True)
        for n, name in enumerate(names[:-1]):
            soundfile.write(folder / "audio" / f"Y{name}.wav", np.full(500, n / 10), 8000)
        (folder / "audio" / "Yclip0000003.wav").write_bytes(b"RIFF")
        self.segments = read_segments(folder / "eval_segments.csv", folder / LABELS)
        with contextlib.redirect_stderr(io.StringIO()):
            pack(self.segments, index_recordings(folder / "audio"), self.folder, self.format)
        self.contents = {path: path.read_bytes() for path in sorted(self.folder.iterdir())}
        self.expected = self.load()

    def load(self) -> list[object]:
        packed = PackedClips(self.segments, self.folder, self.format)
        waveforms = [packed.waveform(clip).tobytes() for clip in range(len(packed))]
        return [packed.rows.tolist(), packed.report, packed.targets(range(len(packed))).tolist(), waveforms]

    def try_case(self, number: int) -> str:
        return try_mutation(self.contents, number, lambda: self.load() == self.expected)


FORMATS = {
    **{suffix: lambda folder, suffix=suffix: Audio(suffix, folder) for suffix in ENCODINGS},
    **{f"half {suffix}": lambda folder, suffix=suffix: Audio(suffix, folder, half=True) for suffix in ENCODINGS},
    "feature cache": FeatureCache,
    "shards": Shards,
}
