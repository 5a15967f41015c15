"""What a split must keep apart: artists and voices.

A network that has heard an actor recognizes the voice, and one that has heard an artist recognizes the studio. Then
it seems to know emotions or genres, and does not. So RAVDESS is split by actor, and GTZAN has, beside its ten usual
folds, a split made by listeners that keeps artists apart and leaves faulty clips out. A file's name says what is in
it; a name that does not fit is an error, and a recording that cannot be read is left out and counted.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from quatnet.datasets import gtzan, ravdess, synthetic
from quatnet.datasets.gtzan_filtered import TEST, TRAIN, VALID, numbers
from quatnet.errors import ConfigError, DataError

SILENCE = np.zeros(220)


def gtzan_folder(root: Path, *, each: int = 12, suffix: str = "wav") -> Path:
    """Ten genres with a few clips of ten milliseconds; jazz.00005 is broken, as one clip is in the usual copies."""
    for genre in gtzan.GENRES:
        (root / genre).mkdir(parents=True)
        for number in range(each):
            soundfile.write(root / genre / f"{genre}.{number:05}.{suffix}", SILENCE, 22050)
    (root / "jazz" / f"jazz.00005.{suffix}").write_bytes(b"\0" * 999)
    return root


def ravdess_folder(root: Path, *, actors: int = 24) -> Path:
    """Every actor speaks once in each emotion."""
    for actor in range(1, actors + 1):
        (root / f"Actor_{actor:02}").mkdir(parents=True)
        for emotion in range(1, 9):
            soundfile.write(root / f"Actor_{actor:02}/03-01-{emotion:02}-01-02-01-{actor:02}.wav", SILENCE, 48000)
    return root


# GTZAN


def test_ten_folds_go_by_the_place_in_the_sorted_list_of_all_files(tmp_path: Path) -> None:
    data = gtzan.load(gtzan_folder(tmp_path))
    folds = {clip.name: clip.fold for clip in data.clips}
    assert folds["blues.00000.wav"] == 1
    assert folds["blues.00011.wav"] == 2  # the twelfth file of all
    assert folds["classical.00000.wav"] == 3  # the thirteenth
    assert folds["jazz.00004.wav"] == 1 + (5 * 12 + 4) % 10
    assert folds["jazz.00006.wav"] == 1 + (5 * 12 + 6) % 10  # the broken one keeps its place
    assert {clip.label for clip in data.clips if clip.name.startswith("rock")} == {9}


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    data = gtzan.load(gtzan_folder(tmp_path / "genres_original"))
    assert len(data.clips) == 119
    assert data.note == "Left out, because they cannot be read: 1 of 120 recordings (jazz.00005.wav)."
    waveform, rate_hz = data.clips[0].source()
    assert (len(waveform), rate_hz) == (220, 22050)


def test_the_first_archive_of_gtzan_holds_au_files_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    root = gtzan_folder(tmp_path, each=6, suffix="au")
    (root / "blues" / "._blues.00000.wav").write_text("left by a file manager")
    assert len(gtzan.load(root).clips) == 59


def test_the_filtered_lists_have_their_published_sizes_and_share_nothing() -> None:
    train, valid, test = (set(numbers(part)) for part in (TRAIN, VALID, TEST))
    assert (len(train), len(valid), len(test)) == (443, 197, 290)
    assert len(train | valid | test) == 930
    assert {genre for genre, _ in train} == {genre for genre, _ in test} == set(gtzan.GENRES)
    assert all(0 <= number <= 99 for _, number in train | valid | test)
    # ends of the lists, read in torchaudio's copy
    assert {("blues", 29), ("rock", 99), ("jazz", 54)} <= train
    assert {("blues", 12), ("rock", 90), ("hiphop", 0)} <= test


def test_the_filtered_split_trains_on_fold_one_and_tests_on_fold_two(tmp_path: Path) -> None:
    data = gtzan.load(gtzan_folder(tmp_path), filtered=True)
    train, test = data.split(2)
    found = [{tuple(clip.name.split(".")[:2]) for clip in side} for side in (train, test)]
    for side, part in zip(found, (TRAIN, TEST), strict=True):
        there = {(genre, f"{n:05}") for genre, n in numbers(part) if n < 12} - {("jazz", "00005")}
        assert side == there


def _misnamed(root: Path) -> None:
    (root / "pop" / "pop.00000.wav").rename(root / "pop" / "pop-0.wav")


def _misplaced(root: Path) -> None:
    shutil.move(root / "pop" / "pop.00000.wav", root / "rock" / "pop.00000.wav")


def _empty(root: Path) -> None:
    for path in root.glob("*/*.wav"):
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda root: shutil.rmtree(root / "metal"), "no folders blues/ to rock/"),
        (_misnamed, r"pop-0\.wav: expected a name such as pop\.00000\.wav"),
        (_misplaced, r"rock/pop\.00000\.wav: expected a name such as rock\.00000\.wav"),
        (_empty, "none of 120 recordings can be used"),
    ],
)
def test_a_wrong_gtzan_folder_is_one_clear_error(tmp_path: Path, harm, message: str) -> None:
    harm(gtzan_folder(tmp_path))
    with pytest.raises(DataError, match=message):
        gtzan.load(tmp_path)


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    for load in (gtzan.load, ravdess.load):
        with pytest.raises(DataError, match=r"nowhere; give "):
            load(tmp_path / "nowhere")


# RAVDESS


def test_a_name_says_all_about_a_clip() -> None:
    name = ravdess.parse(Path("Actor_12/03-01-06-01-02-01-12.wav"))
    assert (name.modality, name.channel, name.emotion, name.intensity) == (3, 1, 6, 1)
    assert (name.statement, name.repetition, name.actor) == (2, 1, 12)
    assert ravdess.EMOTIONS[name.emotion - 1] == "fearful"


@given(st.tuples(*(st.integers(1, most) for most in ravdess.LARGEST)))
def test_every_name_of_the_seven_fields_is_read_back(values: tuple[int, ...]) -> None:
    path = Path(f"Actor_{values[-1]:02}") / ("-".join(f"{value:02}" for value in values) + ".wav")
    if values[2:4] == (1, 2):  # nobody is strongly neutral
        with pytest.raises(DataError, match="no strong neutral"):
            ravdess.parse(path)
    else:
        assert tuple(vars(ravdess.parse(path)).values()) == values


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Actor_01/03-01-01-01-01-01.wav", "seven pairs of digits, modality-channel-emotion"),
        ("Actor_01/03-01-09-01-01-01-01.wav", "seven pairs of digits"),
        ("Actor_01/03-01-00-01-01-01-01.wav", "seven pairs of digits"),
        ("Actor_25/03-01-01-01-01-01-25.wav", "seven pairs of digits"),
        ("Actor_01/3-1-1-1-1-1-1.wav", "seven pairs of digits"),
        ("Actor_01/03-01-0²-01-01-01-01.wav", "seven pairs of digits"),
        ("Actor_01/03-01-02-01-01-01-02.wav", "the name says actor 2, the folder Actor_01"),
    ],
)
def test_a_name_that_does_not_fit_is_an_error(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ravdess.parse(Path(name))


@pytest.mark.parametrize("fold", [1, 2, 3, 4, 5])
def test_no_actor_is_on_both_sides(tmp_path: Path, fold: int) -> None:
    train, test = ravdess.load(ravdess_folder(tmp_path)).split(fold)
    voices = [{clip.name[-6:-4] for clip in side} for side in (train, test)]
    assert not voices[0] & voices[1]
    assert voices[0] | voices[1] == {f"{actor:02}" for actor in range(1, 25)}
    assert voices[1] == {f"{actor:02}" for actor in ravdess.ACTORS[fold - 1]}


def test_every_actor_has_one_fold_and_both_sexes_are_in_each() -> None:
    assert sorted(actor for actors in ravdess.ACTORS for actor in actors) == list(range(1, 25))
    assert all({actor % 2 for actor in actors} == {0, 1} for actors in ravdess.ACTORS)


def test_songs_and_videos_are_passed_over_and_a_part_is_called_a_part(tmp_path: Path) -> None:
    root = ravdess_folder(tmp_path / "speech", actors=3)
    shutil.copy(root / "Actor_01/03-01-02-01-02-01-01.wav", root / "Actor_01/03-02-02-01-02-01-01.wav")
    (root / "Actor_02/03-01-05-01-02-01-02.wav").write_bytes(b"RIFF")
    data = ravdess.load(tmp_path)
    assert len(data.clips) == 23
    assert data.note.startswith("This is a part of RAVDESS, 24 clips of 1440. Left out")
    assert "1 of 24 recordings (03-01-05-01-02-01-02.wav)" in data.note
    assert [data.classes[clip.label] for clip in data.clips[:8]] == list(ravdess.EMOTIONS)


def test_the_official_archive_is_unpacked_beside_itself_once(tmp_path: Path) -> None:
    ravdess_folder(tmp_path / "made", actors=2)
    archive = Path(shutil.make_archive(str(tmp_path / "Audio_Speech_Actors_01-24"), "zip", tmp_path / "made"))
    found = ravdess.load(archive)
    assert len(found.clips) == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == [archive.stem, archive.name, "made"]
    archive.write_bytes(archive.read_bytes()[:100])  # it is not opened again
    assert [clip.name for clip in ravdess.load(archive).clips] == [clip.name for clip in found.clips]


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    ravdess_folder(tmp_path / "made", actors=1)
    archive = Path(shutil.make_archive(str(tmp_path / "speech"), "zip", tmp_path / "made"))
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match="the archive is damaged"):
        ravdess.load(archive)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "speech.zip"]


def test_actors_without_speech_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(DataError, match="no speech that can be read"):
        ravdess.load(tmp_path)


# The synthesized stand-ins


def test_stand_ins_have_the_classes_and_folds_of_what_they_stand_for() -> None:
    music, voices = synthetic.music(clips_per_class=10, clip_seconds=0.5), synthetic.voices(clip_seconds=0.5)
    assert (music.classes, set(music.folds)) == (gtzan.GENRES, set(range(1, 11)))
    assert (voices.classes, set(voices.folds)) == (ravdess.EMOTIONS, set(range(1, 6)))
    actors = [{clip.name.split()[1] for clip in side} for side in voices.split(1)]
    assert not actors[0] & actors[1]
    for data in (music, voices):
        for clip in data.clips[:: len(data.clips) // 10]:
            (first, rate_hz), (again, _) = clip.source(), clip.source()
            np.testing.assert_array_equal(first, again)
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
def test_a_stand_in_of_nothing_is_refused(make) -> None:
    with pytest.raises(ConfigError, match="expected"):
        make()
