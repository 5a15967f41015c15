"""Reading of audio files: parts, memory, channels, file names, sample rates."""

import errno
import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from quatnet.audio import FrontEnd, fix_length, read, resample
from quatnet.audio.waveform import resample_clip
from quatnet.datasets import Clip, Dataset, features
from quatnet.errors import ConfigError, DataError

FORMATS = [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16"), ("OGG", "VORBIS")]


def noise(frames: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


@pytest.mark.parametrize(("file_format", "subtype"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_blocks_give_the_samples_of_the_complete_file(tmp_path: Path, file_format, subtype, channels: int) -> None:
    path = tmp_path / "noise.audio"
    soundfile.write(path, noise(300_000, channels), 16000, format=file_format, subtype=subtype)
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    waveform, rate_hz = read(path)
    np.testing.assert_array_equal(waveform, expected)
    assert (waveform.dtype, rate_hz) == (np.float32, 16000)
    for start, stop in ((0, 0.5), (1.25, 3), (18, 99)):
        part, _ = read(path, start_seconds=start, stop_seconds=stop)
        np.testing.assert_allclose(part, expected[int(16000 * start) : int(16000 * stop)], atol=1e-6)


@pytest.mark.parametrize("silent", [False, True])
def test_windows_of_a_long_ogg_file_are_slices_of_the_complete_file(tmp_path: Path, silent: bool) -> None:
    path, samples = tmp_path / "long.ogg", noise(1_500_000)
    samples[:] = samples * (np.arange(len(samples)) % 70_000 < 100)[:, None] if silent else samples
    with soundfile.SoundFile(path, "w", 8000, 1, format="OGG", subtype="VORBIS") as file:
        for first in range(0, len(samples), 50_000):  # libsndfile crashes for large blocks
            file.write(samples[first : first + 50_000])
    waveform, _ = read(path)
    rng = np.random.default_rng(0)
    ends = len(waveform) - np.concatenate([rng.integers(1000, 300_000, 10), [1, 2000, 2500, 1 << 20, (1 << 20) + 1]])
    for start in map(int, [*rng.integers(0, len(waveform), 10), *ends]):
        part, _ = read(path, start_seconds=start / 8000, stop_seconds=(start + 3000) / 8000)
        np.testing.assert_array_equal(part, waveform[start : start + 3000])


def test_a_late_window_of_an_ogg_file_is_read_without_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, decoded, original = tmp_path / "long.ogg", [], soundfile.SoundFile.read
    with soundfile.SoundFile(path, "w", 8000, 1, format="OGG", subtype="VORBIS") as file:
        for _ in range(40):
            file.write(np.zeros(50_000, np.float32))

    def count(file: soundfile.SoundFile, frames: int, **options: object) -> np.ndarray:
        decoded.append(frames)
        return original(file, frames, **options)

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    for start, samples in ((800_000, 0), (1_999_000, (1 << 20) - 1000)):
        decoded.clear()
        read(path, start_seconds=start / 8000, stop_seconds=(start + 800) / 8000)
        assert sum(decoded) == samples + 800


@pytest.mark.parametrize(
    ("start", "stop"), [(-1, 2), (2, 2), (3, 2), (0, 0), (0, np.nan), (np.nan, 1), (np.inf, np.inf)]
)
def test_invalid_parts(tmp_path: Path, start: float, stop: float) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1000), 8000)
    with pytest.raises(ConfigError, match="expected 0 <= start_seconds < stop_seconds"):
        read(tmp_path / "a.wav", start_seconds=start, stop_seconds=stop)


@pytest.mark.parametrize("start", [0.125, 1e9, 1e300])
def test_part_after_the_end(tmp_path: Path, start: float) -> None:
    soundfile.write(tmp_path / "a.wav", noise(1000), 8000)
    with pytest.raises(DataError, match=r"a\.wav: start_seconds=.* is after the end, 0\.125 s"):
        read(tmp_path / "a.wav", start_seconds=start)


MEMORY_SCRIPT = """
import resource, sys
from pathlib import Path
from quatnet.audio import FrontEnd, read
from quatnet.datasets import features
from quatnet.datasets.audio_files import dataset_of_files

path, folder = Path(sys.argv[1]), sys.argv[2]
FrontEnd()(read(path, stop_seconds=1)[0], 96000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
clips = dataset_of_files("long", ("a",), {path: (0, 1)}, total=1, hint="").clips
features(clips, FrontEnd(), cache=folder)
read(path, start_seconds=1000, stop_seconds=1005)
try:
    read(path)
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss depends on the system")
def test_memory_for_half_an_hour_of_eight_channels(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros((96, 8), np.float32), 96000, subtype="PCM_16")
    content, size = bytearray(path.read_bytes()), 1800 * 96000 * 16
    content[4:8], content[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(content)
    os.truncate(path, 44 + size)  # a sparse file of 2.8 GB
    command = [sys.executable, "-c", MEMORY_SCRIPT, path, tmp_path / "cache"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    error, megabytes = process.stdout.splitlines()
    assert "long.wav: more than 60000000 samples; read a part with start_seconds and stop_seconds" in error
    assert int(megabytes) < 300


@pytest.mark.parametrize("opposite", [True, False])
def test_opposite_channels_give_one_warning_with_the_file_name(tmp_path: Path, opposite: bool) -> None:
    x = noise(8000)
    soundfile.write(tmp_path / "phase.wav", np.hstack([x, -x if opposite else noise(8001)[1:]]), 8000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            read(tmp_path / "phase.wav")
    assert len(caught) == opposite
    assert all("phase.wav: the channels cancel each other" in str(warning.message) for warning in caught)


@pytest.mark.parametrize(("file_format", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
@pytest.mark.parametrize("part", [0.5, 0.8, 1])
def test_truncated_ogg_and_mp3_files_are_named(tmp_path: Path, file_format: str, subtype: str, part: float) -> None:
    path = tmp_path / "part.audio"
    soundfile.write(path, noise(60_000), 16000, format=file_format, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            samples = len(read(path)[0])
        except DataError:
            assert part < 1
            return
    assert (samples == 60_000) == (part == 1)
    assert len(caught) == (part < 1)
    assert all("part.audio: the file seems to be truncated" in str(warning.message) for warning in caught)


def test_digital_silence_gives_no_warning(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros((800, 2)), 8000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not read(tmp_path / "silence.wav")[0].any()


# File names and special files


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    soundfile.write(tmp_path / "a.wav", noise(100), 8000)
    (tmp_path / "a.wav").rename(path)
    assert len(read(path)[0]) == 100
    path.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"caf\\udce9\.wav: cannot be read as audio") as error:
        read(path)
    str(error.value).encode()  # the message can be printed


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    soundfile.write(tmp_path / "a.wav", noise(100), 8000)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.wav: cannot be opened \(Permission denied\); check the file and its perm"):
        read(tmp_path / "a.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_named_pipes_and_folders_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path, tmp_path / "missing.wav", tmp_path / ("x" * 5000)):
        with pytest.raises(DataError):
            read(path)
    with pytest.raises(ConfigError, match="expected a path"):
        read("a\0b")


# Sample rates


@settings(max_examples=15)
@given(
    from_hz=st.sampled_from([1000, 8000, 11025, 16000, 22050, 32000, 44100, 44101, 47952, 48000, 96000, 191_999]),
    seconds=st.floats(0.01, 1),
)
def test_clip_is_cut_before_resampling(from_hz: int, seconds: float) -> None:
    x = noise(max(1, int(from_hz * seconds)))[:, 0]
    for samples in (1, 1000, 16000):
        expected = fix_length(resample(x, from_hz, 32000), samples)
        np.testing.assert_array_equal(resample_clip(x, from_hz, 32000, samples), expected)


@pytest.mark.parametrize("from_hz", [1, 8, 44101, 383_999, 999_983, 1_000_000])
def test_unusual_rates_need_little_time_and_memory(from_hz: int) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        assert FrontEnd()(np.ones(min(10 * from_hz, 2_000_000), np.float32), from_hz).shape == (501, 64, 4)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rate", [0, -1, 1_000_001, 1_000_000_007, 10**30, 44100.0, "44100"])
def test_impossible_rates(rate) -> None:
    for function in (
        lambda x: FrontEnd()(x, rate),
        lambda x: resample(x, rate, 32000),
        lambda x: resample(x, 8000, rate),
    ):
        with pytest.raises(ConfigError, match="must be"):
            function(np.ones(100, np.float32))


def test_resampled_length_of_unusual_rates() -> None:
    for from_hz, to_hz, samples in ((999_983, 32000, 50_000), (44101, 44100, 10_000), (3, 1_000_000, 5)):
        assert len(resample(np.ones(samples), from_hz, to_hz)) == -(-samples * to_hz // from_hz)


# Features of files


def test_features_of_a_part_are_those_of_the_complete_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", noise(441_000), 44100)
    clip = Clip("long.wav", 0, 1, partial(read, tmp_path / "long.wav"), "key")
    expected = FrontEnd()(*read(tmp_path / "long.wav"))
    np.testing.assert_array_equal(features([clip], FrontEnd(), cache=tmp_path)[0], expected)


@pytest.mark.parametrize("part", [{"start_seconds": 5}, {"stop_seconds": 2}, {"start_seconds": 6, "stop_seconds": 8}])
def test_source_with_its_own_part(tmp_path: Path, part: dict) -> None:
    soundfile.write(tmp_path / "long.wav", noise(441_000), 44100)
    clip = Clip("long.wav", 0, 1, partial(read, tmp_path / "long.wav", **part), "key")
    expected = FrontEnd()(*read(tmp_path / "long.wav", **part))
    np.testing.assert_array_equal(features([clip], FrontEnd(), cache=tmp_path)[0], expected)


def test_readable_clips(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", noise(800), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan), 8000, subtype="FLOAT")
    clips = tuple(Clip(n, 0, 1, partial(read, tmp_path / n), n) for n in ("good.wav", "nan.wav", "missing.wav"))
    data = Dataset("mixed", ("a",), clips, "A note.")
    with pytest.raises(DataError, match=r"nan\.wav: .*expected finite samples"):
        features(data.clips, FrontEnd(), cache=tmp_path)
    readable = data.readable()
    assert [clip.name for clip in readable.clips] == ["good.wav"]
    assert readable.note == "A note. Skipped 2 of 3 recordings, which cannot be read (nan.wav, missing.wav)."
    assert len(features(readable.clips, FrontEnd(), cache=tmp_path)) == 1


BITS_SCRIPT = """
import hashlib, sys
import numpy as np
from quatnet.audio import FrontEnd
from quatnet.datasets import Clip, features

rng = np.random.default_rng(0)
clips = [Clip(str(n), 0, 1, lambda x=rng.uniform(-1, 1, 48000): (x, 48000), str(n)) for n in range(6)]
one = FrontEnd(hop=1280)(rng.uniform(-1, 1, 48000), 48000)
print(hashlib.sha256(features(clips, FrontEnd(hop=1280), cache=sys.argv[1]).tobytes() + one.tobytes()).hexdigest())
"""


def test_bits_of_features_do_not_depend_on_numbers_of_threads(tmp_path: Path) -> None:
    digests = set()
    for number, (blas, threads) in enumerate([("1", "1"), ("2", "1"), ("2", "3"), ("8", "8")]):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": blas, "QUATNET_NUM_THREADS": threads}
        command = [sys.executable, "-c", BITS_SCRIPT, tmp_path / str(number)]
        digests.add(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)
    assert len(digests) == 1


THREADS_SCRIPT = """
import sys, threading
import numpy as np
from pathlib import Path
from quatnet.audio import FrontEnd
from quatnet.datasets import Clip, features
from quatnet.datasets.audio_files import dataset_of_files

seen = set()
def source():
    seen.add(threading.get_ident())
    return np.ones(8000, np.float32), 8000
features([Clip(str(n), 0, 1, source, str(n)) for n in range(40)], FrontEnd(), cache=sys.argv[1])
print(len(seen))
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_features_respect_the_number_of_threads(tmp_path: Path, threads: int) -> None:
    environment = os.environ | {"QUATNET_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", THREADS_SCRIPT, tmp_path]
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert int(process.stdout) <= threads
