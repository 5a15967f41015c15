"""Tests of AudioSet: tables, packed shards, class-balanced sampling, and the toy data set.

Recordings are packed once into shards of clips of equal length. Each shard has a checksum. Packing can be interrupted
and continued. Missing and unreadable recordings are counted. Damaged shards raise an error. Class-balanced sampling
draws every class equally often.
"""

import dataclasses
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from quatnet.audio import FrontEnd
from quatnet.datasets import PackedClips, ShardFormat, audioset, balanced_batches, index_recordings, pack
from quatnet.datasets.audioset import LABELS, Segments
from quatnet.datasets.balanced import class_balanced_sampler, clips_by_class
from quatnet.datasets.index import RecordingIndex
from quatnet.datasets.synthetic import toy_audioset
from quatnet.errors import ConfigError, DataError

EMPTY_INDEX = RecordingIndex(np.array([b""]), np.array([0]), ((Path("missing"), ".wav"),))
FORMAT = ShardFormat(sample_rate_hz=8000, clip_seconds=0.05, shard_clips=4)
CLASSES = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n2,/m/04rlf,"Music"\n'
HEAD = "# Segments csv\n# num_ytids=3\n# YTID, start_seconds, end_seconds, positive_labels\n"
ROWS = '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/04rlf"\n-0RWZT-miFs, 420.000, 430.000, "/m/05zppz"\n'


def tables(folder: Path, rows: str = ROWS, classes: str = CLASSES) -> Segments:
    (folder / LABELS).write_text(classes, encoding="utf-8")
    (folder / "eval_segments.csv").write_text(HEAD + rows, encoding="utf-8")
    return audioset.read_segments(folder / "eval_segments.csv", folder / LABELS)


def make_table(folder: Path, *, clips: int = 11, classes: int = 3) -> tuple[Segments, RecordingIndex]:
    """Write a table and recordings, of which clip 2 is missing and clip 5 is unreadable.

    Clip n has the amplitude n / 100 and the label n % classes.
    """
    names = [f"clip{n:07}" for n in range(clips)]
    labels = "".join(f'{n},/m/{n},"class {n}"\n' for n in range(classes))
    rows = "".join(f'{name}, 0.000, 10.000, "/m/{n % classes}"\n' for n, name in enumerate(names))
    segments = tables(folder, rows, "index,mid,display_name\n" + labels)
    (folder / "audio").mkdir()
    for n, name in enumerate(names):
        if n != 2:
            soundfile.write(folder / "audio" / f"Y{name}.wav", np.full(400 + 10 * n, n / 100), 8000)
    (folder / "audio" / "Yclip0000005.wav").write_bytes(b"RIFF without data")
    return segments, index_recordings(folder / "audio")


# Tables


def test_read_segments(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    assert segments.name == "eval_segments"
    assert segments.classes == ("Speech", "Male speech, man speaking", "Music")
    assert segments.ids.tolist() == [b"--PJHxphWEs", b"-0RWZT-miFs"]
    assert (segments.starts.tolist(), segments.ends.tolist()) == ([30, 420], [40, 430])
    np.testing.assert_array_equal(segments.targets([0, 1]), [[1, 0, 1], [0, 1, 0]])


def test_concatenate_tables(tmp_path: Path) -> None:
    one = tables(tmp_path)
    both = audioset.concatenate([one, one])
    assert (both.name, len(both)) == ("eval_segments+eval_segments", 4)
    np.testing.assert_array_equal(both.targets(range(4)), np.tile(one.targets(range(2)), (2, 1)))
    assert audioset.concatenate([one]) is one


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        ("", CLASSES, "eval_segments.csv has no clips"),
        ("abc, 30.000, 40.000\n", CLASSES, "line 4: expected a row of AudioSet"),
        ('abc, thirty, 40.000, "/m/09x0r"\n', CLASSES, "line 4: expected a row of AudioSet"),
        ('abc, 40.000, 30.000, "/m/09x0r"\n', CLASSES, "line 4: expected a row of AudioSet"),
        ('abc, nan, 30.000, "/m/09x0r"\n', CLASSES, "line 4: expected a row of AudioSet"),
        (ROWS + 'abc, 0.000, 10.000, "/m/0"\n', CLASSES, "clip 3: the class '/m/0' is not in class_labels"),
        (ROWS, "index,mid,display_name\n", "class_labels_indices.csv has no classes"),
        (ROWS, CLASSES.replace("1,", "3,", 1), "expected index 1 in line 3, got '3'"),
        (ROWS, "index,mid\n0,/m/09x0r\n", "line 1: expected a row of AudioSet"),
    ],
)
def test_read_segments_rejects_invalid_tables(tmp_path: Path, rows: str, classes: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tables(tmp_path, rows, classes)


def test_missing_or_binary_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"class_labels_indices.csv cannot be read .*research.google.com"):
        audioset.read_segments(tmp_path / "eval_segments.csv", tmp_path / LABELS)
    tables(tmp_path)
    (tmp_path / "eval_segments.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as a table"):
        audioset.read_segments(tmp_path / "eval_segments.csv", tmp_path / LABELS)


