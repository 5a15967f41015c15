"""The audio wing: from a recording to quaternion features and augmented batches, on plain NumPy arrays.

`read` a file, pass the waveform to a `FrontEnd`, train on batches changed by `spec_augment`, `mixup` and
`time_shift`. It runs on the host, whatever array module the network uses, and knows nothing of tensors.
"""

from .augment import mixup, spec_augment, time_shift
from .components import COMPONENTS, floored_cells
from .frontend import FrontEnd
from .read import fit_length, read, resample
from .spectrogram import deltas, log_mel, mel_filterbank, stft_power

__all__ = [
    "COMPONENTS",
    "FrontEnd",
    "deltas",
    "fit_length",
    "floored_cells",
    "log_mel",
    "mel_filterbank",
    "mixup",
    "read",
    "resample",
    "spec_augment",
    "stft_power",
    "time_shift",
]
