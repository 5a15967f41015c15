"""Tests of events: merged windows, thresholds of classes, times, and the formats of results."""

import csv
import io
import json
import os

import numpy as np
import pytest
import soundfile
from support.small_models import CLASSES, noise, small_classifier

from quatnet import detection
from quatnet.audio import Stream
from quatnet.detection import Event, Result, best_classes, detect
from quatnet.detection.formats import FORMATS, HEADERS
from quatnet.errors import ConfigError, DataError


class Fixed:
    """Classifier whose confidences of the windows are given, (windows, classes)."""

    def __init__(self, confidences):
        self.confidences, self.model = np.array(confidences, np.float32), small_classifier()
        for name in ("classes", "frontend", "stream", "thresholds", "background"):
            setattr(self, name, getattr(self.model, name))

    def windows(self, blocks, *, hop_seconds=None):
        first = 0
        for starts, values in self.model.windows(blocks, hop_seconds=hop_seconds):
            yield starts, self.confidences[first : first + len(values)]
            first += len(values)


def record(tmp_path, seconds, rate=8000, name="x.wav", **options):
    soundfile.write(tmp_path / name, noise(seconds, rate, **options), rate, subtype="FLOAT")
    return tmp_path / name


ROWS = [[0.6, 0, 0], [0.7, 0.9, 0], [0.1, 0.95, 0], [0.5, 0, 0], [0.2, 0, 0.5]]  # 5 windows


def spans(result):
    return [(e.label, e.start_s, e.end_s, round(e.confidence, 2), e.windows) for e in result.events]


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (0.0, [("cat", 0, 2, 0.7, 2), ("dog", 1, 3, 0.95, 2), ("cat", 3, 4, 0.5, 1), ("rain, heavy", 4, 5, 0.5, 1)]),
        (1.0, [("cat", 0, 4, 0.7, 3), ("dog", 1, 3, 0.95, 2), ("rain, heavy", 4, 5, 0.5, 1)]),
    ],
)
def test_touching_windows_are_one_event(tmp_path, gap, expected):
    classifier = Fixed(ROWS)
    stream = classifier.stream(record(tmp_path, 5))
    assert spans(detect(classifier, stream, merge_gap_seconds=gap)) == expected


def test_one_event_for_each_window(tmp_path):
    classifier = Fixed(ROWS)
    result = detect(classifier, classifier.stream(record(tmp_path, 5)), merge_gap_seconds=None)
    assert [span[:3] for span in spans(result)] == [
        ("cat", 0, 1), ("dog", 1, 2), ("cat", 1, 2), ("dog", 2, 3), ("cat", 3, 4), ("rain, heavy", 4, 5),
    ]  # fmt: skip


def test_overlapping_windows_and_the_end_of_the_file(tmp_path):
    classifier = Fixed([[1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]])
    stream = classifier.stream(record(tmp_path, 2.3))
    result = detect(classifier, stream, hop_seconds=0.5)  # windows at 0, 0.5, 1 and 1.3 s
    assert spans(result) == [("cat", 0, 2.3, 1, 3)]
    assert spans(detect(classifier, stream, hop_seconds=0.5, merge_gap_seconds=None))[-1] == ("cat", 1.3, 2.3, 1, 1)


@pytest.mark.parametrize("rate", [8000, 44100, 11025])
def test_no_event_ends_after_the_recording(tmp_path, rate):
    classifier = Fixed(np.ones((20, 3)))
    stream = classifier.stream(record(tmp_path, 2.7183, rate))
    result = detect(classifier, stream, hop_seconds=0.3, merge_gap_seconds=None)
    assert result.seconds == round(2.7183 * rate) / rate
    assert max(e.end_s for e in result.events) == pytest.approx(result.seconds, abs=1e-3)
    assert all(0 <= e.start_s < e.end_s <= result.seconds for e in result.events)
    assert all((e.start_s * 8000) % 1 == pytest.approx(0, abs=1e-6) for e in result.events)


def test_thresholds(tmp_path):
    classifier = Fixed([[0.6, 0.6, 0.6]])
    stream = classifier.stream(record(tmp_path, 1))

    def labels(thresholds=None):
        return [e.label for e in detect(classifier, stream, thresholds=thresholds).events]

    assert labels() == list(CLASSES)
    assert labels({}) == list(CLASSES)
    assert labels(0.61) == []
    assert labels({"dog": 0.7}) == ["cat", "rain, heavy"]
    classifier.thresholds, classifier.background = {"cat": 0.9}, ("dog",)
    assert labels() == ["rain, heavy"]
    assert labels({"cat": 0.2}) == ["cat", "rain, heavy"]
    assert labels(0.0) == ["cat", "rain, heavy"]


@pytest.mark.parametrize("thresholds", [1.5, -0.1, {"dog": 2}, {"bird": 0.5}, "x"])
def test_invalid_thresholds(tmp_path, thresholds):
    classifier = small_classifier()
    with pytest.raises(ConfigError, match=r"threshold|expected one"):
        detect(classifier, classifier.stream(record(tmp_path, 1)), thresholds=thresholds)


@pytest.mark.parametrize(("samples", "status"), [(np.zeros(8000), "silent"), (np.full(8000, 5e-5), "silent"),
                                                  (noise(0.05), "too_short"), (noise(0.2), "ok")])  # fmt: skip
def test_status(tmp_path, samples, status):
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    classifier = Fixed(np.ones((1, 3)))
    stream = classifier.stream(tmp_path / "x.wav")
    assert detect(classifier, stream).status == status
    assert bool(detect(classifier, stream).events) == (status == "ok")
    assert bool(best_classes(classifier, stream).events) == (status == "ok")


