"""Audio processing on NumPy arrays: reading, resampling, log-mel front end and data augmentation.

`read` loads a file. A `FrontEnd` computes quaternion features from the waveform. `spec_augment`, `mixup` and
`time_shift` augment training batches. All functions run on the CPU, also if the network runs on a GPU.
"""

from .augment import mixup, spec_augment, time_shift
from .components import floored_cell_fractions
from .frontend import FrontEnd
from .read import read
from .spectrogram import deltas, log_mel, mel_filterbank, stft_power
from .stream import Stream
from .waveform import fix_length, resample

__all__ = [
    "FrontEnd", "Stream", "deltas", "fix_length", "floored_cell_fractions", "log_mel", "mel_filterbank", "mixup",
    "read", "resample", "spec_augment", "stft_power", "time_shift",
]  # fmt: skip
