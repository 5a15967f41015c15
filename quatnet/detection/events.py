"""Events of a recording from the confidences of its windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..audio import Stream
from ..checks import checked_count, checked_number, checked_type
from ..classifier import Classifier, mean_over_windows
from ..errors import ConfigError

MIN_SECONDS = 0.1  # of a recording that is classified


class Event(NamedTuple):
    """Class in a part of a recording. `windows` is the number of windows, and `confidence` their maximum or mean."""

    start_s: float
    end_s: float
    label: str
    confidence: float
    windows: int
    channel: str


@dataclass(frozen=True)
class Result:
    """Events of one recording.

    `status` is "ok", "silent" if no sample is above -80 dB of full scale, or "too_short" below 0.1 s. A recording with
    another status than "ok" has no events. `whole` is true if the events are classes of the complete recording. The
    highest frequency that the classifier receives is `nyquist_hz`.
    """

    path: str
    seconds: float
    status: str
    events: list[Event]
    whole: bool
    nyquist_hz: float


def detect(
    classifier: Classifier,
    recording: Stream,
    *,
    hop_seconds: float | None = None,
    thresholds: Mapping[str, float] | float | None = None,
    merge_gap_seconds: float | None = 0.0,
) -> Result:
    """Return the events of a recording: windows with a confidence of at least the threshold of a class.

    Adjacent or overlapping windows of a class are one event, whose confidence is the maximum.

    Parameters
    ----------
    classifier : classifier of the windows
    recording : samples at the sample rate of the front end, `classifier.stream(path)`
    hop_seconds : seconds from the start of a window to that of the next one, by default the length of a window
    thresholds : one confidence from 0 to 1, or a confidence for each class that differs from the model file
    merge_gap_seconds : longest time between windows of one event, or None for one event per window

    Raises
    ------
    ConfigError
        A value is out of range, or a threshold is given for a class that the classifier does not have.
    DataError
        The recording cannot be read, see `audio.read`.
    """
    limits = class_thresholds(classifier, thresholds)
    if merge_gap_seconds is not None:
        checked_number("merge_gap_seconds", merge_gap_seconds, "[0, inf)")
    hits = []
    for starts, confidences in classifier.windows(_stream(classifier, recording), hop_seconds=hop_seconds):
        rows, columns = np.nonzero(confidences >= limits)
        hits.append((starts[rows], columns, confidences[rows, columns]))
    first, label, confidence = map(np.concatenate, zip(*hits, strict=True))
    events: list[Event] = []
    for number in np.unique(label):
        name, chosen = classifier.classes[number], label == number
        events += _merge(classifier, recording, name, first[chosen], confidence[chosen], merge_gap_seconds)
    return _result(recording, sorted(events, key=lambda event: (event.start_s, -event.confidence)), whole=False)


def best_classes(classifier: Classifier, recording: Stream, *, top: int = 3) -> Result:
    """Return the `top` classes of a complete recording, best first, by the mean confidence over its windows.

    Raises DataError as `detect` does, and ConfigError if `top` is not an integer of at least 1.
    """
    top = checked_count("top", top)
    confidences, windows = mean_over_windows(classifier.windows(_stream(classifier, recording)))
    names, channel = classifier.classes, str(recording.channel)
    order = [n for n in np.argsort(-confidences, kind="stable") if names[n] not in classifier.background]
    events = [Event(0.0, recording.seconds, names[n], float(confidences[n]), windows, channel) for n in order[:top]]
    return _result(recording, events, whole=True)


def _stream(classifier: Classifier, recording: Stream) -> Stream:
    rate = classifier.frontend.sample_rate_hz
    if checked_type("a recording, classifier.stream(path),", recording, Stream).sample_rate_hz != rate:
        got = recording.sample_rate_hz
        raise ConfigError(f"expected a stream of {rate} Hz, got {got}; use classifier.stream(path)")
    return recording


def class_thresholds(classifier: Classifier, thresholds: Mapping[str, float] | float | None = None) -> np.ndarray:
    """Return the threshold of each class (classes,), which is infinite for a background class.

    `thresholds` replace those of the classifier. Raises ConfigError for an unknown class or an invalid threshold.
    """
    if thresholds is not None and not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(classifier.classes, thresholds)
    own = thresholds or {}
    if unknown := sorted(set(own) - set(classifier.classes)):
        raise ConfigError(f"threshold: {unknown[0]!r} is not a class; expected {', '.join(classifier.classes)}")
    values = {name: checked_number(f"the threshold of {name}", value, "[0, 1]") for name, value in own.items()}
    values = {**classifier.thresholds, **values, **dict.fromkeys(classifier.background, np.inf)}
    return np.array([values.get(name, 0.5) for name in classifier.classes], np.float32)


def _merge(
    classifier: Classifier, recording: Stream, name: str, starts: np.ndarray, confidences: np.ndarray, gap: float | None
) -> list[Event]:
    """Return the events of one class, for the first samples of its windows and their confidences."""
    rate, window = classifier.frontend.sample_rate_hz, classifier.frontend.samples
    reach = -1 if gap is None else window + np.rint(gap * rate)
    first, channel, events = np.flatnonzero(np.diff(starts, prepend=-np.inf) > reach), str(recording.channel), []
    for part, values in zip(np.split(starts, first[1:]), np.split(confidences, first[1:]), strict=True):
        end_s = min(float((part[-1] + window) / rate), recording.seconds)
        events.append(Event(float(part[0] / rate), end_s, name, float(values.max()), len(part), channel))
    return events


def _result(recording: Stream, events: list[Event], *, whole: bool) -> Result:
    """Return the result of a recording. A recording that is too short or silent has no events."""
    status = "too_short" if recording.seconds < MIN_SECONDS else "silent" if recording.is_silent else "ok"
    events = events if status == "ok" else []
    return Result(str(recording.path), recording.seconds, status, events, whole, recording.nyquist_hz)
