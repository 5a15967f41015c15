"""The recipe for the training of a network on a few hundred to a few thousand clips of any length.

Each epoch uses one random window of each clip, in batches of 16, with `default_augmentation` and label smoothing 0.1
(not with several classes per clip). The optimizer is AdamW with weight decay 0.05 and one cycle of the learning rate up
to 0.004. The final weights are an average over about the last 100 steps.
"""

from math import ceil
from typing import Any

import numpy as np
from scipy.special import softmax

from ..autodiff import no_grad
from ..checks import checked_count
from ..datasets.windows import Windows
from ..distill import Loss, binary_cross_entropy_loss, cross_entropy_loss, linear_probe
from ..errors import ConfigError, ShapeError
from ..models import Config, small_cnn
from ..nn import Module
from ..optim import AdamW
from ..threads import single_threaded_blas
from .data import DataLoader, default_augmentation
from .fit import fit
from .progress import Progress
from .weight_average import WeightAverage

WIDTHS = {"small": 16, "medium": 24, "large": 40}  # channels of the first block
MIN_STEPS, MIN_EPOCHS = 5000, 40
LABEL_SMOOTHING, AVERAGE_DECAY = 0.1, 0.99  # the average extends over about 100 steps
INVERSE_PENALTY = 0.1  # of the linear baseline


class WindowLoader(DataLoader):
    """Batches of one random window of each clip, with the targets (clips, classes) of the clips."""

    items = "windows"

    def __init__(self, windows: Windows, targets: np.ndarray, **options: Any) -> None:
        super().__init__(windows.features, np.repeat(targets, windows.counts, axis=0), **options)
        self.windows = windows

    @property
    def num_clips(self) -> int:
        """Number of clips in an epoch, each with one window."""
        return len(self.windows.counts)

    def batch_indices(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Return the indices of the windows of each batch of an epoch."""
        chosen = self.windows.starts + rng.integers(self.windows.counts)
        return [chosen[clips] for clips in super().batch_indices(rng)]


def default_epochs(clips: int, *, batch_size: int = 16) -> int:
    """Return the recommended number of epochs: at least 40 epochs, and at least 5000 steps."""
    steps = ceil(checked_count("clips", clips) / checked_count("batch_size", batch_size))
    return max(MIN_EPOCHS, ceil(MIN_STEPS / steps))


def network_config(classes: int, *, size: str = "small", quaternion: bool = True) -> Config:
    """Return the config of `models.small_cnn` by size. Raises ConfigError unless the size is a key of `WIDTHS`."""
    if size not in WIDTHS:
        raise ConfigError(f"expected a size among {', '.join(WIDTHS)}, got {size!r}")
    return small_cnn(classes, quaternion=quaternion, width=WIDTHS[size])


def train(
    model: Module,
    windows: Windows,
    targets: np.ndarray,
    *,
    epochs: int,
    multi_label: bool = False,
    loss: Loss | None = None,
    max_lr: float = 4e-3,
    batch_size: int = 16,
    seed: int = 0,
    **options: Any,
) -> Progress:
    """Train `model` on clips with the recipe of this module, and set its weights to their average.

    Parameters
    ----------
    model : network, changed by the training
    windows : windows of N clips
    targets : 0 or 1 for each clip and class, (N, classes)
    epochs : number of epochs, such as `default_epochs(N)`
    multi_label : whether a clip has any number of classes. The default loss is then the binary cross entropy
    loss : function of (logits, targets, x), by default a cross entropy
    max_lr, batch_size, seed : largest learning rate, clips in a batch, seed of all random numbers
    options : further arguments of `fit`, such as `checkpoint` and `resume`

    Raises
    ------
    ShapeError, ConfigError, CheckpointError, NonFiniteError, TrainingStopped
        See `fit`.

    Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """
    _check_targets(targets, windows)
    soft = targets if multi_label else targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
    loader = WindowLoader(windows, soft.astype(np.float32), batch_size=batch_size, augment=default_augmentation(epochs))
    average = WeightAverage(AdamW(model.parameters(), weight_decay=0.05), decay=AVERAGE_DECAY)
    progress = fit(
        model,
        loader,
        epochs=epochs,
        optimizer=average,
        max_lr=max_lr,
        loss=loss or (binary_cross_entropy_loss if multi_label else cross_entropy_loss),
        seed=seed,
        **options,
    )
    average.copy_to_parameters()
    rng = np.random.default_rng([seed, 3])
    with no_grad(), single_threaded_blas():  # update the running statistics for the averaged weights
        for x, _ in loader(rng):
            model(x, train=True, rng=rng)
    return progress


def linear_baseline(train: Windows, targets: np.ndarray, test: Windows, *, multi_label: bool = False) -> np.ndarray:
    """Return the probabilities (test clips, classes) of a logistic regression on time averages.

    The inputs are the mean and the standard deviation over time of each mel bin of the log-mel spectrogram, averaged
    over the windows of a clip. `targets` (training clips, classes) are the targets of `train`.
    """
    _check_targets(targets, train)
    inputs, test_inputs = _time_statistics(train), _time_statistics(test)
    if not multi_label:
        probe = linear_probe(inputs, targets.argmax(axis=1), targets.shape[1], inverse_penalty=INVERSE_PENALTY)
        return softmax(probe(test_inputs), axis=1)
    probes = [linear_probe(inputs, column.astype(int), 2, inverse_penalty=INVERSE_PENALTY) for column in targets.T]
    return np.stack([softmax(probe(test_inputs), axis=1)[:, 1] for probe in probes], axis=1)


def _check_targets(targets: np.ndarray, windows: Windows) -> None:
    if np.ndim(targets) != 2 or len(targets) != len(windows.counts):
        expected = f"expected targets ({len(windows.counts)}, classes), one row for each clip"
        raise ShapeError(f"{expected}, got {np.shape(targets)}; datasets.one_hot converts labels")


def _time_statistics(windows: Windows) -> np.ndarray:
    levels = np.asarray(windows.features[..., 0])
    return windows.mean(np.concatenate([levels.mean(axis=1), levels.std(axis=1)], axis=1))
