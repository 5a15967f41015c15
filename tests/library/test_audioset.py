"""Two million clips: tables that say what is heard, shards that hold the sound, and a fair share for rare classes.

AudioSet is a table of links; its recordings are gathered by whoever wants them, so some are missing and some are
broken. They are read once and packed into shards of equal clips, each with a checksum. Packing may be killed anywhere
and goes on; a damaged clip is noticed when it is used. Half of all clips have speech in them and some classes are
heard a hundred times, so training lets the classes take turns.
"""

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
from quatnet.datasets import Format, Packed, audioset, balanced_batches, pack, recordings
from quatnet.datasets.audioset import LABELS, Segments
from quatnet.datasets.balanced import class_balanced, clips_of_classes
from quatnet.datasets.found import Recordings
from quatnet.datasets.synthetic import toy_audioset
from quatnet.errors import ConfigError, DataError

NONE = Recordings(np.array([b""]), np.array([0]), ((Path("nowhere"), ".wav"),))
FORM = Format(sample_rate_hz=8000, clip_seconds=0.05, shard_clips=4)
CLASSES = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n2,/m/04rlf,"Music"\n'
HEAD = "# Segments csv\n# num_ytids=3\n# YTID, start_seconds, end_seconds, positive_labels\n"
ROWS = '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/04rlf"\n-0RWZT-miFs, 420.000, 430.000, "/m/05zppz"\n'


def tables(folder: Path, rows: str = ROWS, classes: str = CLASSES) -> Segments:
    (folder / LABELS).write_text(classes, encoding="utf-8")
    (folder / "eval_segments.csv").write_text(HEAD + rows, encoding="utf-8")
    return audioset.read_segments(folder / "eval_segments.csv", folder / LABELS)


def made(folder: Path, *, clips: int = 11, classes: int = 3) -> tuple[Segments, Recordings]:
    """A table of clips, clip n with the constant level n/100 and label n % classes; 2 is missing, 5 is broken."""
    names = [f"clip{n:07}" for n in range(clips)]
    labels = "".join(f'{n},/m/{n},"class {n}"\n' for n in range(classes))
    rows = "".join(f'{name}, 0.000, 10.000, "/m/{n % classes}"\n' for n, name in enumerate(names))
    segments = tables(folder, rows, "index,mid,display_name\n" + labels)
    (folder / "audio").mkdir()
    for n, name in enumerate(names):
        if n != 2:
            soundfile.write(folder / "audio" / f"Y{name}.wav", np.full(400 + 10 * n, n / 100), 8000)
    (folder / "audio" / "Yclip0000005.wav").write_bytes(b"RIFF, and nothing more")
    return segments, recordings(folder / "audio")


# The tables


