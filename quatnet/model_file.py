"""Model files: network, front end, class names and a test waveform in one `.npz` file, without pickle."""

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .audio import FrontEnd
from .autodiff import no_grad
from .backend import asnumpy
from .checks import checked_path
from .errors import CheckpointError, ConfigError, QuatnetError
from .graph import Graph, GraphModule
from .graph.files import UnknownOp, from_json, to_json
from .npz import parse_json, read_npz, write_npz

FORMAT, VERSION = "quatnet model", 1
PACKAGED = Path(__file__).parent / "packaged"  # folder of the models of the package
NAMES = ("esc50", "esc50-small", "esc50-pruned")  # esc50-pruned has less than 100 kB
EXPECTED = "expected a model file that quatnet train or Classifier.save has written, or " + ", ".join(NAMES)
FIXED_KEYS = {"channel": "mean", "resampler": "scipy.signal.resample_poly"}  # for other readers of the file


def model_path(path: Any) -> Any:
    """Return the path of a packaged model if `path` is one of `NAMES`, that of esc50 for None, else `path`.

    A file with one of these names in the current folder needs another form of the path, such as ./esc50.
    """
    path = NAMES[0] if path is None else path
    return PACKAGED / f"{path}.npz" if isinstance(path, str) and path in NAMES else path


def write_model(
    path: str | os.PathLike,
    graph: Graph,
    frontend: FrontEnd,
    settings: Mapping[str, Any],
    *,
    overwrite: bool,
    float16: bool,
) -> None:
    """Write a network, its front end and the settings of a classifier. See `Classifier.save`."""
    if checked_path(path).exists() and not overwrite:
        raise ConfigError(f"{path} exists; choose another path, or overwrite it with overwrite=True or --overwrite")
    weights = [name for name, kind in graph.kinds.items() if float16 and kind in ("parameter", "fixed")]
    small = {name: graph.arrays[name].astype(np.float16) for name in weights}
    graph = replace(graph, arrays=graph.arrays | {key: array.astype(np.float32) for key, array in small.items()})
    arrays: dict[str, Any] = {f"array/{key}": asnumpy(array) for key, array in (graph.arrays | small).items()}
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, -(-frontend.sample_rate_hz // 10)).astype(np.float16)
    logits = asnumpy(run(GraphModule(graph), _test_features(frontend, waveform)).data)
    try:
        versions = {"quatnet": __version__, "numpy": np.__version__, "python": platform.python_version()}
        header = {"format": f"{FORMAT} {VERSION}", **FIXED_KEYS, **settings}
        header["metadata"] = settings["metadata"] | {"versions": versions}
        header |= {"frontend": frontend.settings, "graph": to_json(graph)}
        parse_json(text := json.dumps(header, allow_nan=False))  # raises ValueError for repeated keys
        arrays["model"] = np.frombuffer(text.encode(), np.uint8)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"metadata: expected JSON values, such as text and finite numbers: {error}") from error
    write_npz(path, arrays | {"test/waveform": waveform, "test/logits": logits})


def read_model(path: str | os.PathLike, build: Callable[..., Any], *, check: bool) -> Any:
    """Return build(network, frontend, classes, **settings) for the contents of a model file. See `Classifier.load`."""
    if not os.path.exists(checked_path(path)):  # `Path.exists` raises an error for some paths
        if isinstance(path, Path) and path.parent == PACKAGED:
            raise CheckpointError(f"this installation has no file {path}; give another model file")
        raise CheckpointError(f"there is no file {path}; {EXPECTED}")
    arrays = read_npz(path, hint=f"; {EXPECTED}")
    header = _read_header(path, arrays)
    try:
        frontend, network = _read_frontend(header.pop("frontend")), _read_network(header.pop("graph"), arrays)
        settings = {key: header[key] for key in header if key not in ("format", *FIXED_KEYS)}
        model = build(network, frontend, settings.pop("classes"), **settings)
        difference = _difference(model, frontend, arrays) if check else 0.0
    except UnknownOp as error:
        raise CheckpointError(f"{path}: {error}; the command line has only the ops of quatnet") from error
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, QuatnetError) as error:
        raise CheckpointError(f"{path} is damaged: {type(error).__name__}: {error!s:.500}") from error
    if not difference <= 1e-3:
        raise CheckpointError(f"{path}: the logits of the test waveform differ by {difference:.2g} of the largest")
    return model


def _read_header(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    for key, kind in (("header", "a checkpoint of training"), ("graph", "a network without front end and classes")):
        if key in arrays and "model" not in arrays:
            raise CheckpointError(f"{path} is {kind}; {EXPECTED}")
    try:
        header = parse_json(arrays["model"].tobytes().decode())
        name, _, version = header["format"].rpartition(" ")
        if name != FORMAT:
            raise ValueError(f"expected the format {FORMAT}, got {name!r:.80}")
        newer = int(version) > VERSION
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a model file of quatnet; {EXPECTED}") from error
    if newer:
        raise CheckpointError(f"{path} has version {version}, expected up to {VERSION}; install a newer quatnet")
    return header


def _read_frontend(settings: Mapping[str, Any]) -> FrontEnd:
    settings = dict(settings)
    if (kind := settings.pop("class")) != "FrontEnd":
        raise ValueError(f"expected the front end FrontEnd, got {kind!r:.80}")
    return FrontEnd(**settings)


def _read_network(graph: Any, arrays: Mapping[str, np.ndarray]) -> GraphModule:
    named = {name.removeprefix("array/"): array for name, array in arrays.items() if name.startswith("array/")}
    rounded = {name: array.astype(np.float32) for name, array in named.items() if array.dtype == np.float16}
    return GraphModule(from_json(graph, named | rounded))


def _difference(model: Any, frontend: FrontEnd, arrays: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference of the logits of the test waveform, relative to the largest logit."""
    expected, logits = arrays["test/logits"], model.logits(_test_features(frontend, arrays["test/waveform"]))
    return float(np.abs(logits - expected).max() / max(1.0, np.abs(expected).max()))


def _test_features(frontend: FrontEnd, waveform: np.ndarray) -> np.ndarray:
    clip = np.resize(waveform.astype(np.float32), frontend.samples)
    return frontend(clip, frontend.sample_rate_hz)[None]


def run(network: Callable[..., Any], features: np.ndarray) -> Any:
    """Return network(features), computed without gradient."""
    with no_grad():
        return network(features)