@pytest.mark.parametrize(
    "name",
    [
        "Y--PJHxphWEs.wav",
        "--PJHxphWEs.wav",
        "--PJHxphWEs_30.wav",
        "--PJHxphWEs_30000.flac",
        "--PJHxphWEs_30.000.wav",
        "--PJHxphWEs_30_40.wav",
        "--PJHxphWEs_30.000_40.000.WAV",
        "Y--PJHxphWEs_30.000.wav",
        "--PJHxphWEs_30-40.mp3",
    ],
)
def test_find_recording(tmp_path: Path, name: str) -> None:
    segments = tables(tmp_path)
    folder = tmp_path / "unbalanced_train_segments" / "part00"
    folder.mkdir(parents=True)
    (folder / name).touch()
    files = index_recordings(tmp_path)
    assert audioset.find_recording(segments, 0, files) == folder / name
    assert audioset.find_recording(segments, 1, files) is None


def test_find_recording_ignores_other_start_times(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    (tmp_path / "--PJHxphWEs_50.wav").touch()
    assert audioset.find_recording(segments, 0, index_recordings(tmp_path)) is None


def test_index_of_folder_without_recordings(tmp_path: Path) -> None:
    tables(tmp_path)
    with pytest.raises(DataError, match="no recordings"):
        index_recordings(tmp_path)


# Packing


def test_pack_order_and_counts(tmp_path: Path) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "packed", FORMAT)
    packed = PackedClips(segments, tmp_path / "packed", FORMAT)
    assert packed.rows.tolist() == [0, 1, 3, 4, 6, 7, 8, 9, 10]
    assert (packed.missing, packed.unreadable) == (1, ["Yclip0000005.wav"])
    assert packed.report == "eval_segments: 9 of 11 clips, 1 missing, 1 unreadable (Yclip0000005.wav)"
    for clip, row in enumerate(packed.rows):
        wave = packed.waveform(clip)
        assert (wave.shape, wave.dtype) == ((400,), np.float32)
        np.testing.assert_allclose(wave, row / 100, atol=1 / 32767)
    np.testing.assert_array_equal(packed.targets([0, 2]), [[1, 0, 0], [1, 0, 0]])
    assert [path.stat().st_size for path in sorted((tmp_path / "packed").glob("*.int16"))] == [2400, 2400, 2400]
    packed.verify()


def test_pack_converts_recordings(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    stereo = np.stack([np.full(4410, 0.5), np.full(4410, -0.1)], axis=1)
    soundfile.write(tmp_path / "Y--PJHxphWEs.wav", stereo, 44100)  # the recording of 0.1 s is cropped to 0.05 s
    # the recording of 0.0125 s is padded to 0.05 s
    soundfile.write(tmp_path / "Y-0RWZT-miFs.wav", np.full(100, 1.0), 8000)
    pack(segments, index_recordings(tmp_path), tmp_path / "packed", FORMAT)
    packed = PackedClips(segments, tmp_path / "packed", FORMAT)
    np.testing.assert_allclose(packed.waveform(0)[50:350], 0.2, atol=0.01)
    np.testing.assert_allclose(packed.waveform(1)[:100], 1, atol=2e-4)
    assert not packed.waveform(1)[100:].any()


def test_pack_keeps_existing_shards(tmp_path: Path) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "packed", FORMAT)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()}
    pack(segments, EMPTY_INDEX, tmp_path / "packed", FORMAT)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()} == before


