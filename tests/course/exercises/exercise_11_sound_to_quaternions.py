"""Exercise 11: sound to quaternions.

The mel scale is linear up to 1000 Hz, with 3 mel per 200 Hz, and logarithmic above, with 27 mel per factor of 6.4
(Slaney's scale). The log-mel spectrogram has one number for each frame and mel bin. The deltas of the spectrogram, its
changes over time, are the other three components of a quaternion.

    python -m pytest tests/course/test_11_sound_to_quaternions.py --implementation my_features.py

Chapter 11: docs/11-sound-to-quaternions.md.
"""

import numpy as np


def hz_to_mel(hz):
    """Return the frequencies `hz` in mel: 3 hz / 200 up to 1000 Hz, and 15 + 27 log(hz / 1000) / log(6.4) above."""
    raise NotImplementedError


def mel_filters(bins_hz, edges_hz):
    """Return triangular filters (bins, mels) with area 1, for mels + 2 increasing edges.

    Filter m rises from 0 at edge m to edge m + 1 and falls to 0 at edge m + 2. The peak of the filter is 2 / (edge m+2
    - edge m). `bins_hz` (bins,) are the frequencies at which the filters are evaluated.
    """
    raise NotImplementedError


def log_mel(power, filterbank, floor_db):
    """Return the levels 10 log10(power @ filterbank) in dB (frames, mels), but at least `floor_db`.

    `power` is (frames, bins) and `filterbank` (bins, mels).
    """
    raise NotImplementedError


def deltas(features):
    """Return d_t = Σ_{n=1,2} n (c_{t+n} - c_{t-n}) / 10 along the first axis of `features` c (frames, mels).

    The first and the last frame are repeated for frames outside of the array.
    """
    raise NotImplementedError


def quaternion_features(levels):
    """Return (frames, mels, 4): r = `levels`, i = deltas of r, j = deltas of i, k = deltas of j."""
    raise NotImplementedError
