"""Audio front end, which computes quaternion features from waveforms."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from ..checks import checked_count, checked_number
from ..errors import ConfigError, DataError, ShapeError
from .components import VARIANTS
from .read import MAX_SAMPLES
from .spectrogram import check_frames, mel_filterbank, stft_power
from .waveform import resample_clip


class Features(np.ndarray):
    """Array of features with the attribute `frontend_settings`, which is None if the front end is not known.

    Slices, indexed copies and results of arithmetic have the settings of the array.
    """

    frontend_settings: dict[str, Any] | None = None

    def __array_finalize__(self, array: Any) -> None:
        self.frontend_settings = getattr(array, "frontend_settings", None)


@dataclass(frozen=True)
class FrontEnd:
    """Front end that computes one quaternion per frame and mel bin.

    r = log-mel (dB), i = Δr, j = Δi, k = Δj, where Δ is the function `deltas` along time. The waveform is resampled to
    `sample_rate_hz`, then cropped or zero-padded to `clip_seconds`. The default settings give features of shape
    (501, 64, 4). Subclasses can override `components`.

    Parameters
    ----------
    sample_rate_hz : sample rate in Hz to which every recording is resampled
    window, hop : window length and hop length of the STFT, in samples
    mels : number of mel filters
    low_hz, high_hz : lowest and highest frequency of the mel filterbank, in Hz
    clip_seconds : length of every clip in seconds
    floor_db : lower limit of the log-mel spectrogram in dB, from -200 to 0; -100 in the paper
    variant : "delta", or "repeat" for the log-mel spectrogram in all four components

    Raises
    ------
    ConfigError
        A setting is out of range. The error is raised at construction.

    Source: Q. Kong and others, PANNs, 2020 (settings). A. Singh and others, 2025 (delta features as quaternion
    components). In contrast to the code of Singh and others, the delta features are computed along time and after the
    logarithm.

    >>> FrontEnd()(np.zeros(44100), 44100).shape
    (501, 64, 4)
    """

    variants: ClassVar[tuple[str, ...]] = tuple(VARIANTS)

    sample_rate_hz: int = 32000
    window: int = 1024
    hop: int = 320
    mels: int = 64
    low_hz: float = 50.0
    high_hz: float = 14000.0
    clip_seconds: float = 5.0
    floor_db: float = -100.0
    variant: str = "delta"

    def __post_init__(self) -> None:
        check_frames(self.window, self.hop)
        for name in ("sample_rate_hz", "mels", "window", "hop"):  # Python numbers, which JSON supports
            object.__setattr__(self, name, checked_count(name, getattr(self, name)))
        for name in ("low_hz", "high_hz", "clip_seconds", "floor_db"):
            interval = "[-200, 0]" if name == "floor_db" else "[0, inf)"
            object.__setattr__(self, name, checked_number(name, getattr(self, name), interval))
        self.filterbank()
        if self.variant not in self.variants:
            raise ConfigError(f"expected variant to be one of {', '.join(self.variants)}, got {self.variant!r}")
        if not self.window < 2 * self.samples <= 2 * MAX_SAMPLES:
            raise ConfigError(
                f"clip_seconds={self.clip_seconds} must be longer than half a window, "
                f"{self.window / 2 / self.sample_rate_hz} s, and at most {MAX_SAMPLES / self.sample_rate_hz} s"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Class name and parameters, which identify the front end in a model file."""
        return {"class": type(self).__name__, **asdict(self)}

    @property
    def samples(self) -> int:
        """Number of samples of a clip after resampling."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def frames(self) -> int:
        """Number of frames of the features, equal to 1 + samples // hop."""
        return 1 + self.samples // self.hop

    def filterbank(self) -> np.ndarray:
        """Return the mel filterbank (window // 2 + 1, mels). The array is cached and read-only."""
        names = ("sample_rate_hz", "window", "mels", "low_hz", "high_hz")
        return mel_filterbank(**{name: getattr(self, name) for name in names})

    def components(self, power: np.ndarray) -> np.ndarray:
        """Return the features (frames, mels, 4) of a power spectrogram (frames, window // 2 + 1)."""
        return VARIANTS[self.variant](power, self.filterbank(), floor_db=self.floor_db)

    def attach_settings(self, features: np.ndarray) -> Features:
        """Return a view of features that were computed by this front end, with its settings."""
        labeled = features.view(Features)
        labeled.frontend_settings = self.settings
        return labeled

    def __call__(self, waveform: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Return the features of one clip.

        Parameters
        ----------
        waveform : float array (samples,) in [-1, 1], of any length
        sample_rate_hz : sample rate of `waveform` in Hz

        Returns
        -------
        float32 array (frames, mels, 4)

        Raises
        ------
        ShapeError
            `waveform` is not one-dimensional, or not of a float dtype.
        DataError
            `waveform` is empty, or contains NaN, infinity or samples far outside [-1, 1].
        ConfigError
            `sample_rate_hz` is not an integer from 1 to 1,000,000.
        """
        clip = resample_clip(waveform, sample_rate_hz, self.sample_rate_hz, self.samples)
        features = self.components(stft_power(clip, window=self.window, hop=self.hop))
        if features.shape != (self.frames, self.mels, 4):
            raise ShapeError(f"expected features {(self.frames, self.mels, 4)} of `components`, got {features.shape}")
        if not np.isfinite(features).all():
            raise DataError("expected features without NaN and infinity; correct the method `components`")
        return features


def check_frontend(model: Any, settings: Mapping[str, Any] | None) -> None:
    """Raise ConfigError if `settings` and the settings of the front end of `model` are known and differ."""
    expected = getattr(model, "frontend_settings", None)
    if expected and settings and expected != settings:
        changed = [key for key in {**expected, **settings} if settings.get(key) != expected.get(key)]
        raise ConfigError(
            f"the network was trained on features of another front end, {expected}; this front end has "
            f"{', '.join(f'{key}={settings.get(key)!r}' for key in changed)}; use that of the training"
        )