def peak_memory_of_packing(folder: Path, clips: int) -> int:
    """Return the peak memory in bytes for packing, checking and reading clips of 32 kB."""
    shard_format = ShardFormat(sample_rate_hz=8000, clip_seconds=2.0, shard_clips=80)
    folder.mkdir()
    rows = "".join(f'clip{n:07}, 0.000, 10.000, "/m/09x0r"\n' for n in range(clips))
    segments = tables(folder, rows)
    soundfile.write(folder / "one.wav", np.full(16000, 0.5), 8000)
    for n in range(clips):
        (folder / f"Yclip{n:07}.wav").symlink_to(folder / "one.wav")
    files = index_recordings(folder)
    tracemalloc.start()
    try:
        pack(segments, files, folder / "packed", shard_format)
        packed = PackedClips(segments, folder / "packed", shard_format)
        packed.verify()
        front_end = FrontEnd(sample_rate_hz=8000, mels=8, high_hz=4000, clip_seconds=2.0)
        assert sum(len(x) for x in packed.batches(front_end, batch_size=8)) == clips
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_number_of_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quatnet.datasets.parallel.READ_AHEAD", 4)  # how many clips are read ahead depends on the load
    small = max(peak_memory_of_packing(tmp_path / f"small{n}", 80) for n in range(3))  # the threads add some noise
    attempts = (peak_memory_of_packing(tmp_path / f"large{n}", 400) - small for n in range(3))
    assert any(growth < 320 * 32_000 / 10 for growth in attempts)  # each clip has 32 kB


KILLED_SCRIPT = """
import os, sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import test_audioset
from quatnet.datasets import audioset, index_recordings, pack

module, folder = import_module("quatnet.datasets.pack"), Path(sys.argv[1])
read = module.read
module.read = lambda path, **part: os._exit(9) if path.stem == "Yclip0000007" else read(path, **part)
segments = audioset.read_segments(folder / "eval_segments.csv", folder / audioset.LABELS)
pack(segments, index_recordings(folder / "audio"), folder / "packed", test_audioset.FORMAT)
"""


def test_packing_continues_after_killed_process(tmp_path: Path) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "complete", FORMAT)
    command = [sys.executable, "-c", KILLED_SCRIPT, tmp_path, Path(__file__).parent]
    process = subprocess.run(command, capture_output=True, check=False, text=True)
    assert process.returncode == 9, process.stderr[-1000:]
    names = {path.name for path in (tmp_path / "packed").iterdir() if not path.name.startswith(".")}
    assert names == {"00000.int16", "00000.json"}  # the process stops at a clip of the second shard
    with pytest.raises(DataError, match=r"00001\.json is not a shard description"):
        PackedClips(segments, tmp_path / "packed", FORMAT)
    pack(segments, files, tmp_path / "packed", FORMAT)
    for path in (tmp_path / "complete").iterdir():
        assert (tmp_path / "packed" / path.name).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "packed").glob(".*"))


def test_full_disk_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments, files = make_table(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"packed.*: cannot be written .*No space left"):
        pack(segments, files, tmp_path / "packed", FORMAT)
    assert not list((tmp_path / "packed").iterdir())


@pytest.mark.parametrize("damage", ["one bit", "truncated", "deleted", "no json", "empty json", "other json"])
def test_damaged_shard(tmp_path: Path, damage: str) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "packed", FORMAT)
    samples_path, json_path = tmp_path / "packed" / "00001.int16", tmp_path / "packed" / "00001.json"
    content = bytearray(samples_path.read_bytes())
    if damage == "one bit":
        content[900] ^= 1
        samples_path.write_bytes(content)
        packed = PackedClips(segments, tmp_path / "packed", FORMAT)
        packed.waveform(3)  # the neighboring clip is valid and raises no error
        for read in (lambda: packed.waveform(4), packed.verify):
            with pytest.raises(DataError, match=r"00001\.int16 is damaged at clip0000006; delete .*00001\.json"):
                read()
        return
    if damage == "truncated":
        samples_path.write_bytes(content[:-2])
    elif damage == "deleted":
        samples_path.unlink()
    else:
        json_path.write_text(
            {"no json": "not json", "empty json": "{}", "other json": '{"identity": 1, "shards": 2}'}[damage]
        )
    with pytest.raises(DataError, match=r"00001.*(expected 2400|is not a shard description|of another table)"):
        PackedClips(segments, tmp_path / "packed", FORMAT)


