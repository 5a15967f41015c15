"""From the names of published state dicts to ours: PANNs, and the quaternion networks of QPANN and audio-pruning.

    conv_block1.conv2.weight (O, C, KH, KW)        blocks.0.convs.1.weight (KH, KW, C, O)
    conv_block1.conv2.r_weight ... k_weight        blocks.0.convs.1.weight (4, KH, KW, C, O)
    fc1.weight (O, C)                              embedding.weight (C, O)
    fc1.r_weight ... k_weight (C, O)               embedding.weight (4, C, O)

What a network is made of is read off the shapes of its arrays, so that a pruned one is read like a whole one.

Source: models.py of Q. Kong and others, audioset_tagging_cnn, 2020; QModels.py of Cross-Caps/QPANN, 2024.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CheckpointError, QuatnetError
from ..models import CNNConfig, Network, ResNetConfig, build
from ..models.config import Config
from ..profile import network_cost
from .safetensors import read_safetensors
from .torch_file import read_torch

Arrays = Mapping[str, np.ndarray]
IGNORED = re.compile(r"(spectrogram_extractor|logmel_extractor|spec_augmenter)\.|.*\.num_batches_tracked$")
COMPONENTS = ("r_weight", "i_weight", "j_weight", "k_weight")
FRAMES = 1001  # of 10 s; parameters do not depend on them
NORM = ("weight", "bias", "running_mean", "running_var")


def load_network(path: Path | str) -> Network:
    """Return the network in a PyTorch or `.safetensors` file of PANNs' or QPANN's names, ready to be used.

    Its logits are what goes into their sigmoid. The released pruned networks pad their first convolutions of blocks
    4 to 6 by two pixels instead of one, which nothing in the file tells: their weights are read, padded by one.

    Raises
    ------
    CheckpointError
        The file cannot be read, or an array is missing, unknown or of a shape that does not fit.
    """
    arrays = read_safetensors(path)[0] if Path(path).suffix == ".safetensors" else read_torch(path)
    try:
        return network_of(arrays)
    except QuatnetError as error:
        raise CheckpointError(f"{path}: {error}") from error


def network_of(arrays: Arrays) -> Network:
    """Return the network of a state dict in PANNs' or QPANN's names; CheckpointError where it is none."""
    arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    arrays = {name: array for name, array in arrays.items() if not IGNORED.match(name)}
    sources = dict(_sources(arrays))
    config = _config(arrays, sources)
    if unknown := sorted(name for name in arrays if name.rpartition(".")[0] not in sources.values()):
        raise CheckpointError(f"expected arrays of a PANNs network, got also {', '.join(unknown[:5])}")
    _check_size(config, arrays)
    network = build(config, rng=np.random.default_rng(0))
    network.load_state_dict(dict(_renamed(arrays, sources)))
    return network


def _check_size(config: Config, arrays: Arrays) -> None:
    """Compare numbers before any are drawn: two thin arrays in a small file can ask for a layer of terabytes."""
    needed, held = network_cost(config, FRAMES).parameters, sum(array.size for array in arrays.values())
    if needed > held:
        raise CheckpointError(f"its layers need {needed} numbers, the file holds {held}: their shapes do not fit")


def _sources(arrays: Arrays) -> Iterator[tuple[str, str]]:
    """Yield our name and theirs of every layer."""
    yield from (("input_norm", "bn0"), ("embedding", "fc1"), ("classifier", "fc_audioset"))
    for b, theirs in enumerate(_blocks(arrays)):
        numbers = [n for n in (1, 2) if _has(arrays, f"{theirs}.conv{n}")]
        for n in numbers:
            yield f"blocks.{b}.convs.{n - 1}", f"{theirs}.conv{n}"
            yield f"blocks.{b}.norms.{n - 1}", f"{theirs}.bn{n}"
        for n in (n for n in range(2) if _has(arrays, f"{theirs}.downsample.{n}", of_axes=4)):
            yield f"blocks.{b}.shortcut", f"{theirs}.downsample.{n}"
            yield f"blocks.{b}.shortcut_norm", f"{theirs}.downsample.{n + 1}"


def _blocks(arrays: Arrays) -> list[str]:
    """Return their names of the blocks, in order."""
    stages = [
        f"resnet.layer{stage}.{block}" for stage, count in enumerate(_stages(arrays), 1) for block in range(count)
    ]
    plain = [f"conv_block{n}" for n in range(1, 100) if _has(arrays, f"conv_block{n}.conv1")]
    return plain + stages + (["conv_block_after1"] if stages else [])


def _stages(arrays: Arrays) -> tuple[int, ...]:
    found = {tuple(map(int, m.groups())) for name in arrays if (m := re.match(r"resnet\.layer(\d+)\.(\d+)\.", name))}
    return tuple(sum(stage == n for stage, _ in found) for n in sorted({stage for stage, _ in found}))


def _has(arrays: Arrays, layer: str, *, of_axes: int | None = None) -> bool:
    parts = [arrays[f"{layer}.{part}"] for part in ("weight", *COMPONENTS) if f"{layer}.{part}" in arrays]
    return any(of_axes in (None, part.ndim) for part in parts)


def _config(arrays: Arrays, sources: Mapping[str, str]) -> Config:
    quaternion = any(name.endswith(COMPONENTS[0]) for name in arrays)

    def weight(ours: str) -> np.ndarray:
        return _array(arrays, f"{sources[ours]}.{COMPONENTS[0] if quaternion and ours != 'classifier' else 'weight'}")

    blocks, size = _blocks(arrays), 4 if quaternion else 1
    if not blocks:
        raise CheckpointError("expected arrays named conv_block1.conv1.weight and so on, as in PANNs; found none")
    convs = [[name for name in sources if name.startswith(f"blocks.{b}.convs.")] for b in range(len(blocks))]
    options: dict[str, Any] = {
        "classes": len(weight("classifier")),
        "quaternion": quaternion,
        "widths": tuple(tuple(size * len(weight(name)) for name in block) for block in convs),
        "embedding": size * weight("embedding").shape[1 if quaternion else 0],
        "mels": len(_array(arrays, "bn0.weight")),
        "kernel_size": weight("blocks.0.convs.0").shape[-1],
    }
    if stages := _stages(arrays):
        return ResNetConfig(**options, stages=stages)
    return CNNConfig(**options, last_pool=len(blocks) < 6)  # CNN6 and CNN10 pool after the last of four blocks


def _renamed(arrays: Arrays, sources: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    for ours, theirs in sources.items():
        if ours.endswith("norm") or ".norms." in ours:
            yield from ((f"{ours}.{name}", _array(arrays, f"{theirs}.{name}")) for name in NORM)
            continue
        yield f"{ours}.weight", _weight(arrays, theirs)
        if ours in ("embedding", "classifier"):
            yield f"{ours}.bias", _array(arrays, f"{theirs}.bias")


def _weight(arrays: Arrays, layer: str) -> np.ndarray:
    if f"{layer}.{COMPONENTS[0]}" not in arrays:
        weight = _array(arrays, f"{layer}.weight")
        return weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0)
    parts = np.stack([_array(arrays, f"{layer}.{part}") for part in COMPONENTS])
    return parts if parts.ndim == 3 else parts.transpose(0, 3, 4, 2, 1)


def _array(arrays: Arrays, name: str) -> np.ndarray:
    if name not in arrays:
        raise CheckpointError(f"expected an array {name}, as PANNs' networks have; it is missing")
    return arrays[name]