def test_a_table_is_read_as_it_is_published(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    assert segments.name == "eval_segments"
    assert segments.classes == ("Speech", "Male speech, man speaking", "Music")
    assert segments.ids.tolist() == [b"--PJHxphWEs", b"-0RWZT-miFs"]
    assert (segments.starts.tolist(), segments.ends.tolist()) == ([30, 420], [40, 430])
    np.testing.assert_array_equal(segments.targets([0, 1]), [[1, 0, 1], [0, 1, 0]])


def test_tables_are_joined_in_order(tmp_path: Path) -> None:
    one = tables(tmp_path)
    both = audioset.joined([one, one])
    assert (both.name, len(both)) == ("eval_segments+eval_segments", 4)
    np.testing.assert_array_equal(both.targets(range(4)), np.tile(one.targets(range(2)), (2, 1)))
    assert audioset.joined([one]) is one


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        ("", CLASSES, "eval_segments.csv has no clips"),
        ("abc, 30.000, 40.000\n", CLASSES, "line 4: not a row of AudioSet"),
        ('abc, thirty, 40.000, "/m/09x0r"\n', CLASSES, "line 4: not a row of AudioSet"),
        ('abc, 40.000, 30.000, "/m/09x0r"\n', CLASSES, "line 4: not a row of AudioSet"),
        ('abc, nan, 30.000, "/m/09x0r"\n', CLASSES, "line 4: not a row of AudioSet"),
        (ROWS + 'abc, 0.000, 10.000, "/m/0"\n', CLASSES, "clip 3: the class '/m/0' is not in class_labels"),
        (ROWS, "index,mid,display_name\n", "class_labels_indices.csv has no classes"),
        (ROWS, CLASSES.replace("1,", "3,", 1), "expected index 1 in line 3, got '3'"),
        (ROWS, "index,mid\n0,/m/09x0r\n", "line 1: not a row of AudioSet"),
    ],
)
def test_a_table_that_lies_is_one_clear_error(tmp_path: Path, rows: str, classes: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        tables(tmp_path, rows, classes)


def test_a_missing_or_binary_table_is_one_clear_error(tmp_path: Path) -> None:
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
def test_a_recording_is_found_under_any_usual_name_anywhere_below(tmp_path: Path, name: str) -> None:
    segments = tables(tmp_path)
    place = tmp_path / "unbalanced_train_segments" / "part00"
    place.mkdir(parents=True)
    (place / name).touch()
    files = recordings(tmp_path)
    assert audioset.recording_of(segments, 0, files) == place / name
    assert audioset.recording_of(segments, 1, files) is None


def test_another_moment_of_the_same_video_is_another_clip(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    (tmp_path / "--PJHxphWEs_50.wav").touch()
    assert audioset.recording_of(segments, 0, recordings(tmp_path)) is None


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    tables(tmp_path)
    with pytest.raises(DataError, match="there are no recordings"):
        recordings(tmp_path)


# Packing


def test_clips_are_packed_in_the_order_of_the_table_and_the_rest_is_counted(tmp_path: Path) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "packed", FORM)
    packed = Packed(segments, tmp_path / "packed", FORM)
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


def test_a_recording_is_made_mono_resampled_cut_and_padded(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    stereo = np.stack([np.full(4410, 0.5), np.full(4410, -0.1)], axis=1)
    soundfile.write(tmp_path / "Y--PJHxphWEs.wav", stereo, 44100)  # a tenth of a second: cut to half of it
    soundfile.write(tmp_path / "Y-0RWZT-miFs.wav", np.full(100, 1.0), 8000)  # and one that is too short
    pack(segments, recordings(tmp_path), tmp_path / "packed", FORM)
    packed = Packed(segments, tmp_path / "packed", FORM)
    np.testing.assert_allclose(packed.waveform(0)[50:350], 0.2, atol=0.01)
    np.testing.assert_allclose(packed.waveform(1)[:100], 1, atol=2e-4)
    assert not packed.waveform(1)[100:].any()


def test_what_is_packed_is_not_read_again(tmp_path: Path) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "packed", FORM)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()}
    pack(segments, NONE, tmp_path / "packed", FORM)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "packed").iterdir()} == before


def peak_of_packing(folder: Path, clips: int) -> int:
    """The most bytes held while clips of 32 kB are packed, checked and read."""
    form = Format(sample_rate_hz=8000, clip_seconds=2.0, shard_clips=80)
    folder.mkdir()
    rows = "".join(f'clip{n:07}, 0.000, 10.000, "/m/09x0r"\n' for n in range(clips))
    segments = tables(folder, rows)
    soundfile.write(folder / "one.wav", np.full(16000, 0.5), 8000)
    for n in range(clips):
        (folder / f"Yclip{n:07}.wav").symlink_to(folder / "one.wav")
    files = recordings(folder)
    tracemalloc.start()
    try:
        pack(segments, files, folder / "packed", form)
        packed = Packed(segments, folder / "packed", form)
        packed.verify()
        front_end = FrontEnd(sample_rate_hz=8000, mels=8, high_hz=4000, clip_seconds=2.0)
        assert sum(len(x) for x in packed.batches(front_end, batch=8)) == clips
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_clips(tmp_path: Path) -> None:
    peaks = [peak_of_packing(tmp_path / str(clips), clips) for clips in (80, 400)]
    assert peaks[1] - peaks[0] < 320 * 32_000 / 3  # a clip is 32 kB; what two threads hold at a time differs by 1 MB


KILLED = """
import os, sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import test_audioset as lesson
from quatnet.datasets import audioset, pack, recordings

module, folder = import_module("quatnet.datasets.pack"), Path(sys.argv[1])
read = module.read
module.read = lambda path: os._exit(9) if path.stem == "Yclip0000007" else read(path)
segments = audioset.read_segments(folder / "eval_segments.csv", folder / audioset.LABELS)
pack(segments, recordings(folder / "audio"), folder / "packed", lesson.FORM)
"""


def test_packing_that_is_killed_goes_on_with_the_first_shard_that_is_missing(tmp_path: Path) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "whole", FORM)
    command = [sys.executable, "-c", KILLED, tmp_path, Path(__file__).parent]
    died = subprocess.run(command, capture_output=True, check=False, text=True)
    assert died.returncode == 9, died.stderr[-1000:]
    names = {path.name for path in (tmp_path / "packed").iterdir() if not path.name.startswith(".")}
    assert names == {"00000.int16", "00000.json"}  # the second shard held the clip that killed
    with pytest.raises(DataError, match=r"00001\.json does not describe a shard"):
        Packed(segments, tmp_path / "packed", FORM)
    pack(segments, files, tmp_path / "packed", FORM)
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "packed" / path.name).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "packed").glob(".*"))


