"""The whole way from a waveform to what a quaternion network hears: one frozen set of settings, one call."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .components import COMPONENTS, checked_variant
from .read import fit_length, resample
from .spectrogram import check_frames, mel_filterbank, stft_power


@dataclass(frozen=True)
class FrontEnd:
    """Turn a waveform into one quaternion per frame and mel bin: log-mel and three slopes along time.

    r = log-mel (dB), i = Δr, j = Δi, k = Δj, with Δ of `deltas`. The clip is resampled, then cut or padded
    with zeros to `clip_seconds`. With the defaults the result is (501, 64, 4). Two other variants are there to be
    compared with.

    Parameters
    ----------
    sample_rate_hz : the rate that every recording is brought to
    window, hop : samples of one frame, and from one frame to the next
    mels, low_hz, high_hz : number of mel filters and the band they cover
    clip_seconds : length of every clip
    floor_db : quieter cells are raised to this level; -100 is the paper's
    variant : "corrected", or "released" as in the paper's code, or "repeated", four times the log-mel; see
        `audio.components`

    Raises
    ------
    ConfigError
        At construction, if a setting cannot work.

    Source: settings of Q. Kong et al., PANNs, 2020; the deltas as four components of A. Singh et al., 2025,
    but taken along time and after the logarithm, so that negative slopes are not lost in it.

    >>> FrontEnd()(np.zeros(44100), 44100).shape
    (501, 64, 4)
    """

    sample_rate_hz: int = 32000
    window: int = 1024
    hop: int = 320
    mels: int = 64
    low_hz: float = 50.0
    high_hz: float = 14000.0
    clip_seconds: float = 5.0
    floor_db: float = -100.0
    variant: str = "corrected"

    def __post_init__(self) -> None:
        check_frames(self.window, self.hop)
        self.filterbank()
        checked_variant(self.variant)
        if not -200 <= self.floor_db <= 0:
            raise ConfigError(f"expected floor_db from -200 to 0, got {self.floor_db}")
        if not self.window < 2 * self.clip_seconds * self.sample_rate_hz < float("inf"):
            raise ConfigError(
                f"clip_seconds={self.clip_seconds} must be finite and longer than half a window, "
                f"{self.window / 2 / self.sample_rate_hz} s"
            )

    @property
    def samples(self) -> int:
        """Samples of a clip, after resampling."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def frames(self) -> int:
        """Frames of the result, 1 + samples // hop: its axis 0."""
        return 1 + self.samples // self.hop

    def filterbank(self) -> np.ndarray:
        """The mel filters, (window // 2 + 1, mels); cached."""
        return mel_filterbank(
            sample_rate_hz=self.sample_rate_hz,
            window=self.window,
            mels=self.mels,
            low_hz=self.low_hz,
            high_hz=self.high_hz,
        )

    def __call__(self, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Return the features of one clip.

        Parameters
        ----------
        waveform : float array (samples,) in [-1, 1], any length
        sample_rate_hz : its rate

        Returns
        -------
        float32 array (frames, mels, 4)

        Raises
        ------
        ShapeError
            `waveform` is not one-dimensional, or not of a float dtype.
        DataError
            `waveform` is empty, or not finite.
        ConfigError
            `sample_rate_hz` is not a whole number of at least 1.
        """
        clip = fit_length(resample(waveform, sample_rate_hz, self.sample_rate_hz), self.samples)
        power = stft_power(clip, window=self.window, hop=self.hop)
        return COMPONENTS[self.variant](power, self.filterbank(), floor_db=self.floor_db)
