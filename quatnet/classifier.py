"""Classifier of recordings: network, front end and class names."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from .audio import FrontEnd, Stream
from .audio.frontend import check_frontend
from .audio.stream import sliding_windows
from .audio.waveform import fix_length, resample
from .backend import asnumpy, on_gpu
from .checks import as_array, checked_count, checked_number, checked_type
from .errors import ConfigError, DataError, NonFiniteError, ShapeError
from .graph import Batch, Graph, GraphModule, Node, Ref, compile, to_onnx, trace
from .graph.module import format_shape
from .model_file import model_path, read_model, run, write_model

DIGESTS = "training_digests"  # key of the metadata with a digest of each training clip
ARITHMETIC = {"add", "mul", "truediv"}  # operations that are no layers, also with an array of two axes
PADDING: dict[str, Callable] = {"zeros": fix_length, "repeat": np.resize}
BATCH = 8  # number of windows that are computed at once
Windows = Iterator[tuple[np.ndarray, np.ndarray]]


class Classifier:
    """Network with its front end and class names, which classifies recordings of any length.

    A short recording is padded to one window of `frontend.clip_seconds`. A longer recording is divided into windows,
    the last of which ends with the recording.

    Parameters
    ----------
    network : module, `Graph` or `GraphModule` that maps features (N, frames, mels, 4) to logits (N, classes)
    frontend : front end of the training clips
    classes : names of the classes, in the order of the logits
    multi_label : whether a window can have several classes. The confidences are then sigmoids instead of a softmax
    temperature : divisor of the logits, fitted on clips that were not used for training
    thresholds : confidence from which a class is detected, for each class that differs from 0.5
    background : classes that are never detected, such as noise
    padding : "zeros" at the end of a short recording, or "repeat" for its repetition
    metadata : JSON values such as data, split, accuracy, seed, license and data_sources. Saving adds the versions

    Raises
    ------
    ConfigError
        The network does not map the features of the front end to one logit per class, or was trained on features of
        another front end, or a value is invalid.

    >>> from quatnet import models
    >>> frontend = FrontEnd(sample_rate_hz=8000, high_hz=4000.0, window=256, mels=16, clip_seconds=1.0)
    >>> config = models.CNNConfig(2, True, ((4,), (8,)), embedding=8, mels=16)
    >>> classifier = Classifier(models.build(config, rng=np.random.default_rng(0)), frontend, ["cat", "dog"])
    >>> classifier.predict(np.zeros(12000, np.float32), 8000).shape
    (2,)
    """

    def __init__(
        self,
        network: Graph | GraphModule | Callable[..., Any],
        frontend: FrontEnd,
        classes: Sequence[str],
        *,
        multi_label: bool = False,
        temperature: float = 1.0,
        thresholds: Mapping[str, float] | None = None,
        background: Sequence[str] = (),
        padding: str = "zeros",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        if type(frontend) is not FrontEnd:
            raise ConfigError(f"expected a FrontEnd, got {type(frontend).__name__}, which cannot be saved")
        for name, value in {"thresholds": thresholds, "metadata": metadata}.items():
            if not isinstance(value, Mapping | None):
                raise ConfigError(f"expected a dict as {name}, got {value!r:.80}")
        self.frontend, self.multi_label, self.classes = frontend, bool(multi_label), _names("classes", classes)
        traced = isinstance(network, Graph | GraphModule)
        shape = 1, frontend.frames, frontend.mels, 4
        # not 0, so that values that Python code reads differ in the runs of `trace`
        example = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        graph: Any = network if traced else trace(network, example)  # type: ignore[arg-type]
        check_frontend(graph if traced else getattr(network, "__self__", network), frontend.settings)
        self.network = graph if isinstance(graph, GraphModule) else GraphModule(graph)
        self.network.frontend_settings = frontend.settings
        self.temperature, self.thresholds, self.padding = temperature, dict(thresholds or {}), padding
        self.background, self.metadata = _names("background", background), dict(metadata or {})
        self._check_settings()
        self._compiled = self.network if on_gpu() else compile(self.network)

    def _check_settings(self) -> None:
        """Convert the settings, which may have been changed, and raise ConfigError if one is invalid."""
        self.temperature = checked_number("temperature", self.temperature, "(0, inf)")
        self.classes = names = _names("classes", self.classes)
        self.background = _names("background", () if self.background is None else self.background)
        self.thresholds = dict(self.thresholds or {})
        if not names or len(set(names)) < len(names) or not all(names):
            raise ConfigError(f"expected different, nonempty names of classes, got {names!r:.200}")
        if unknown := sorted({*self.thresholds, *self.background} - set(names)):
            raise ConfigError(f"thresholds and background: {unknown[0]!r} is not a class; expected {', '.join(names)}")
        thresholds = self.thresholds.items()
        self.thresholds = {key: checked_number(f"the threshold of {key}", value, "[0, 1]") for key, value in thresholds}
        if self.padding not in [*PADDING]:
            raise ConfigError(f"expected the padding {' or '.join(PADDING)}, got {self.padding!r}")
        self._check_shapes()

    def _check_shapes(self) -> None:
        graph = self.network.graph
        shape = (Batch(), self.frontend.frames, self.frontend.mels, 4)
        if list(graph.inputs.values()) != [shape]:
            found = ", ".join(map(format_shape, graph.inputs.values()))
            raise ConfigError(f"expected a network for features {format_shape(shape)} of the front end, got {found}")
        if not isinstance(graph.outputs, Ref) or graph.shape(graph.outputs.name) != (Batch(), len(self.classes)):
            found = format_shape(graph.shape(graph.outputs.name)) if isinstance(graph.outputs, Ref) else "several"
            raise ConfigError(f"expected logits (N, {len(self.classes)}) for {len(self.classes)} classes, got {found}")

    def __repr__(self) -> str:
        return f"Classifier({len(self.classes)} classes, {self.frontend})"

    def predict(self, waveform: np.ndarray, sample_rate_hz: int, *, hop_seconds: float | None = None) -> np.ndarray:
        """Return the confidences (classes,) of a recording, the mean over its windows.

        Parameters
        ----------
        waveform : float array (samples,) in [-1, 1], of any length
        sample_rate_hz : sample rate of `waveform` in Hz
        hop_seconds : seconds from the start of a window to that of the next one, by default the length of a window

        Raises
        ------
        ShapeError, DataError, ConfigError
            See `FrontEnd.__call__`. ConfigError is also raised for a `hop_seconds` below one sample or above a window.
        """
        blocks = self._resampled(waveform, sample_rate_hz)
        return mean_over_windows(self.windows(blocks, hop_seconds=hop_seconds))[0]

    def predict_file(
        self, path: str | os.PathLike, *, hop_seconds: float | None = None, channel: str | int = "mean"
    ) -> np.ndarray:
        """Return the confidences (classes,) of an audio file, the mean over its windows; see `predict`.

        The file is read block by block, so a recording of a day needs as much memory as a recording of a minute.
        `channel` is "mean" or the number of a channel. Raises DataError for a file that cannot be read, as `audio.read`
        does.
        """
        stream = self.stream(path, channel=channel)
        return mean_over_windows(self.windows(stream, hop_seconds=hop_seconds))[0]

    def embed(self, waveform: np.ndarray, sample_rate_hz: int, *, hop_seconds: float | None = None) -> np.ndarray:
        """Return the embedding (channels,) of a recording, the input of the last layer, as the mean over its windows.

        The arguments are those of `predict`. Raises ConfigError also if the network has no layer before the last one.
        """
        blocks = self._resampled(waveform, sample_rate_hz)
        return mean_over_windows(self.embedding_windows(blocks, hop_seconds=hop_seconds))[0]

    def _resampled(self, waveform: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
        rate = checked_count("sample_rate_hz", sample_rate_hz)
        return [resample(waveform, rate, self.frontend.sample_rate_hz)]

    def stream(self, path: str | os.PathLike, *, channel: str | int = "mean") -> Stream:
        """Return the blocks of an audio file at the sample rate of the front end, see `windows`."""
        return Stream(path, self.frontend.sample_rate_hz, channel=channel)

    def windows(self, blocks: Iterable[np.ndarray], *, hop_seconds: float | None = None) -> Windows:
        """Yield the starts (n,) of windows and their confidences (n, classes), in batches of 8 windows.

        Parameters
        ----------
        blocks : parts of a waveform at the sample rate of the front end, such as a `Stream`. The starts are in samples
        hop_seconds : see `predict`

        Raises ShapeError for a block that is no float array (samples,).
        """
        return self._windows(blocks, hop_seconds, lambda features: self.confidences(self.logits(features)))

    def embedding_windows(self, blocks: Iterable[np.ndarray], *, hop_seconds: float | None = None) -> Windows:
        """Yield the starts (n,) of windows and their embeddings (n, channels), batch by batch; see `windows`."""
        graph = self.network.graph
        matrices = {name for name, array in graph.arrays.items() if array.ndim > 1}
        layers = [node for node in graph.nodes if node.op not in ARITHMETIC]
        last = [node for node in layers if matrices.intersection(node.refs())][-1:]
        values = [name for node in last for name in node.refs() if name not in {*graph.arrays, *graph.inputs}]
        if not values:
            raise ConfigError("expected a network with a layer before its last layer, which computes the embedding")
        module = self.network.with_features(values[0])
        network = module if on_gpu() else compile(module)

        def embeddings(features: np.ndarray) -> np.ndarray:
            return asnumpy(run(network, features)[1].data).reshape(len(features), -1)

        return self._windows(blocks, hop_seconds, embeddings)

    def _windows(self, blocks: Iterable, hop_seconds: float | None, outputs: Callable) -> Windows:
        window, rate = self.frontend.samples, self.frontend.sample_rate_hz
        hop = window if hop_seconds is None else checked_number("hop_seconds", hop_seconds, "(0, inf)") * rate
        hop = round(min(hop, window + 1))
        if not 1 <= hop <= window:
            limits = f"up to the window of {self.frontend.clip_seconds} s, and of at least one sample, 1/{rate} s"
            raise ConfigError(f"expected a hop {limits}, got {hop_seconds} s")
        windows = sliding_windows(map(_float_block, blocks), window, hop)
        while batch := list(islice(windows, BATCH)):
            clips = [PADDING[self.padding](samples, window) for _, samples in batch]
            features = np.stack([self.frontend(clip, rate) for clip in clips])
            yield np.array([start for start, _ in batch]), outputs(features)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of features (N, frames, mels, 4)."""
        return asnumpy(run(self._compiled, features).data)

    def confidences(self, logits: np.ndarray) -> np.ndarray:
        """Return the confidences (N, classes): softmax, or sigmoid with `multi_label`, of logits / temperature.

        Raises ShapeError for another shape, and NonFiniteError if a confidence is not defined.
        """
        logits = as_array(logits, np)
        if logits.ndim != 2 or logits.shape[1] != len(self.classes):
            raise ShapeError(f"expected logits (N, {len(self.classes)}), got shape {logits.shape}")
        with np.errstate(all="ignore"):
            scaled = logits / np.float32(self.temperature)
            if self.multi_label:
                confidences = 0.5 + 0.5 * np.tanh(0.5 * scaled)
            else:
                exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
                confidences = exponentials / exponentials.sum(axis=1, keepdims=True)
        if np.isnan(confidences).any():
            raise NonFiniteError("the confidences are NaN; check the weights and the temperature of the model")
        return confidences

    def save(self, path: str | os.PathLike, *, overwrite: bool = False, float16: bool = False) -> None:
        """Write the classifier to one `.npz` file, without pickle.

        The file also has a test waveform with its logits, see `load`. With `float16`, the weights are rounded to half
        precision and need half the space. Buffers, such as running statistics, keep their precision.

        Raises
        ------
        ConfigError
            The file exists, and `overwrite` is false, or an attribute, such as a threshold or the metadata, is invalid.
        DataError
            The file cannot be written. No part of it is left.
        CheckpointError
            An array contains NaN or infinity.
        """
        self._check_settings()
        keys = ("classes", "multi_label", "temperature", "thresholds", "background", "padding", "metadata")
        settings = {key: getattr(self, key) for key in keys}
        network = self.network.current_graph()
        write_model(path, network, self.frontend, settings, overwrite=overwrite, float16=float16)

    def to_onnx(self, path: str | os.PathLike) -> None:
        """Write an ONNX file that maps waveforms (N, frontend.samples) to the confidences (N, classes) of one window.

        The metadata of the file are the classes, the sample rate, the window length, and as JSON the other attributes
        and the license and sources of the data. Raises ConfigError and MissingPackageError as `graph.to_onnx` does.
        """
        graph, ref, name = self.network.current_graph(), self.network.graph.outputs, "logits / temperature"
        if self.temperature != 1.0:
            scaled = Node(name, "mul", {"self": ref, "other": 1 / self.temperature}, graph.shape(ref.name))
            graph = replace(graph, nodes=[*graph.nodes, scaled], outputs=Ref(name))
        activation = "sigmoid" if self.multi_label else "softmax"
        metadata = {key: getattr(self, key) for key in ("multi_label", "thresholds", "background", "padding")}
        metadata |= {key: self.metadata[key] for key in ("license", "data_sources") if key in self.metadata}
        options: Any = {"classes": self.classes, "metadata": metadata, "activation": activation}
        to_onnx(graph, path, frontend=self.frontend, **options)

    @classmethod
    def load(cls, path: str | os.PathLike | None = None, *, check: bool = False) -> "Classifier":
        """Return the classifier of a file.

        `path` may also be the name of a packaged model: "esc50" (default), "esc50-small" or "esc50-pruned", see
        `quatnet/packaged/MODEL_CARD.md`.

        With `check`, the logits of the test waveform of the file are computed and compared with those of the machine
        that wrote the file.

        Raises
        ------
        CheckpointError
            The file is missing, damaged, no model file, or of a newer version of quatnet, or the check fails.
        """
        return read_model(model_path(path), cls, check=check)


def _float_block(block: Any) -> np.ndarray:
    if np.ndim(block) != 1 or not np.issubdtype(getattr(block, "dtype", int), np.floating):
        raise ShapeError(f"expected float blocks (samples,) of a waveform, such as a Stream, got {block!r:.80}")
    return block


def _names(argument: str, value: Any) -> tuple[str, ...]:
    names = (None,) if isinstance(value, str) else tuple(checked_type(argument, value, Iterable))
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"expected a list of names as {argument}, got {value!r:.80}")
    return names


def mean_over_windows(windows: Windows) -> tuple[np.ndarray, int]:
    """Return the mean of the values of all windows, and the number of windows. Raises DataError without windows."""
    sums = [(len(starts), values.sum(axis=0, dtype=float)) for starts, values in windows]
    count = sum(number for number, _ in sums)
    if not count:
        raise DataError("expected a waveform, got no samples")
    return (sum(total for _, total in sums) / count).astype(np.float32), count