def test_a_full_disk_leaves_no_shard_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments, files = made(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        pack(segments, files, tmp_path / "packed", FORM)
    assert not list((tmp_path / "packed").iterdir())


@pytest.mark.parametrize("harm", ["one bit", "cut short", "gone", "no json", "empty json", "other json"])
def test_a_damaged_shard_is_noticed(tmp_path: Path, harm: str) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "packed", FORM)
    waves, about = tmp_path / "packed" / "00001.int16", tmp_path / "packed" / "00001.json"
    content = bytearray(waves.read_bytes())
    if harm == "one bit":
        content[900] ^= 1
        waves.write_bytes(content)
        packed = Packed(segments, tmp_path / "packed", FORM)
        packed.waveform(3)  # its neighbor is sound
        for use in (lambda: packed.waveform(4), packed.verify):
            with pytest.raises(DataError, match=r"00001\.int16 is damaged at clip0000006; delete .*00001\.json"):
                use()
        return
    if harm == "cut short":
        waves.write_bytes(content[:-2])
    elif harm == "gone":
        waves.unlink()
    else:
        about.write_text({"no json": "not json", "empty json": "{}", "other json": '{"of": 1, "shards": 2}'}[harm])
    with pytest.raises(DataError, match=r"00001.*(expected 2400|does not describe a shard|of another table)"):
        Packed(segments, tmp_path / "packed", FORM)


def test_a_deleted_shard_is_packed_again(tmp_path: Path) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "packed", FORM)
    before = Packed(segments, tmp_path / "packed", FORM).waveform(4)
    (tmp_path / "packed" / "00001.json").unlink()
    pack(segments, files, tmp_path / "packed", FORM)
    np.testing.assert_array_equal(Packed(segments, tmp_path / "packed", FORM).waveform(4), before)


def test_shards_of_another_table_or_format_are_refused(tmp_path: Path) -> None:
    segments, files = made(tmp_path)
    pack(segments, files, tmp_path / "packed", FORM)
    other = Format(sample_rate_hz=8000, clip_seconds=0.1, shard_clips=4)
    with pytest.raises(DataError, match="of another table or format; pack into another folder"):
        pack(segments, files, tmp_path / "packed", other)
    with pytest.raises(DataError, match="of another table or format; give the folder of eval_segments"):
        Packed(segments, tmp_path / "packed", other)


def test_a_table_without_any_recording_is_an_error(tmp_path: Path) -> None:
    segments = tables(tmp_path)
    pack(segments, NONE, tmp_path / "packed", FORM)
    with pytest.raises(DataError, match="eval_segments: none of 2 clips has a recording that can be read"):
        Packed(segments, tmp_path / "packed", FORM)


@pytest.mark.parametrize("wrong", [{"sample_rate_hz": 0}, {"clip_seconds": 0.0}, {"shard_clips": 0}])
def test_a_format_that_cannot_work_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match="expected a rate, a length and shard_clips"):
        Format(**wrong)


# Evaluation and training, from shards

FRONTEND = FrontEnd(sample_rate_hz=8000, window=64, hop=32, mels=8, low_hz=50, high_hz=4000, clip_seconds=0.05)


def packed_set(folder: Path) -> Packed:
    segments, files = made(folder)
    pack(segments, files, folder / "packed", FORM)
    return Packed(segments, folder / "packed", FORM)


def test_evaluation_streams_every_clip_once_and_in_order(tmp_path: Path) -> None:
    packed = packed_set(tmp_path)
    batches = list(packed.batches(FRONTEND, batch=4))
    assert [len(x) for x in batches] == [4, 4, 1]
    expected = np.stack([FRONTEND(packed.waveform(clip), 8000) for clip in range(9)])
    np.testing.assert_array_equal(np.concatenate(batches), expected)


def test_balanced_batches_bring_clips_with_their_targets(tmp_path: Path) -> None:
    packed = packed_set(tmp_path)
    epoch = balanced_batches(packed, FRONTEND, batch_size=6, steps_per_epoch=3)
    found = list(epoch(np.random.default_rng(0)))
    assert [(x.shape, t.shape) for x, t in found] == [((6, 13, 8, 4), (6, 3))] * 3
    for x, targets in found:
        np.testing.assert_array_equal(targets.sum(axis=0), [2, 2, 2])  # three classes take turns
        for one, target in zip(x, targets, strict=True):
            clips = [c for c in range(9) if np.array_equal(packed.targets([c])[0], target)]
            assert any(np.array_equal(packed.features([c], FRONTEND)[0], one) for c in clips)
    again = list(epoch(np.random.default_rng(0)))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(found, again, strict=True))


