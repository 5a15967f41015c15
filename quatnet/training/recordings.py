"""Training of a classifier on a data set of recordings, with its evaluation on the clips of one fold."""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from ..audio import FrontEnd
from ..checks import checked_number, checked_path, checked_type
from ..classifier import DIGESTS, Classifier
from ..datasets import Clip, Dataset
from ..datasets.parallel import map_on_cpu
from ..datasets.records import digest, listed
from ..datasets.windows import Windows, windows
from ..errors import CheckpointError
from ..files import disk_errors
from ..graph import Compiled, compile
from ..nn import Module
from ..processes import RANK, barrier
from .data import predict
from .metrics import accuracy, average_precision, mean_over_classes
from .recipe import default_epochs, train
from .results import Row, cost_row

KEPT_METADATA = ("license", "data_sources")  # of the model that is pruned or distilled
MIN_FRAMES = 16  # of a network of `recipe.network_config`, which has four pooling layers


@dataclass(frozen=True)
class Split:
    """Training clips and test clips of a data set, as features of one front end.

    The clips of `fold` are the test clips. The targets have the shape (clips, classes), with values 0 and 1.
    """

    data: Dataset
    fold: int
    frontend: FrontEnd
    train: Windows
    test: Windows
    train_targets: np.ndarray
    test_targets: np.ndarray

    @property
    def multi_label(self) -> bool:
        """Whether a clip has any number of classes."""
        return self.data.is_multilabel

    @property
    def metric(self) -> str:
        """Name of the result: accuracy, or mean average precision (mAP) with several classes per clip."""
        return "mAP" if self.multi_label else "accuracy"

    def probabilities(self, model: Module | Compiled) -> np.ndarray:
        """Return the probabilities (clips, classes) of the test clips, the mean over the windows of a clip.

        The probabilities of a window are the softmax of the logits, or the sigmoid with several classes per clip.
        """
        logits = predict(model if isinstance(model, Compiled) else compile(model), self.test.features)
        return self.test.mean(expit(logits) if self.multi_label else softmax(logits, axis=1))

    def score(self, probabilities: np.ndarray) -> float:
        """Return the accuracy, or the mAP, on the test clips."""
        if self.multi_label:
            return mean_over_classes(average_precision(probabilities, self.test_targets))
        return accuracy(probabilities, self.test_targets.argmax(axis=1))


