"""Polyphase resampling of a waveform.

The definition is that of `scipy.signal.resample_poly`, which is the oracle of the tests. The import of `scipy.signal`
takes longer than the classification of a recording.
"""

from functools import lru_cache

import numpy as np

ZERO_CROSSINGS = 10  # of the sinc function, on each side of its center
KAISER_BETA = 5.0


def resample_poly(waveform: np.ndarray, up: int, down: int) -> np.ndarray:
    """Return the waveform with zeros inserted, low-pass filtered and decimated.

    With zeros inserted, sample k is at k * up. Output n is the filtered value at n * down:

        y[n] = sum over k of x[k] * h[n * down + half - k * up]

    Only every up-th coefficient of h is multiplied by a sample that is not an inserted zero. These coefficients are a
    phase of the filter. The outputs n, n + up, n + 2 up, ... have the same phase, and their windows of x are `down`
    samples apart.

    Parameters
    ----------
    waveform : float array (samples,)
    up, down : coprime factors; the sample rate is multiplied by up / down

    Returns
    -------
    array (ceil(samples * up / down),) of the same dtype
    """
    phases = _filter_phases(up, down, waveform.dtype)
    taps, half = phases.shape[1], ZERO_CROSSINGS * max(up, down)
    y = np.empty(-(-len(waveform) * up // down), waveform.dtype)
    padded = np.pad(waveform, (taps - 1, taps))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)  # window k ends with x[k]
    for n in range(min(up, len(y))):
        k, phase = divmod(n * down + half, up)
        outputs = y[n::up]
        np.einsum("nt,t->n", windows[k::down][: len(outputs)], phases[phase], out=outputs)
    return y


@lru_cache(maxsize=4)
def _filter_phases(up: int, down: int, dtype: np.dtype) -> np.ndarray:
    """Return the phases of the low-pass filter (up, taps), each reversed: h[p + up * j] for j = taps - 1 ... 0.

    The filter h is a sinc function with a Kaiser window. Its cutoff is half of the lower sample rate.
    """
    factor = max(up, down)
    t = np.arange(ZERO_CROSSINGS * factor + 1) / factor
    side = np.sinc(t) * np.i0(KAISER_BETA * np.sqrt(1 - (t / ZERO_CROSSINGS) ** 2))
    h = np.concatenate([side[:0:-1], side])
    h = np.pad(h * (up / h.sum()), (0, -len(h) % up))
    return np.ascontiguousarray(h.reshape(-1, up)[::-1].T, dtype)