def test_batches_are_changed_by_what_is_given(tmp_path: Path) -> None:
    epoch = balanced_batches(
        packed_set(tmp_path), FRONTEND, batch_size=4, steps_per_epoch=1, augment=lambda x, t, rng: (x + 1, t * 2)
    )
    plain = balanced_batches(packed_set_again(tmp_path), FRONTEND, batch_size=4, steps_per_epoch=1)
    ((changed, doubled),), ((x, targets),) = (list(b(np.random.default_rng(0))) for b in (epoch, plain))
    np.testing.assert_array_equal(changed, x + 1)
    np.testing.assert_array_equal(doubled, 2 * targets)


def packed_set_again(folder: Path) -> Packed:
    segments = audioset.read_segments(folder / "eval_segments.csv", folder / LABELS)
    return Packed(segments, folder / "packed", FORM)


def test_every_class_knows_its_clips(tmp_path: Path) -> None:
    packed = packed_set(tmp_path)
    groups = clips_of_classes(packed)
    for label, group in enumerate(groups):
        assert group.tolist() == [clip for clip in range(9) if packed.rows[clip] % 3 == label]


# The sampler

groups = st.lists(st.lists(st.integers(0, 99), max_size=6, unique=True), min_size=1, max_size=6)


@given(groups.filter(any), st.integers(0, 2**32))
def test_classes_take_turns_and_no_clip_comes_twice_before_all_have_come(parts: list[list[int]], seed: int) -> None:
    # clip n of class k is 100 k + n, so that a drawn clip says which class gave it
    parts = [[100 * k + n for n in part] for k, part in enumerate(parts)]
    present = [k for k, part in enumerate(parts) if part]
    drawn = list(islice(class_balanced([np.array(part, int) for part in parts], np.random.default_rng(seed)), 60))
    for first in range(0, 60 - len(present) + 1, len(present)):
        assert sorted(clip // 100 for clip in drawn[first : first + len(present)]) == present
    for k in present:
        given_out = [clip for clip in drawn if clip // 100 == k]
        for first in range(0, len(given_out) - len(parts[k]) + 1, len(parts[k])):
            assert sorted(given_out[first : first + len(parts[k])]) == sorted(parts[k])


def test_rare_sounds_come_as_often_as_speech() -> None:
    speech, whistle = np.arange(1000), np.arange(1000, 1003)
    drawn = Counter(clip >= 1000 for clip in islice(class_balanced([speech, whistle], np.random.default_rng(0)), 600))
    assert drawn == {True: 300, False: 300}


def test_no_clips_cannot_be_sampled() -> None:
    with pytest.raises(DataError, match="expected classes with clips"):
        next(class_balanced([np.array([], int)], np.random.default_rng(0)))


# The miniature


def test_the_miniature_has_the_formats_of_the_whole(tmp_path: Path) -> None:
    toy_audioset.write(tmp_path, clips=40, clip_seconds=0.1)
    reports = []
    for table in audioset.TABLES:
        segments = audioset.read_segments(tmp_path / table, tmp_path / LABELS)
        assert len(segments.classes) == 527
        assert 1 <= min(np.diff(segments.offsets)) < max(np.diff(segments.offsets)) <= 3  # several labels a clip
        pack(segments, recordings(tmp_path / "audio"), tmp_path / segments.name, FORM)
        reports.append(Packed(segments, tmp_path / segments.name, FORM))
    assert [len(packed) + packed.missing + len(packed.unreadable) for packed in reports] == [16, 12, 12]
    assert all(packed.missing == 1 and len(packed.unreadable) == 1 for packed in reports)
    stems = [path.stem for path in (tmp_path / "audio").rglob("*.wav")]
    assert {len(stem) for stem in stems} >= {12}  # Y and the eleven letters of a video; others have a start, too
    assert {len(stem) > 12 for stem in stems} == {True, False}


def test_the_same_seed_makes_the_same_miniature(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        toy_audioset.write(tmp_path / name, clips=20, seed=seed, clip_seconds=0.1)
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    ]
    assert contents[0] == contents[1] != contents[2]


def test_a_miniature_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 20 clips"):
        toy_audioset.write(tmp_path, clips=19)
