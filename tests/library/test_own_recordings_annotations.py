"""Tests of the loader of annotated recordings."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from quatnet.datasets import annotations
from quatnet.datasets.annotations import Event, label_windows, read_events
from quatnet.datasets.windows import window_spans
from quatnet.errors import ConfigError, DataError

RATE_HZ = 1000


def write_days(root: Path, *, days: int = 6, seconds: float = 20.0) -> Path:
    """Write recordings of noise, each with a dog from 1 to 3 s and rain from 10 to 19 s."""
    root.mkdir(exist_ok=True)
    for day in range(days):
        samples = np.random.default_rng(day).uniform(-0.5, 0.5, round(seconds * RATE_HZ))
        soundfile.write(root / f"day{day}.wav", samples, RATE_HZ)
        (root / f"day{day}.txt").write_text("1.0\t3.0\tdog\n\\\t100.0\t400.0\n10.0\t19.0\train\n")
    return root


def by_window(data, recording: str) -> dict[str, list[str]]:
    found = [clip for clip in data.clips if clip.name.startswith(recording)]
    return {clip.name.split()[1]: [data.classes[label] for label in clip.labels] for clip in found}


def test_label_tracks_of_audacity(tmp_path):
    data = annotations.load(write_days(tmp_path), window_seconds=5)
    assert data.classes == ("dog", "rain")
    assert by_window(data, "day0.wav") == {"0-5": ["dog"], "5-10": [], "10-15": ["rain"], "15-20": ["rain"]}
    clip = data.clips[2]
    samples, rate_hz = clip.read(100.0)
    assert (samples.shape, rate_hz, clip.seconds) == ((5000,), RATE_HZ, 5.0)
    np.testing.assert_array_equal(samples, soundfile.read(tmp_path / "day0.wav", start=10000, frames=5000)[0])
    assert len({clip.key for clip in data.clips}) == 24
    assert "12 events in windows of 5 s. 5 folds" in data.note
    for fold in range(1, 6):
        train, test = data.split(fold)  # windows of one recording are in one fold
        assert not {clip.name.split()[0] for clip in train} & {clip.name.split()[0] for clip in test}


def test_windows_with_a_small_part_of_an_event_are_left_out(tmp_path):
    write_days(tmp_path)
    (tmp_path / "day0.txt").write_text("4.6\t10.3\tdog\n")  # 0.4 s in the first window, 0.3 s in the third one
    (tmp_path / "day1.txt").write_text("")
    data = annotations.load(tmp_path, window_seconds=5)
    assert by_window(data, "day0.wav") == {"5-10": ["dog"], "15-20": []}
    assert by_window(data, "day1.wav") == {"0-5": [], "5-10": [], "10-15": [], "15-20": []}
    assert "2 windows with a part of an event are left out" in data.note


RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"


def test_selection_tables_of_raven(tmp_path):
    write_days(tmp_path / "audio")
    (tmp_path / "raven").mkdir()
    for day in range(6):
        (tmp_path / "audio" / f"day{day}.txt").unlink()
        rows = [
            f"{RAVEN}\tSpecies",
            *(f"1\t{view} 1\t1\t1.0\t3.0\t0\t400\tdog" for view in ("Waveform", "Spectrogram")),
        ]
        rows += ["2\tWaveform 1\t1\t10,0\t19,0\t0\t400\train", "2\tSpectrogram 1\t1\t10,0\t19,0\t0\t400\train"]
        (tmp_path / "raven" / f"day{day}.Table.1.selections.txt").write_text("\r\n".join(rows))
    data = annotations.load(tmp_path / "raven", audio=tmp_path / "audio", window_seconds=5)
    assert "12 events" in data.note
    assert by_window(data, "day5.wav") == {"0-5": ["dog"], "5-10": [], "10-15": ["rain"], "15-20": ["rain"]}


def test_one_table_of_several_recordings(tmp_path):
    """The begin time runs over all opened files, and the file offset restarts."""
    write_days(tmp_path / "audio")
    rows = [f"{RAVEN}\tBegin File\tFile Offset (s)\tAnnotation"]
    for day in range(6):
        rows.append(f"1\tSpectrogram 1\t1\t{20 * day + 1}\t{20 * day + 3}\t0\t400\tday{day}.wav\t1.0\tdog")
        rows.append(f"1\tSpectrogram 1\t1\t{20 * day + 10}\t{20 * day + 19}\t0\t400\tday{day}.wav\t10.0\train")
    (tmp_path / "all.txt").write_text("\n".join(rows))
    data = annotations.load(tmp_path / "all.txt", audio=tmp_path / "audio", window_seconds=5)
    assert data.skipped == ()
    assert by_window(data, "day5.wav") == {"0-5": ["dog"], "5-10": [], "10-15": ["rain"], "15-20": ["rain"]}


def test_detections_of_the_same_format_as_the_output_of_classify(tmp_path):
    write_days(tmp_path / "audio")
    rows = ["path,start_s,end_s,label,confidence,windows,channel"]
    rows += [f'"audio/day{n}.wav",1.000,3.000,"{("a, b", "c")[n % 2]}",0.9,2,mean' for n in range(6)]
    (tmp_path / "found.csv").write_text("\n".join(rows))
    assert annotations.load(tmp_path / "found.csv", audio=tmp_path).classes == ("a, b", "c")


def test_the_recording_of_an_annotation_file(tmp_path):
    write_days(tmp_path / "a")
    write_days(tmp_path / "b")
    (tmp_path / "a" / "day0.txt").write_text("0\t1\tcat\n")
    (tmp_path / "a" / "day1.txt").write_text("0\t1\tcat\n")
    data = annotations.load(tmp_path, window_seconds=5)
    cats = [clip.source.args[0] for clip in data.clips if data.classes.index("cat") in clip.labels]
    assert cats == [tmp_path / "a" / "day0.wav", tmp_path / "a" / "day1.wav"]


def test_events_of_a_missing_recording_are_not_those_of_another_folder(tmp_path):
    """The tables name their recordings by the file name, as Raven does, or belong to a recording."""
    for site in "ABC":
        write_days(tmp_path / f"site{site}", days=2)
    (tmp_path / "siteC" / "day0.txt").write_text(f"{RAVEN}\tBegin File\tLabel\n1\tS\t1\t1\t3\t0\t4\tday0.wav\tcat\n")
    for site in "AC":
        (tmp_path / f"site{site}" / "day0.wav").unlink()
    for recording in ("siteA/day1", "siteC/day1"):
        (tmp_path / f"{recording}.txt").unlink()
        (tmp_path / f"{recording}.wav").unlink()
    data = annotations.load(tmp_path, window_seconds=5)
    assert "2 of 4 recordings were not found in the folder" in data.note
    assert "(siteA/day0, siteC/day0.wav)" in data.note
    assert by_window(data, "siteB/day0.wav") == {"0-5": ["dog"], "5-10": [], "10-15": ["rain"], "15-20": ["rain"]}


@pytest.mark.parametrize(("place", "found"), [("", 6), ("batch", 6), ("siteA", 0)])
def test_file_names_without_folder(tmp_path, place, found):
    """A table in a folder of `audio` has only recordings of this folder."""
    write_days(tmp_path / "audio")
    (tmp_path / "audio" / "siteA").mkdir()
    rows = ["start\tend\tlabel\tbegin file", *(f"1\t3\t{'ab'[day % 2]}\tday{day}.wav" for day in range(6))]
    (tmp_path / "raven" / place).mkdir(parents=True)
    (tmp_path / "raven" / place / "all.txt").write_text("\n".join(rows))
    if found:
        assert len(annotations.load(tmp_path / "raven", audio=tmp_path / "audio", window_seconds=20).clips) == found
    else:
        with pytest.raises(
            DataError, match=r"6 of 6 recordings were not found .*\(siteA/day0.wav, .*; give the folder"
        ):
            annotations.load(tmp_path / "raven", audio=tmp_path / "audio")


def test_a_named_recording_that_is_missing(tmp_path):
    """Its events are not those of the recording with the name of the table."""
    write_days(tmp_path)
    rows = [f"1\t3\t{label}\t{file}" for label, file in (("dog", "day0.wav"), ("cat", "day7.wav"))]
    (tmp_path / "day0.txt").write_text("\n".join(["start\tend\tlabel\tbegin file", *rows]))
    data = annotations.load(tmp_path, window_seconds=5)
    assert "1 of 7 recordings were not found in the folder" in data.note
    assert data.classes == ("dog", "rain")
    assert by_window(data, "day0.wav") == {"0-5": ["dog"], "5-10": [], "10-15": [], "15-20": []}


def test_clips_of_equal_file_names_have_different_names(tmp_path):
    for site in "AB":
        write_days(tmp_path / f"site{site}", days=3)
    data = annotations.load(tmp_path, window_seconds=20)
    assert [clip.name for clip in data.clips][::3] == ["siteA/day0.wav 0-20 s", "siteB/day0.wav 0-20 s"]


def test_unused_and_missing_recordings(tmp_path):
    write_days(tmp_path)
    (tmp_path / "day5.txt").unlink()
    (tmp_path / "gone.txt").write_text("0\t1\tdog\n")
    (tmp_path / "day4.wav").write_bytes(b"RIFF")
    data = annotations.load(tmp_path)
    assert "1 recordings have no annotations, and are not used" in data.note
    assert "Skipped 2 of 6 recordings" in data.note
    assert "no such file" in "".join(data.skipped)
    with pytest.raises(DataError, match="2 of 6 recordings cannot be used"):
        annotations.load(tmp_path, strict=True)


def test_default_window_follows_the_events(tmp_path):
    data = annotations.load(write_days(tmp_path))
    assert max(clip.seconds for clip in data.clips) == 9.0  # events of 2 and 9 s


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\nworld", "expected start, end and one label column in the header"),
        (f"{RAVEN}\n", r"give label=... \(--label-column\)"),
        (f"{RAVEN}\tSpecies\tAnnotation\n", r"'species', 'annotation'\]; give label="),
        ("1.0\t2.0\n", "line 1: expected 0 <= start <= end in s, and a label"),
        ("1.0\t2.0\t\n", "line 1: expected 0 <= start <= end in s, and a label"),
        ("3.0\t2.0\tdog\n", "line 1: expected 0 <= start <= end in s, and a label"),
        ("1\t2\tdog\nnan\t2.0\tdog\n", "line 2: expected 0 <= start <= end in s, and a label"),
        ("1\t2\tdog\n-1\t2\tdog\n", "line 2: expected 0 <= start <= end in s, and a label"),
        ("25.0\t26.0\tdog\n", "day0.wav has 20 s, but an event 'dog' at 25 s"),
        ("1\tinf\tdog\n", "line 1: expected 0 <= start <= end in s, and a label"),
        ("1.0\t2.0\tdog\x00\n", "control character"),
    ],
)
def test_annotation_errors(tmp_path, text, message):
    (write_days(tmp_path) / "day0.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        annotations.load(tmp_path)


def test_option_errors(tmp_path):
    write_days(tmp_path)
    for seconds in (0.1, 61, float("nan"), 0):
        with pytest.raises(ConfigError, match="window_seconds"):
            annotations.load(tmp_path, window_seconds=seconds)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no annotation files"):
        annotations.load(tmp_path / "empty", audio=tmp_path)
    with pytest.raises(DataError, match="cannot be listed"):
        annotations.load(tmp_path / "missing", audio=tmp_path)


def test_confidences_are_removed_in_label_tracks_of_classify_only(tmp_path):
    for name, label in (("day.wav.audacity.txt", "dog"), ("day.txt", "dog 0.8877")):
        (tmp_path / name).write_text("1.0\t3.0\tdog 0.8877\n4.0\t5.0\ttake 2\n")
        assert [event.label for event in read_events(tmp_path / name)] == [label, "take 2"]


def test_only_the_list_of_errors_of_classify_is_ignored(tmp_path):
    write_days(tmp_path)
    (tmp_path / "errors.csv").write_text("path,error\r\nx.wav,no such file\r\n")
    assert "not found" not in annotations.load(tmp_path).note
    (tmp_path / "errors.csv").write_text("path,start,end,label\nday7.wav,1,3,dog\n")
    assert "1 of 7 recordings were not found" in annotations.load(tmp_path).note


def test_labels_in_two_unicode_forms_are_one_class(tmp_path):
    write_days(tmp_path)
    (tmp_path / "day0.txt").write_text("0\t4.9\tgeai\u0308\n")
    (tmp_path / "day1.txt").write_text("0\t4.9\tgea\u00ef\n")
    assert annotations.load(tmp_path, window_seconds=5).classes == ("dog", "gea\u00ef", "rain")


def test_label_column_is_chosen(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(f"{RAVEN}\tSpecies\tCall\n1\tWaveform 1\t1\t2\t2\t0\t400\twren\tsong\n")
    assert read_events(path) == [Event("", 2.0, 2.001, "wren")]  # an event without duration; the only view is kept
    assert read_events(path, "CALL ")[0].label == "song"


@given(
    st.floats(0.2, 40.0),
    st.floats(0.5, 8.0),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.001, 9.0), st.sampled_from("ab")), max_size=5),
)
def test_labels_of_windows(seconds, window, drawn):
    """Comparison with the definition. Each event that begins in the recording has a positive or omitted window."""
    spans = window_spans(seconds, window, window)
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(seconds)
    assert all(first[1] >= second[0] - 1e-9 for first, second in pairwise(spans))
    events = [Event("", at * seconds, min(at * seconds + length, seconds), label) for at, length, label in drawn]
    events = [event for event in events if event.end - event.start >= 0.001]
    expected = []
    for start, end in spans:
        overlaps = [(min(end, e.end) - max(start, e.start), (e.end - e.start) / 2, e.label) for e in events]
        positive = {label for overlap, half, label in overlaps if overlap >= min(0.5, half) - 1e-9}
        partial = {label for overlap, half, label in overlaps if 0 < overlap < min(0.5, half) - 1e-9}
        expected.append(None if partial - positive else tuple(sorted(positive)))
    assert label_windows(events, spans) == expected
    for event in events:
        assert any(names is None or event.label in names for names in expected)
