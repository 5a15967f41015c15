"""Conversion of the state dicts of PANNs, QPANN and audio-pruning to networks.

    published name and shape                       name and shape in quatnet
    conv_block1.conv2.weight (O, C, KH, KW)        blocks.0.convs.1.weight (KH, KW, C, O)
    conv_block1.conv2.r_weight ... k_weight        blocks.0.convs.1.weight (4, KH, KW, C, O)
    fc1.weight (O, C)                              embedding.weight (C, O)
    fc1.r_weight ... k_weight (C, O)               embedding.weight (4, C, O)

O and C are the numbers of output and input channels, KH and KW the height and width of the kernel. The config of the
network is inferred from the shapes of the arrays, so pruned networks are supported.

Source: models.py of Q. Kong and others, audioset_tagging_cnn, 2020. QModels.py of Cross-Caps/QPANN, 2024.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from ..checks import checked_path
from ..errors import CheckpointError, QuatnetError
from ..models import CNNConfig, Network, ResNetConfig, build
from ..models.build import check_size
from ..models.config import Config
from .safetensors import read_safetensors
from .torch_file import read_torch

Arrays = Mapping[str, np.ndarray]
IGNORED = re.compile(r"(spectrogram_extractor|logmel_extractor|spec_augmenter)\.|.*\.num_batches_tracked$")
COMPONENTS = ("r_weight", "i_weight", "j_weight", "k_weight")
NORM_PARAMETERS = ("weight", "bias", "running_mean", "running_var")


def load_network(path: str | os.PathLike) -> Network:
    """Return the network in a PyTorch or `.safetensors` file with the parameter names of PANNs or QPANN.

    The outputs of the network are logits, without the final sigmoid of PANNs. The released pruned networks pad the
    input of the first convolution of blocks 4 to 6 by two pixels. The padding is not stored in the file. The returned
    network pads by one pixel, so its logits differ from the logits of the released pruned network.

    Raises
    ------
    CheckpointError
        The file cannot be read, or an array is missing, is unknown, or has the wrong shape.
    """
    safetensors = checked_path(path).suffix == ".safetensors"
    arrays = read_safetensors(path)[0] if safetensors else read_torch(path)
    try:
        return network_from_state_dict(arrays)
    except QuatnetError as error:
        names, reader = ", ".join(arrays), "read_safetensors" if safetensors else "read_torch"
        raise CheckpointError(f"{path}: {error}; weights.{reader} returns the arrays {names!r:.200}") from error


def network_from_state_dict(state_dict: Arrays) -> Network:
    """Return the network of a state dict with the parameter names of PANNs or QPANN.

    Raises CheckpointError if an array is missing, is unknown, or has the wrong shape.
    """
    arrays = {name.removeprefix("module."): array for name, array in state_dict.items()}
    arrays = {name: array for name, array in arrays.items() if not IGNORED.match(name)}
    published = dict(_layer_names(arrays))
    sources = dict(_sources(arrays, published))
    try:
        config = _infer_config(arrays, published)
        renamed = {name: _convert([arrays[part] for part in parts]) for name, parts in sources.items()}
    except KeyError as error:
        raise CheckpointError(f"expected an array {error.args[0]}, as in PANNs, got none") from error
    except (ValueError, TypeError, IndexError) as error:
        raise CheckpointError(f"expected arrays of the shapes of a PANNs network: {error}") from error
    if unknown := sorted(arrays.keys() - {part for parts in sources.values() for part in parts}):
        raise CheckpointError(f"expected only arrays of a PANNs network, got also {', '.join(unknown[:5])}")
    check_size(config, arrays)
    network = build(config, rng=np.random.default_rng(0))
    network.load_state_dict(renamed)
    return network


def _layer_names(arrays: Arrays) -> Iterator[tuple[str, str]]:
    """Yield the name in quatnet and the published name of each layer."""
    yield from (("input_norm", "bn0"), ("embedding", "fc1"), ("classifier", "fc_audioset"))
    layers = _layers(arrays)
    for b, block in enumerate(_block_names(arrays)):
        for n in (1, 2):
            if f"{block}.conv{n}" in layers:
                yield f"blocks.{b}.convs.{n - 1}", f"{block}.conv{n}"
                yield f"blocks.{b}.norms.{n - 1}", f"{block}.bn{n}"
        # average pooling, which has no arrays, may come before the convolution
        for n in [n for n in (0, 1) if f"{block}.downsample.{n}" in layers][:1]:
            yield f"blocks.{b}.shortcut", f"{block}.downsample.{n}"
            yield f"blocks.{b}.shortcut_norm", f"{block}.downsample.{n + 1}"


def _layers(arrays: Arrays) -> set[str]:
    """Return the published names of all layers."""
    return {name.rpartition(".")[0] for name in arrays}


def _block_names(arrays: Arrays) -> list[str]:
    """Return the published names of the blocks in the order of the network."""
    layers, stages = _layers(arrays), enumerate(_num_blocks_per_stage(arrays), 1)
    plain = takewhile(lambda block: f"{block}.conv1" in layers, (f"conv_block{n}" for n in count(1)))
    residual = [f"resnet.layer{stage}.{block}" for stage, blocks in stages for block in range(blocks)]
    return [*plain, *residual, *(["conv_block_after1"] if residual else [])]


def _num_blocks_per_stage(arrays: Arrays) -> tuple[int, ...]:
    matches = (re.match(r"resnet\.layer(\d+)\.(\d+)\.", name) for name in arrays)
    stages = Counter(stage for stage, _ in {match.groups() for match in matches if match})
    return tuple(stages[stage] for stage in sorted(stages, key=int))


def _infer_config(arrays: Arrays, published: Mapping[str, str]) -> Config:
    quaternion = any(name.endswith(COMPONENTS[0]) for name in arrays)

    def weight(layer: str) -> np.ndarray:
        parameter = COMPONENTS[0] if quaternion and layer != "classifier" else "weight"
        return arrays[f"{published[layer]}.{parameter}"]

    blocks, components = _block_names(arrays), 4 if quaternion else 1
    if not blocks:
        raise CheckpointError("expected arrays with names such as conv_block1.conv1.weight, as in PANNs, got none")
    convs = [[name for name in published if name.startswith(f"blocks.{b}.convs.")] for b in range(len(blocks))]
    options: dict[str, Any] = {
        "classes": len(weight("classifier")),
        "quaternion": quaternion,
        "widths": tuple(tuple(components * len(weight(name)) for name in block) for block in convs),
        "embedding": components * weight("embedding").shape[1 if quaternion else 0],
        "mels": len(arrays["bn0.weight"]),
        "kernel_size": weight("blocks.0.convs.0").shape[-1],
    }
    if stages := _num_blocks_per_stage(arrays):
        return ResNetConfig(**options, stages=stages)
    return CNNConfig(**options, last_pool=len(blocks) < 6)  # CNN6 and CNN10 have four blocks and pool the last block


def _sources(arrays: Arrays, published: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name in quatnet and the published names of each array. A quaternion weight has four names."""
    for layer, source in published.items():
        if "norm" in layer:
            yield from ((f"{layer}.{name}", [f"{source}.{name}"]) for name in NORM_PARAMETERS)
        else:
            weights = COMPONENTS if f"{source}.{COMPONENTS[0]}" in arrays else ("weight",)
            yield f"{layer}.weight", [f"{source}.{name}" for name in weights]
        if layer in ("embedding", "classifier"):
            yield f"{layer}.bias", [f"{source}.bias"]


def _convert(parts: list[np.ndarray]) -> np.ndarray:
    """Return an array, or a quaternion weight from its four components, with the axes in the order of quatnet."""
    if len(parts) == 1:
        (array,) = parts
        return array.T if array.ndim < 4 else array.transpose(2, 3, 1, 0)
    weight = np.stack(parts)
    return weight if weight.ndim == 3 else weight.transpose(0, 3, 4, 2, 1)
