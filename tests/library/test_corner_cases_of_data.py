"""Tests of corner cases of recordings, groups, annotations, packed clips and cached features."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.small_models import FRONTEND, noise

from quatnet.audio import FrontEnd, read
from quatnet.audio.stream import Stream
from quatnet.audio.waveform import resample
from quatnet.datasets import Clip, PackedClips, ShardFormat, annotations, audioset, features, folder, index_recordings
from quatnet.datasets import pack as pack_clips
from quatnet.datasets.splits import guess_groups
from quatnet.datasets.windows import windows
from quatnet.distill import linear_probe
from quatnet.errors import ConfigError, DataError, ShapeError
from quatnet.training.recipe import linear_baseline, train

# Audio files


@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_and_parts_of_mp3_files(channels: int, tmp_path: Path) -> None:
    rate_hz, path = 44100, tmp_path / "tone.mp3"
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(14 * rate_hz) / rate_hz)
    soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate_hz, format="MP3")
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)  # in one call
    np.testing.assert_allclose(read(path)[0], expected, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(Stream(path, rate_hz))), expected, atol=1e-5)
    for start, stop in ((0.1, 0.2), (5.0, 7.5), (13.5, 99.0)):
        part = read(path, start_seconds=start, stop_seconds=stop)[0]
        np.testing.assert_allclose(part, expected[round(start * rate_hz) : round(stop * rate_hz)], atol=1e-5)


def test_float16_waveforms_are_resampled_in_float32() -> None:
    x = noise(0.5, 44100).astype(np.float16)
    np.testing.assert_array_equal(resample(x, 44100, 32000), resample(x.astype(np.float32), 44100, 32000))


# Groups and folders


def groups_of(stems: list[str]) -> tuple[list[str], str]:
    groups, rule, _ = guess_groups(
        [Path(f"/d/{n % 2}/{stem}.wav") for n, stem in enumerate(stems)], [(0,)] * len(stems)
    )
    return groups, rule


@pytest.mark.parametrize("form", ["{}_{:.1f}s_{:.1f}s", "{}_{:.0f}_{:.0f}", "{} {:.0f}-{:.0f}", "{}-{:.3f}-{:.3f}"])
def test_parts_that_are_named_by_start_and_end(form: str) -> None:
    stems = [form.format(f"rec{n}", start, min(start + 5, 23)) for n in range(4) for start in range(0, 23, 5)]
    assert groups_of(stems)[0] == [f"rec{n}" for n in range(4) for _ in range(5)]


def test_two_numbers_that_are_no_times() -> None:
    stems = [f"cat_{speaker}_{take}" for speaker in range(3) for take in range(4)]
    assert groups_of(stems)[0] == [f"cat_{speaker}" for speaker in range(3) for _ in range(4)]


def test_large_groups_are_named() -> None:
    stems = [f"long_{n:03}" for n in range(40)] + [f"other{n}_{k}" for n in range(2) for k in range(5)]
    groups, rule = groups_of(stems)
    assert len(set(groups)) == 42
    assert rule == "file names without running number, except for more than half of a class: long"
    assert groups_of(stems[:5] + stems[40:])[1] == "file names without running number"


def write(root: Path, *names: str, seconds: float = 1.0) -> None:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, noise(seconds, seed=number), 8000)


def test_folder_of_one_part_is_named(tmp_path: Path) -> None:
    names = [f"train/site{site}/{n}.wav" for site in range(3) for n in range(5)]
    write(tmp_path, *names, *(f"noise/{n}.wav" for n in range(5)))
    assert "train is a part of a split, so its folders are the classes." in folder.load(tmp_path).note


# Annotations


def test_begin_times_of_several_files_need_the_offset(tmp_path: Path) -> None:
    write(tmp_path, "a.wav", "b.wav", seconds=20.0)
    head = "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin File\tAnnotation"
    rows = [head, "1\tSpectrogram 1\t5\t6\ta.wav\tdog", "2\tSpectrogram 1\t25\t26\tb.wav\tcat"]
    (tmp_path / "all.txt").write_text("\n".join(rows))
    with pytest.raises(DataError, match="add the measurement 'File Offset"):
        annotations.load(tmp_path / "all.txt", audio=tmp_path)
    (tmp_path / "all.txt").write_text("\n".join(rows[:2]))
    assert annotations.read_events(tmp_path / "all.txt") == [annotations.Event("a.wav", 5.0, 6.0, "dog")]


def test_table_with_an_index_column(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(",start,end,label\n0,1.0,2.0,dog\n1,3.0,4.0,cat\n")
    assert [event.file for event in annotations.read_events(tmp_path / "x.csv")] == ["", ""]


# Packed clips


def segments_of(root: Path, ids: list[str], classes: str = '0,/m/a,"Dog"\n1,/m/b,"Cat"\n') -> audioset.Segments:
    (root / audioset.LABELS).write_text(f"index,mid,display_name\n{classes}")
    (root / "s.csv").write_text("".join(f'{name}, 0.000, 10.000, "/m/a"\n' for name in ids))
    return audioset.read_segments(root / "s.csv", root / audioset.LABELS)


def test_recordings_that_were_added_are_packed(tmp_path: Path) -> None:
    ids = [f"{letter * 11}" for letter in "ABCDEFG"]
    segments = segments_of(tmp_path, ids)
    shard_format = ShardFormat(sample_rate_hz=8000, clip_seconds=1.0, shard_clips=2)

    def packed(names: list[str]) -> PackedClips:
        write(tmp_path / "audio", *(f"Y{name}.wav" for name in names))
        pack_clips(segments, index_recordings(tmp_path / "audio"), tmp_path / "packed", shard_format)
        return PackedClips(segments, tmp_path / "packed", shard_format)

    assert packed(ids[:3]).rows.tolist() == [0, 1, 2]
    complete = tmp_path / "packed/00000.int16"
    before = complete.stat().st_mtime_ns
    after = packed(ids[:5])
    assert (after.rows.tolist(), after.missing) == ([0, 1, 2, 3, 4], 2)
    after.verify()
    assert complete.stat().st_mtime_ns == before
    assert packed([]).rows.tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ConfigError, match=r"expected a front end for the length of the packed clips, 1\.0 s"):
        after.features([0], replace(FRONTEND, clip_seconds=0.5))


def test_packed_clips_stay_if_their_recordings_are_deleted(tmp_path: Path) -> None:
    ids = [letter * 11 for letter in "ABCD"]
    segments, shard_format = segments_of(tmp_path, ids), ShardFormat(sample_rate_hz=8000, clip_seconds=1.0)
    for names in (ids[:1], ids[1:]):
        write(tmp_path / "audio", *(f"Y{name}.wav" for name in names))
        pack_clips(segments, index_recordings(tmp_path / "audio"), tmp_path / "packed", shard_format)
        (tmp_path / f"audio/Y{ids[0]}.wav").unlink(missing_ok=True)
    assert PackedClips(segments, tmp_path / "packed", shard_format).rows.tolist() == [0]


def test_tables_of_different_classes_are_not_concatenated(tmp_path: Path) -> None:
    first = segments_of(tmp_path, ["A" * 11])
    second = segments_of(tmp_path, ["B" * 11], '0,/m/b,"Cat"\n1,/m/a,"Dog"\n')
    for tables in ([first, second], []):
        with pytest.raises(DataError, match="same classes in the same order"):
            audioset.concatenate(tables)
    assert len(audioset.concatenate([first, first])) == 2


def test_shard_format_of_text() -> None:
    with pytest.raises(ConfigError, match="clip_seconds='10'"):
        ShardFormat(clip_seconds="10")


# Features


class Gate(FrontEnd):
    """Front end that removes quiet samples."""

    limit = 1e-3

    def __call__(self, waveform, sample_rate_hz):
        return super().__call__(np.where(abs(waveform) < self.limit, 0, waveform).astype(np.float32), sample_rate_hz)


def test_change_of_a_front_end_that_loud_noise_does_not_show(tmp_path: Path) -> None:
    clips = [Clip("a", 0, 1, lambda: (2e-3 * noise(1), 8000), "a")]
    frontend = Gate(**asdict(FRONTEND))
    before = features(clips, frontend, cache=tmp_path)
    Gate.limit = 0.0
    try:
        assert (features(clips, frontend, cache=tmp_path) != before).any()
    finally:
        Gate.limit = 1e-3


@pytest.mark.parametrize("key", ["", Path("a"), "b"])
def test_keys_belong_to_one_clip(key: object, tmp_path: Path) -> None:
    clips = [Clip("b", 0, 1, lambda: (noise(1), 8000), "b"), Clip("a", 0, 1, lambda: (noise(1), 8000), key)]
    with pytest.raises(DataError, match="a: expected a key of this clip only"):
        features(clips, FRONTEND, cache=tmp_path)


def test_targets_of_windows_are_checked(tmp_path: Path) -> None:
    clips = windows([Clip(f"{n}", 0, 1, lambda: (noise(1), 8000), f"{n}") for n in range(4)], FRONTEND, cache=tmp_path)
    for targets in (np.zeros(4, int), np.zeros((3, 2), np.float32)):
        with pytest.raises(ShapeError, match=r"expected targets \(4, classes\)"):
            linear_baseline(clips, targets, clips)
        with pytest.raises(ShapeError, match=r"expected targets \(4, classes\)"):
            train(None, clips, targets, epochs=1)


def test_infinite_embeddings() -> None:
    with pytest.raises(ShapeError, match="expected finite embeddings"):
        linear_probe(np.array([[1.0, np.inf], [0, 1], [2, 1], [3, 0]]), np.array([0, 1, 0, 1]), 2)