def test_deleted_shard_is_packed_again(tmp_path: Path) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "packed", FORMAT)
    before = PackedClips(segments, tmp_path / "packed", FORMAT).waveform(4)
    (tmp_path / "packed" / "00001.json").unlink()
    pack(segments, files, tmp_path / "packed", FORMAT)
    np.testing.assert_array_equal(PackedClips(segments, tmp_path / "packed", FORMAT).waveform(4), before)


def test_shards_of_another_format(tmp_path: Path) -> None:
    segments, files = make_table(tmp_path)
    pack(segments, files, tmp_path / "packed", FORMAT)
    other = ShardFormat(sample_rate_hz=8000, clip_seconds=0.1, shard_clips=4)
    with pytest.raises(DataError, match="belongs to another table or format; pack into another folder"):
        pack(segments, files, tmp_path / "packed", other)
    with pytest.raises(DataError, match="belongs to another table or format; give the folder of eval_segments"):
        PackedClips(segments, tmp_path / "packed", other)


def test_table_without_recordings(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    pack(segments, EMPTY_INDEX, tmp_path / "packed", FORMAT)
    with pytest.raises(DataError, match="eval_segments: none of 2 clips has a readable recording"):
        PackedClips(segments, tmp_path / "packed", FORMAT)


@pytest.mark.parametrize(
    "settings",
    [
        {"sample_rate_hz": 0},
        {"sample_rate_hz": 1.5},
        {"sample_rate_hz": 10**12},
        {"clip_seconds": 0.0},
        {"clip_seconds": float("nan")},
        {"clip_seconds": float("inf")},
        {"shard_clips": 0},
        {"shard_clips": 2.5},
    ],
)
def test_shard_format_rejects_invalid_settings(settings: dict) -> None:
    with pytest.raises(ConfigError, match="expected sample_rate_hz, shard_clips and samples"):
        ShardFormat(**settings)


# Batches

FRONTEND = FrontEnd(sample_rate_hz=8000, window=64, hop=32, mels=8, low_hz=50, high_hz=4000, clip_seconds=0.05)


def make_packed(folder: Path) -> PackedClips:
    segments, files = make_table(folder)
    pack(segments, files, folder / "packed", FORMAT)
    return PackedClips(segments, folder / "packed", FORMAT)


def test_batches_contain_every_clip_in_order(tmp_path: Path) -> None:
    packed = make_packed(tmp_path)
    batches = list(packed.batches(FRONTEND, batch_size=4))
    assert [len(x) for x in batches] == [4, 4, 1]
    expected = np.stack([FRONTEND(packed.waveform(clip), 8000) for clip in range(9)])
    np.testing.assert_array_equal(np.concatenate(batches), expected)
    with pytest.raises(ConfigError, match="batch_size"):
        packed.batches(FRONTEND, batch_size=-1)


def test_balanced_batches(tmp_path: Path) -> None:
    packed = make_packed(tmp_path)
    epoch = balanced_batches(packed, FRONTEND, batch_size=6, steps_per_epoch=3)
    batches = list(epoch(np.random.default_rng(0)))
    assert [(x.shape, t.shape) for x, t in batches] == [((6, 13, 8, 4), (6, 3))] * 3
    for x, targets in batches:
        np.testing.assert_array_equal(targets.sum(axis=0), [2, 2, 2])  # the three classes are drawn equally often
        for clip_features, target in zip(x, targets, strict=True):
            clips = [c for c in range(9) if np.array_equal(packed.targets([c])[0], target)]
            assert any(np.array_equal(packed.features([c], FRONTEND)[0], clip_features) for c in clips)
    repeated = list(epoch(np.random.default_rng(0)))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(batches, repeated, strict=True))


def test_balanced_batches_with_augmentation(tmp_path: Path) -> None:
    epoch = balanced_batches(
        make_packed(tmp_path), FRONTEND, batch_size=4, steps_per_epoch=1, augment=lambda x, t, rng: (x + 1, t * 2)
    )
    plain = balanced_batches(load_packed(tmp_path), FRONTEND, batch_size=4, steps_per_epoch=1)
    ((augmented, doubled),), ((x, targets),) = (list(b(np.random.default_rng(0))) for b in (epoch, plain))
    np.testing.assert_array_equal(augmented, x + 1)
    np.testing.assert_array_equal(doubled, 2 * targets)


