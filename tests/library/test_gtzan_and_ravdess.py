"""Tests of the loaders of GTZAN and RAVDESS and of their synthesized counterparts.

RAVDESS is split by actor. GTZAN has ten folds by file number and a fault-filtered split. The fault-filtered split keeps
the clips of an artist in one part. Invalid file names raise an error. Unreadable recordings are skipped and counted.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from quatnet.datasets import gtzan, ravdess, synthetic
from quatnet.datasets.gtzan_filtered import TEST, TRAIN, clip_numbers
from quatnet.errors import ConfigError, DataError

SILENCE = np.zeros(220)


def make_gtzan_folder(root: Path, *, clips: int = 12, suffix: str = "wav") -> Path:
    """Write ten genres with a few clips of 10 ms. jazz.00005 is unreadable, as in the usual copies of GTZAN."""
    for genre in gtzan.GENRES:
        (root / genre).mkdir(parents=True)
        for number in range(clips):
            soundfile.write(root / genre / f"{genre}.{number:05}.{suffix}", SILENCE, 22050)
    (root / "jazz" / f"jazz.00005.{suffix}").write_bytes(b"\0" * 999)
    return root


def make_ravdess_folder(root: Path, *, actors: int = 24) -> Path:
    """Write one clip for each actor and emotion."""
    for actor in range(1, actors + 1):
        (root / f"Actor_{actor:02}").mkdir(parents=True)
        for emotion in range(1, 9):
            soundfile.write(root / f"Actor_{actor:02}/03-01-{emotion:02}-01-02-01-{actor:02}.wav", SILENCE, 48000)
    return root


# GTZAN


def test_gtzan_folds(tmp_path: Path) -> None:
    data = gtzan.load(make_gtzan_folder(tmp_path))
    folds = {clip.name: clip.fold for clip in data.clips}
    assert folds["blues.00000.wav"] == 1
    assert folds["blues.00011.wav"] == folds["classical.00001.wav"] == 2
    assert (folds["jazz.00004.wav"], folds["jazz.00006.wav"]) == (5, 7)  # jazz.00005 is unreadable
    assert {clip.label for clip in data.clips if clip.name.startswith("rock")} == {9}


def test_gtzan_skips_unreadable_recordings(tmp_path: Path) -> None:
    data = gtzan.load(make_gtzan_folder(tmp_path / "genres_original"))
    assert len(data.clips) == 119
    assert (
        data.note
        == "A part of GTZAN: 120 of 1000 clips. Skipped 1 of 120 recordings, which cannot be read (jazz.00005.wav)."
    )
    waveform, rate_hz = data.clips[0].source()
    assert (len(waveform), rate_hz) == (220, 22050)


def test_gtzan_au_files_and_hidden_files(tmp_path: Path) -> None:
    root = make_gtzan_folder(tmp_path, clips=6, suffix="au")
    (root / "blues" / "._blues.00000.wav").write_text("metadata of a file manager")
    assert len(gtzan.load(root).clips) == 59


def test_filtered_lists_are_disjoint_and_of_published_size() -> None:
    train, test = (set(clip_numbers(part)) for part in (TRAIN, TEST))
    assert (len(train), len(test), len(train | test)) == (443, 290, 733)
    assert {genre for genre, _ in train} == {genre for genre, _ in test} == set(gtzan.GENRES)
    assert all(0 <= number <= 99 for _, number in train | test)
    # These files are in the lists of torchaudio.
    assert {("blues", 29), ("rock", 99), ("jazz", 54)} <= train
    assert {("blues", 12), ("rock", 90), ("hiphop", 0)} <= test


def test_filtered_split(tmp_path: Path) -> None:
    data = gtzan.load(make_gtzan_folder(tmp_path), filtered=True)
    train, test = data.split(2)
    actual = [{tuple(clip.name.split(".")[:2]) for clip in clips} for clips in (train, test)]
    for clips, part in zip(actual, (TRAIN, TEST), strict=True):
        expected = {(genre, f"{n:05}") for genre, n in clip_numbers(part) if n < 12} - {("jazz", "00005")}
        assert clips == expected


def _misnamed(root: Path) -> None:
    (root / "pop" / "pop.00000.wav").rename(root / "pop" / "pop-0.wav")


def _misplaced(root: Path) -> None:
    shutil.move(root / "pop" / "pop.00000.wav", root / "rock" / "pop.00000.wav")


def _empty(root: Path) -> None:
    for path in root.glob("*/*.wav"):
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "metal"), "no folders blues/ to rock/"),
        (_misnamed, r"pop-0\.wav: expected a name such as pop\.00000\.wav"),
        (_misplaced, r"rock/pop\.00000\.wav: expected a name such as rock\.00000\.wav"),
        (_empty, "none of 120 recordings can be used"),
    ],
)
def test_gtzan_invalid_folder(tmp_path: Path, damage, message: str) -> None:
    damage(make_gtzan_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        gtzan.load(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    for load in (gtzan.load, ravdess.load):
        with pytest.raises(DataError, match=r"missing or a subfolder; give "):
            load(tmp_path / "missing")


# RAVDESS


def test_parse_name_worked_example() -> None:
    name = ravdess.parse_name(Path("Actor_12/03-01-06-01-02-01-12.wav"))
    assert (name.modality, name.channel, name.emotion, name.intensity) == (3, 1, 6, 1)
    assert (name.statement, name.repetition, name.actor) == (2, 1, 12)
    assert ravdess.EMOTIONS[name.emotion - 1] == "fearful"


@given(st.tuples(*(st.integers(1, maximum) for maximum in ravdess.MAX_VALUES)))
def test_parse_name_round_trip(values: tuple[int, ...]) -> None:
    path = Path(f"Actor_{values[-1]:02}") / ("-".join(f"{value:02}" for value in values) + ".wav")
    if values[2:4] == (1, 2):  # the values are neutral speech of strong intensity, which RAVDESS does not contain
        with pytest.raises(DataError, match="no neutral speech of strong intensity"):
            ravdess.parse_name(path)
    else:
        assert tuple(vars(ravdess.parse_name(path)).values()) == values


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Actor_01/03-01-01-01-01-01.wav", "seven two-digit fields, modality-channel-emotion"),
        ("Actor_01/03-01-09-01-01-01-01.wav", "seven two-digit fields"),
        ("Actor_01/03-01-00-01-01-01-01.wav", "seven two-digit fields"),
        ("Actor_25/03-01-01-01-01-01-25.wav", "seven two-digit fields"),
        ("Actor_01/3-1-1-1-1-1-1.wav", "seven two-digit fields"),
        ("Actor_01/03-01-0²-01-01-01-01.wav", "seven two-digit fields"),
        ("Actor_01/03-01-02-01-01-01-02.wav", "actor 2 in the file name, but the folder is Actor_01"),
    ],
)
def test_parse_name_rejects_invalid_names(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ravdess.parse_name(Path(name))


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_ravdess_folds_are_disjoint_by_actor(tmp_path: Path, fold: int) -> None:
    train, test = ravdess.load(make_ravdess_folder(tmp_path)).split(fold)
    actors = [{clip.name[-6:-4] for clip in clips} for clips in (train, test)]
    assert not actors[0] & actors[1]
    assert actors[0] | actors[1] == {f"{actor:02}" for actor in range(1, 25)}
    assert actors[1] == {f"{actor:02}" for actor in ravdess.FOLD_ACTORS[fold - 1]}


def test_fold_actors() -> None:
    assert sorted(actor for actors in ravdess.FOLD_ACTORS for actor in actors) == list(range(1, 25))
    assert all({actor % 2 for actor in actors} == {0, 1} for actors in ravdess.FOLD_ACTORS)


def test_ravdess_ignores_songs_and_reports_incomplete_copy(tmp_path: Path) -> None:
    root = make_ravdess_folder(tmp_path / "speech", actors=3)
    shutil.copy(root / "Actor_01/03-01-02-01-02-01-01.wav", root / "Actor_01/03-02-02-01-02-01-01.wav")
    (root / "Actor_02/03-01-05-01-02-01-02.wav").write_bytes(b"RIFF")
    data = ravdess.load(tmp_path)
    assert len(data.clips) == 23
    assert data.note.startswith("A part of RAVDESS: 24 of 1440 clips. Skipped")
    assert "1 of 24 recordings, which cannot be read (03-01-05-01-02-01-02.wav)" in data.note
    assert [data.classes[clip.label] for clip in data.clips[:8]] == list(ravdess.EMOTIONS)


def test_ravdess_archive_is_extracted_once(tmp_path: Path) -> None:
    make_ravdess_folder(tmp_path / "source", actors=2)
    archive = Path(shutil.make_archive(str(tmp_path / "Audio_Speech_Actors_01-24"), "zip", tmp_path / "source"))
    data = ravdess.load(archive)
    assert len(data.clips) == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.stem, archive.name, "source"]
    archive.write_bytes(archive.read_bytes()[:100])  # the archive is damaged, but it is not opened again
    assert [clip.name for clip in ravdess.load(archive).clips] == [clip.name for clip in data.clips]


def test_ravdess_damaged_archive(tmp_path: Path) -> None:
    make_ravdess_folder(tmp_path / "source", actors=1)
    archive = Path(shutil.make_archive(str(tmp_path / "speech"), "zip", tmp_path / "source"))
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match="the archive is damaged"):
        ravdess.load(archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "speech.zip"]


def test_ravdess_without_speech(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(DataError, match="RAVDESS: none of 0 recordings can be used"):
        ravdess.load(tmp_path)


# Synthesized counterparts


def test_synthesized_classes_folds_and_waveforms() -> None:
    music, voices = synthetic.music(clips_per_class=10, clip_seconds=0.5), synthetic.voices(clip_seconds=0.5)
    assert (music.classes, set(music.folds)) == (gtzan.GENRES, set(range(1, 11)))
    assert (voices.classes, set(voices.folds)) == (ravdess.EMOTIONS, set(range(1, 6)))
    actors = [{clip.name.split()[1] for clip in clips} for clips in voices.split(1)]
    assert not actors[0] & actors[1]
    for data in (music, voices):
        for clip in data.clips[:: len(data.clips) // 10]:
            (first, rate_hz), (second, _) = clip.source(), clip.source()
            np.testing.assert_array_equal(first, second)
            assert (first.shape, first.dtype) == ((rate_hz // 2,), np.float32)
            assert 0.04 < np.abs(first).max() <= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: synthetic.music(clips_per_class=9),
        lambda: synthetic.music(clip_seconds=0),
        lambda: synthetic.voices(actors=1),
        lambda: synthetic.voices(repetitions=0),
    ],
)
def test_synthesized_sets_reject_invalid_settings(make) -> None:
    with pytest.raises(ConfigError, match=r"expected clip_seconds|must be an integer of at least"):
        make()