def default_frontend(clips: Sequence[Clip], clip_seconds: float) -> FrontEnd:
    """Return a front end for windows of `clip_seconds`, with about 100 frames in a window of 0.5 to 4 s.

    The sample rate is that of most clips, the higher of two equally frequent ones, at most 32 kHz. The hop length is 5
    ms to 40 ms, and less in a window below 75 ms, so that `MIN_FRAMES` frames remain. The window of the STFT is 32 ms
    long, or 96 samples below 3 kHz, so that each of the 64 mel filters contains a bin. The highest frequency is 7/16 of
    the sample rate. Raises ConfigError for windows of at most half the window of the STFT.
    """
    clip_seconds = checked_number("clip_seconds", clip_seconds, "(0, inf)")
    rates = [checked_type("clip", clip, Clip).rate_hz or 32000 for clip in checked_type("clips", clips, Sequence)]
    rate = min(32000, max(set(rates), key=lambda rate: (rates.count(rate), rate), default=32000))
    hop = min(round(rate * min(0.04, max(0.005, clip_seconds / 100))), round(rate * clip_seconds) // (MIN_FRAMES - 1))
    window = max(2 * round(rate * 0.016), 96)
    return FrontEnd(rate, window, max(hop, 1), high_hz=rate * 7 / 16, clip_seconds=clip_seconds, floor_db=-60.0)


def load_split(data: Dataset, fold: int, frontend: FrontEnd, *, cache: str | os.PathLike) -> Split:
    """Return the features of the training clips and of the test clips, which are the clips of `fold`.

    The training windows of a long clip overlap by half, the test windows do not, see `datasets.windows`. The features
    are cached in the folder `cache`. Raises DataError as `Dataset.split` and `datasets.features` do.
    """
    checked_type("frontend", frontend, FrontEnd)
    train_clips, test_clips = checked_type("data", data, Dataset).split(fold)
    train = windows(train_clips, frontend, cache=cache, overlap=0.5)
    test = windows(test_clips, frontend, cache=cache)
    return Split(data, fold, frontend, train, test, data.targets[data.folds != fold], data.targets[data.folds == fold])


def train_classifier(
    network: Any,
    split: Split,
    path: str | os.PathLike,
    *,
    resume: bool = False,
    overwrite: bool = False,
    epochs: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
    base: Classifier | None = None,
    finish: Callable[[Row], None] | None = None,
    **options: Any,
) -> tuple[Classifier, Row]:
    """Train a network on the training clips of `split`, write the classifier to `path`, and return it with its result.

    The state of the training is in the file `checkpoint_path(path)`, which is removed at the end. With several
    processes, process 0 writes.

    Parameters
    ----------
    network : network with one logit for each class, changed by the training
    split : clips of the training and of the test
    path : model file
    resume : whether to continue an interrupted training
    overwrite : whether to replace a finished model, or to discard an interrupted training
    epochs : number of epochs, by default `default_epochs`
    batch_size, seed, options : arguments of `recipe.train`
    base : model from which the network was made. Its training clips, license and data sources are also stored in the
        metadata, and its background classes remain, as far as `split` has these classes. Its temperature and thresholds
        do not apply to the new logits
    finish : function of the result, called before the state of the training is removed, so that `resume` calls it
        again if it was interrupted

    Returns
    -------
    classifier, and a dict with the name, the metric, the costs and the training history, as in `result_row`

    Raises
    ------
    CheckpointError
        The file or its checkpoint exists, see `check_files`.
    DataError
        A file cannot be written.
    """
    path, checkpoint = checked_path(path), checkpoint_path(path)
    check_files(path, resume=resume, overwrite=overwrite)
    barrier()  # all processes have checked the files
    if not (resume or RANK):
        checkpoint.unlink(missing_ok=True)
    clips = len(split.train_targets)
    epochs = default_epochs(clips, batch_size=batch_size) if epochs is None else epochs
    digests = training_digests(base) | _checked_digests(*split.data.split(split.fold)) if not RANK else set()
    num_parameters = sum(tensor.size for tensor in network.parameters())
    run: dict[str, Any] = {"data": split.data.name, "fold": split.fold, "seed": seed, "training_clips": clips}
    recordings = f"digest {_inputs_digest(split, base)} of paths, times, labels and split"
    inputs = {"batch_size": batch_size, "recordings": recordings, "parameters": num_parameters}
    background = [name for name in base.background if name in split.data.classes] if base else []
    compiled = compile(network)
    progress = train(
        network,
        split.train,
        split.train_targets,
        multi_label=split.multi_label,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        metric=split.metric,
        evaluate=lambda _: split.score(split.probabilities(compiled)),
        checkpoint=checkpoint,
        resume=resume,
        metadata=run | inputs | {"frontend": repr(split.frontend), "classes": split.data.classes},
        **options,
    )
    score = split.score(split.probabilities(compiled))
    run |= {"epochs": epochs, "test_clips": len(split.test_targets), split.metric: score, DIGESTS: sorted(digests)}
    kept = {key: base.metadata[key] for key in KEPT_METADATA if key in base.metadata} if base else {}
    settings: Any = {"multi_label": split.multi_label, "background": background, "metadata": kept | run}
    classifier = Classifier(network, split.frontend, split.data.classes, **settings)
    if not RANK:
        classifier.save(path, overwrite=overwrite or resume)
    row = {"name": path.stem, split.metric: score} | cost_row(network, split.test.features[0], progress)
    if finish:
        finish(row)
    if not RANK:
        with disk_errors(path):
            checkpoint.unlink()
    return classifier, row


def _inputs_digest(split: Split, base: Classifier | None) -> str:
    """Return a digest of the clips, their classes and the split, and of the arrays of `base`."""
    clips = [(clip.key, clip.labels, clip.fold == split.fold) for clip in split.data.clips]
    digest = hashlib.sha256(repr(clips).encode())
    for array in base.network.state_dict().values() if base else ():
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


def clip_digests(clips: Sequence[Clip]) -> list[str]:
    """Return a digest of the samples of each clip. Raises DataError if a clip cannot be read."""
    return list(map_on_cpu(digest, clips))


def _checked_digests(training_clips: Sequence[Clip], test_clips: Sequence[Clip]) -> set[str]:
    """Return the digests of the training clips. Warns of test clips with the same samples, as in converted files."""
    digests = set(clip_digests(training_clips))
    tested = zip(test_clips, clip_digests(test_clips), strict=True)
    if copies := [clip.name for clip, digest in tested if digest in digests]:
        warnings.warn(
            f"{len(copies)} of {len(test_clips)} test clips have the samples of training clips, so the results are too "
            f"good: {listed(copies)}; remove the copies, or keep them together by --group",
            stacklevel=3,
        )
    return digests


def training_digests(model: Classifier | None) -> set[str]:
    """Return the digests of the training clips of a model, as far as they are recorded in its metadata."""
    digests = model.metadata.get(DIGESTS) if model else None
    return set(map(str, digests)) if isinstance(digests, list) else set()


def checkpoint_path(path: str | os.PathLike) -> Path:
    """Return the file of the state of the training of the model file `path`."""
    return Path(f"{checked_path(path)}.checkpoint")


def check_files(path: str | os.PathLike, *, resume: bool, overwrite: bool) -> None:
    """Create the folder of the model `path`.

    Raises CheckpointError if the model exists and must not be replaced, or has an interrupted training. Raises
    DataError if the folder cannot be written.
    """
    path, is_interrupted = checked_path(path), checkpoint_path(path).exists()
    if path.is_dir():
        raise CheckpointError(f"expected a model file to write, such as {path / 'model.npz'}, got the folder {path}")
    if path.exists() and not (overwrite or is_interrupted):
        raise CheckpointError(f"{path} exists, its training is finished; choose another path, or give --overwrite")
    if is_interrupted and not (resume or overwrite):
        raise CheckpointError(
            f"{checkpoint_path(path)} is an interrupted training; give --resume to continue it, or --overwrite"
        )
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path.parent).close()
