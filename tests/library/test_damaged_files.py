"""Fuzzing of files: mutated recordings, feature caches and shards give a clear error or a result, and nothing else.

The long version is `.ci/campaign`. The formats and outcomes are in tests/support/damaged.py.
"""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.damaged import FORMATS, FeatureCache, Shards, encoded

from quatnet.audio import FrontEnd, fix_length, read, resample, stft_power
from quatnet.datasets import Clip, features
from quatnet.errors import DataError, ShapeError

SECONDS = 4.0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore:.*channels cancel")
def test_mutated_files_give_a_result_or_a_clear_error(tmp_path: Path, name: str) -> None:
    cases, outcomes, deadline = FORMATS[name](tmp_path), Counter(), time.monotonic() + SECONDS
    for number in range(200):
        outcomes[cases.try_case(10**6 + number)] += 1
        if time.monotonic() > deadline:
            break
    assert set(outcomes) <= {"silent", "clear error"}
    if name in ("half wav", "half aiff", "half au", "half flac"):
        assert set(outcomes) == {"clear error"}
    if name == "feature cache":
        assert set(outcomes) == {"silent"}


def patched(content: bytes, start: int, value: int, *, size: int = 4, order: str = "little") -> bytes:
    return content[:start] + value.to_bytes(size, order) + content[start + size :]  # type: ignore[arg-type]


def flac_with_samples(samples: int, *, length: int | None = None) -> bytes:
    """Return a FLAC file whose header announces another number of samples, a field of 36 bits that ends at byte 26."""
    content = encoded("FLAC", "PCM_16", 1)
    field = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    return patched(content, 18, field, size=8, order="big")[:length]


WAV = encoded("WAV", "PCM_16", 1)
HEADERS = {
    "a.wav": patched(WAV[:62], 24, 1_000_000_007),
    "b.wav": patched(WAV, 24, 8),
    "c.wav": patched(WAV, 24, 268_435_456),
    "d.wav": patched(WAV, 22, 0, size=2),
    "e.wav": patched(WAV, 40, 0),
    "a.flac": flac_with_samples(2**36 - 1, length=99),
    "b.flac": flac_with_samples(2**36 - 1),
    "c.flac": flac_with_samples(0),
    "d.flac": flac_with_samples(0, length=99),
    "a.raw": b"\0" * 1000,
    "b.au": b"\0" * 1000,
    "f.wav": b"",
}


@pytest.mark.parametrize("name", HEADERS)
def test_impossible_headers_are_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HEADERS[name])
    start = time.monotonic()
    with pytest.raises(DataError, match=name):
        read(tmp_path / name)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("announced", [0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_lengths_of_streams_are_accepted(tmp_path: Path, announced: int) -> None:
    """Programs that write a WAV file into a pipe announce the largest possible length."""
    (tmp_path / "pipe.wav").write_bytes(patched(WAV, 40, announced))
    assert len(read(tmp_path / "pipe.wav")[0]) == 11025


# Samples that no front end accepts


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf, 1e30, -1e30, 32767.0])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: FrontEnd()(x, 32000),
        lambda x: FrontEnd()(x, 44100),
        lambda x: resample(x, 44100, 32000),
        lambda x: fix_length(x, 10),
        stft_power,
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_that_overflow_are_refused(level: float, function, dtype) -> None:
    x = np.zeros(1000, dtype)
    x[3] = level
    with pytest.raises(DataError, match=r"expected finite samples in \[-1, 1\]"):
        function(x)


def test_largest_level_gives_finite_features() -> None:
    for sign in (1, np.where(np.arange(160_000) % 2, 1, -1)):
        assert np.isfinite(FrontEnd()(np.full(160_000, 100.0, np.float32) * sign, 32000)).all()


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("level", [np.nan, np.inf, 1e30])
def test_files_with_such_samples_are_refused(tmp_path: Path, subtype: str, level: float) -> None:
    samples = np.zeros((1000, 2))
    samples[7] = level, -level
    soundfile.write(tmp_path / "loud.wav", samples, 32000, subtype=subtype)
    with pytest.raises(DataError, match=r"loud\.wav: expected finite samples"):
        read(tmp_path / "loud.wav")


class BrokenFrontEnd(FrontEnd):
    def components(self, power):
        return super().components(power) * np.float32(np.nan)


class NarrowFrontEnd(FrontEnd):
    def components(self, power):
        return super().components(power)[..., :1]


@pytest.mark.parametrize(("make", "error"), [(BrokenFrontEnd, DataError), (NarrowFrontEnd, ShapeError)])
def test_features_of_a_faulty_front_end_are_not_cached(tmp_path: Path, make, error) -> None:
    clips = [Clip("noise", 0, 1, lambda: (np.ones(8000, np.float32), 8000), key="noise")]
    with pytest.raises(error, match="noise: expected features"):
        features(clips, make(clip_seconds=0.5), cache=tmp_path)
    assert not list(tmp_path.iterdir())


# Feature caches and shards that are damaged while they are in use


def test_truncated_cache_does_not_change_loaded_features(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    for load in ("cached", "cached again"):
        loaded = cache.load()
        (path,) = cache.folder.glob("*.npy")
        with path.open("r+b") as file:
            file.truncate(200)
        np.testing.assert_array_equal(loaded, cache.expected, err_msg=load)


def test_features_of_earlier_versions_are_still_read(tmp_path: Path) -> None:
    """Earlier versions wrote the file with np.lib.format.open_memmap."""
    cache = FeatureCache(tmp_path)
    (path,) = cache.folder.glob("*.npy")
    content = path.read_bytes()
    array = np.lib.format.open_memmap(path, "w+", np.float32, cache.expected.shape)
    array[:] = cache.expected
    array.flush()
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", ["truncated", "deleted"])
def test_shard_that_is_damaged_after_opening(tmp_path: Path, damage: str) -> None:
    from quatnet.datasets import PackedClips

    shards = Shards(tmp_path)
    packed = PackedClips(shards.segments, shards.folder, shards.format)
    (path, *_) = sorted(shards.folder.glob("*.int16"))
    path.write_bytes(path.read_bytes()[:100]) if damage == "truncated" else path.unlink()
    with pytest.raises(DataError, match=r"00000\.int16"):
        packed.features(
            [0, 1], FrontEnd(sample_rate_hz=8000, window=64, hop=32, mels=8, high_hz=4000, clip_seconds=0.05)
        )


CRAFTED = [
    "[" * 100_000,
    '{"identity": {}, "rows": {"a": 1}}',
    '{"identity": {}, "rows": [1e400], "crc32": [0]}',
    '{"identity": {}, "rows": [9223372036854775808], "crc32": [0]}',
    '{"identity": {}, "rows": [-1], "crc32": [0]}',
    '{"identity": {}, "rows": [1, 1], "crc32": [0, 0]}',
    '{"identity": {}, "rows": [1], "crc32": []}',
    '{"identity": {}, "rows": [true], "crc32": [0]}',
    '{"identity": {}, "missing": "many"}',
    '{"identity": {}, "unreadable": [1]}',
    '{"identity": []}',
    '{"identity": {}, "rows": %s}' % ("9" * 5000),
    "null",
    "\x00",
]


@pytest.mark.parametrize("text", CRAFTED, ids=range(len(CRAFTED)))
def test_crafted_shard_descriptions_are_refused(tmp_path: Path, text: str) -> None:
    from quatnet.datasets.shard import read_shard

    (tmp_path / "00000.json").write_text(text)
    with pytest.raises(DataError, match=r"00000\.json is not a shard description"):
        read_shard(tmp_path / "00000.json")
