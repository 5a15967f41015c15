"""Front end of the paper's released code."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..audio import FrontEnd, deltas, log_mel


@dataclass(frozen=True)
class PaperCodeFrontEnd(FrontEnd):
    """Front end with the features of the paper's released code.

    The parameters are the parameters of `audio.FrontEnd`, with `variant` "paper_code". Two defects are reproduced. The
    differences are computed along frequency instead of time, and before the logarithm, so negative differences are
    lost.

    >>> PaperCodeFrontEnd()(np.zeros(44100), 44100).shape
    (501, 64, 4)
    """

    variants: ClassVar[tuple[str, ...]] = ("paper_code",)

    floor_db: float = -100.0
    variant: str = "paper_code"

    def components(self, power: np.ndarray) -> np.ndarray:
        return paper_code_components(power, self.filterbank(), floor_db=self.floor_db)


def paper_code_components(power: np.ndarray, filterbank: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return the log-mel spectra of repeated differences of the power along frequency, (frames, mels, 4).

    Component n is the log-mel spectrogram of p_n, where p_0 is `power` and p_n is `deltas` of p_(n-1) along the
    frequency bins. Negative differences have no logarithm and are set to `floor_db`.

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025, and earlier in Cross-Caps, `QPANN`, 2024.
    """
    powers = [power]
    for _ in range(3):
        powers.append(deltas(powers[-1].T).T)
    return np.stack([log_mel(p, filterbank, floor_db=floor_db) for p in powers], axis=-1)