def test_best_classes(tmp_path):
    classifier = Fixed([[0.1, 0.6, 0.3], [0.2, 0.8, 0.5]])
    stream = classifier.stream(record(tmp_path, 2))
    events = best_classes(classifier, stream, top=2).events
    assert spans(best_classes(classifier, stream)) == [
        ("dog", 0, 2, 0.7, 2), ("rain, heavy", 0, 2, 0.4, 2), ("cat", 0, 2, 0.15, 2),
    ]  # fmt: skip
    assert [e.label for e in events] == ["dog", "rain, heavy"]
    classifier.background = ("dog",)
    assert best_classes(classifier, stream, top=1).events[0].label == "rain, heavy"


# Warnings

STEREO = {
    "inverted": (np.stack([noise(1), -noise(1)], axis=1), "the channels cancel each other"),
    "silent channel": (np.stack([noise(1), 0 * noise(1)], axis=1), "channel 1 is silent"),
    "clipped": (np.sign(noise(1)), "100.0% of the samples are clipped"),
}


@pytest.mark.parametrize("name", STEREO)
def test_warning(tmp_path, name):
    samples, message = STEREO[name]
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    with pytest.warns(UserWarning, match=f"x.wav: {message}"):
        list(Stream(tmp_path / "x.wav", 8000))


def test_low_rate(tmp_path):
    with pytest.warns(UserWarning, match="the sample rate 4000 Hz is below 8000 Hz"):
        list(stream := Stream(record(tmp_path, 1, 4000), 8000))
    assert stream.nyquist_hz == 2000


@pytest.mark.filterwarnings("ignore:.*the sample rate 4000 Hz is below")
@pytest.mark.parametrize(("rate", "high"), [(4000, 2000), (8000, 4000), (44100, 4000)])
def test_highest_frequency_of_an_event(tmp_path, rate, high):
    classifier = small_classifier()
    for function in (detect, best_classes):
        assert function(classifier, classifier.stream(record(tmp_path, 1, rate))).nyquist_hz == high


def test_channel(tmp_path):
    samples = np.stack([noise(1), noise(1, seed=1)], axis=1)
    soundfile.write(tmp_path / "x.wav", samples, 8000, subtype="FLOAT")
    for channel in (0, "1"):
        np.testing.assert_array_equal(
            next(iter(Stream(tmp_path / "x.wav", 8000, channel=channel))), samples[:, int(channel)]
        )
    with pytest.raises(DataError, match=r"x.wav: expected a channel from 0 to 1, got 2"):
        list(Stream(tmp_path / "x.wav", 8000, channel=2))


# Formats

EVENTS = [Event(3.0, 6.0, "dog", 0.9312, 2, "mean"), Event(9.0, 12.0, 'a,"b"\tc', 0.812, 1, "1")]
RESULT = Result("a/x.wav", 61.25, "ok", EVENTS, False, 16000.0)


def lines(kind, result=RESULT):
    return FORMATS[kind](result).splitlines()


def test_audacity_format():
    assert lines("audacity") == ["3.000000\t6.000000\tdog 0.9312", '9.000000\t12.000000\ta,"b"\\tc 0.8120']


def test_raven_format():
    header = HEADERS["raven"].rstrip().split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in lines("raven")]
    assert list(rows[0].values()) == [
        "1", "Spectrogram 1", "1", "3.000", "6.000", "0", "16000", os.path.abspath("a/x.wav"), "3.000", "dog", "0.9312",
    ]  # fmt: skip
    assert (rows[1]["Selection"], rows[1]["Channel"]) == ("2", "2")


@pytest.mark.parametrize("kind", ["audacity", "raven", "csv"])
def test_labels_with_emoji_are_written_as_they_are(kind):
    label = "\N{WOMAN}\u200d\N{PERSONAL COMPUTER} H\u00fcndin"  # \u200d joins two characters, and is not printable
    text = FORMATS[kind](Result("x.wav", 9.0, "ok", [Event(3.0, 6.0, label, 0.5, 1, "mean")], False, 16000.0))
    assert label in text


def test_csv_format():
    assert lines("csv")[0] == "a/x.wav,3.000,6.000,dog,0.9312,2,mean"
    (row,) = csv.reader(io.StringIO(lines("csv")[1]))
    assert row == ["a/x.wav", "9.000", "12.000", 'a,"b"\tc', "0.8120", "1", "1"]


def test_jsonl_format():
    rows = list(map(json.loads, lines("jsonl")))
    assert rows[0] == {"type": "file", "path": "a/x.wav", "duration_s": 61.25, "status": "ok"}
    expected = {"type": "detection", "path": "a/x.wav", "start_s": 3.0, "end_s": 6.0, "label": "dog"}
    assert rows[1] == expected | {"confidence": 0.9312, "windows": 2, "channel": "mean"}
    assert rows[2]["label"] == 'a,"b"\tc'


def test_text_format():
    assert lines("text") == [
        "a/x.wav: 3.000 to 6.000 s, dog 0.931", 'a/x.wav: 9.000 to 12.000 s, a,"b"\\tc 0.812 (channel 1)',
    ]  # fmt: skip
    assert lines("text", Result("x", 1.0, "ok", EVENTS[:1], True, 1.0)) == ["x: dog 0.931"]
    assert lines("text", Result("x\n", 1.0, "silent", [], True, 1.0)) == ["x\\n: silent"]


@pytest.mark.parametrize("kind", FORMATS)
def test_format_without_events(kind):
    empty = lines(kind, Result("x.wav", 1.0, "silent", [], False, 1.0))
    assert len(empty) == (1 if kind in ("jsonl", "text") else 0)


def test_public_names():
    assert all(hasattr(detection, name) for name in detection.__all__)