def load_packed(folder: Path) -> PackedClips:
    segments = audioset.read_segments(folder / "eval_segments.csv", folder / LABELS)
    return PackedClips(segments, folder / "packed", FORMAT)


def test_clips_by_class(tmp_path: Path) -> None:
    packed = make_packed(tmp_path)
    groups = clips_by_class(packed)
    for label, group in enumerate(groups):
        assert group.tolist() == [clip for clip in range(9) if packed.rows[clip] % 3 == label]


# Sampler

groups = st.lists(st.lists(st.integers(0, 99), max_size=6, unique=True), min_size=1, max_size=6)


@given(groups.filter(any), st.integers(0, 2**32))
def test_sampler_rounds_and_draws_without_replacement(parts: list[list[int]], seed: int) -> None:
    # clip n of class k has the index 100 k + n
    parts = [[100 * k + n for n in part] for k, part in enumerate(parts)]
    present = [k for k, part in enumerate(parts) if part]
    drawn = list(
        islice(class_balanced_sampler([np.array(part, int) for part in parts], np.random.default_rng(seed)), 60)
    )
    for first in range(0, 60 - len(present) + 1, len(present)):
        assert sorted(clip // 100 for clip in drawn[first : first + len(present)]) == present
    for k in present:
        clips = [clip for clip in drawn if clip // 100 == k]
        for first in range(0, len(clips) - len(parts[k]) + 1, len(parts[k])):
            assert sorted(clips[first : first + len(parts[k])]) == sorted(parts[k])


def test_rare_class_is_drawn_as_often_as_frequent_class() -> None:
    speech, whistle = np.arange(1000), np.arange(1000, 1003)
    drawn = Counter(
        clip >= 1000 for clip in islice(class_balanced_sampler([speech, whistle], np.random.default_rng(0)), 600)
    )
    assert drawn == {True: 300, False: 300}


def test_sampler_rejects_empty_groups() -> None:
    with pytest.raises(DataError, match="expected at least one class with clips"):
        next(class_balanced_sampler([np.array([], int)], np.random.default_rng(0)))


# Toy data set


def test_toy_data_set(tmp_path: Path) -> None:
    toy_audioset.write(tmp_path, clips=40, clip_seconds=0.1)
    reports = []
    for table in audioset.TABLES:
        segments = audioset.read_segments(tmp_path / table, tmp_path / LABELS)
        assert len(segments.classes) == 527
        # clips have up to three labels
        assert 1 <= min(np.diff(segments.offsets)) < max(np.diff(segments.offsets)) <= 3
        pack(segments, index_recordings(tmp_path / "audio"), tmp_path / segments.name, FORMAT)
        reports.append(PackedClips(segments, tmp_path / segments.name, FORMAT))
    assert [len(packed) + packed.missing + len(packed.unreadable) for packed in reports] == [16, 12, 12]
    assert all(packed.missing == 1 and len(packed.unreadable) == 1 for packed in reports)
    stems = [path.stem for path in (tmp_path / "audio").rglob("*.wav")]
    # the 12 characters are Y and the video id, and other names also have a start time
    assert {len(stem) for stem in stems} >= {12}
    assert {len(stem) > 12 for stem in stems} == {True, False}


def test_toy_data_set_is_deterministic(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        toy_audioset.write(tmp_path / name, clips=20, seed=seed, clip_seconds=0.1)
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    ]
    assert contents[0] == contents[1] != contents[2]


def test_toy_data_set_rejects_too_few_clips(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clips must be an integer of at least 20"):
        toy_audioset.write(tmp_path, clips=19)


def test_names_longer_than_all_names_of_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    index = RecordingIndex(np.array([b"ab", b"cd"]), np.zeros(2, np.int32), ((Path("x"), ".wav"),))
    assert [index.find(name) for name in ("ab", "a", "ac")] == [Path("x/ab.wav"), None, None]
    monkeypatch.delattr(np, "searchsorted")  # would copy all names to the length of a longer name
    assert [index.find(name) for name in ("abc", "cd\u00e9")] == [None, None]


def test_numpy_numbers_in_a_format() -> None:
    made = ShardFormat(sample_rate_hz=np.int64(8000), clip_seconds=np.float32(0.5), shard_clips=np.int32(4))
    assert [type(value) for value in dataclasses.asdict(made).values()] == [int, float, int]
    assert made == ShardFormat(sample_rate_hz=8000, clip_seconds=0.5, shard_clips=4)
