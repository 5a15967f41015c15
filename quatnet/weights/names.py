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
    try:
        config, renamed = _infer_config(arrays, published), dict(_rename_arrays(arrays, published))
    except (ValueError, TypeError, IndexError) as error:
        raise CheckpointError(f"expected arrays of the shapes of a PANNs network: {error}") from error
    if unknown := sorted(arrays.keys() - _array_names(arrays, published)):
        raise CheckpointError(f"expected only arrays of a PANNs network, got also {', '.join(unknown[:5])}")
    check_size(config, arrays)
    network = build(config, rng=np.random.default_rng(0))
    network.load_state_dict(renamed)
    return network


def _layer_names(arrays: Arrays) -> Iterator[tuple[str, str]]:
    """Yield the name in quatnet and the published name of each layer."""
    yield from (("input_norm", "bn0"), ("embedding", "fc1"), ("classifier", "fc_audioset"))
    for b, block in enumerate(_block_names(arrays)):
        numbers = [n for n in (1, 2) if _has(arrays, f"{block}.conv{n}")]
        for n in numbers:
            yield f"blocks.{b}.convs.{n - 1}", f"{block}.conv{n}"
            yield f"blocks.{b}.norms.{n - 1}", f"{block}.bn{n}"
        for n in (n for n in range(2) if _has(arrays, f"{block}.downsample.{n}", ndim=4)):
            yield f"blocks.{b}.shortcut", f"{block}.downsample.{n}"
            yield f"blocks.{b}.shortcut_norm", f"{block}.downsample.{n + 1}"


def _block_names(arrays: Arrays) -> list[str]:
    """Return the published names of the blocks in the order of the network."""
    stages = [
        f"resnet.layer{stage}.{block}"
        for stage, count in enumerate(_num_blocks_per_stage(arrays), 1)
        for block in range(count)
    ]
    plain = takewhile(lambda block: _has(arrays, f"{block}.conv1"), (f"conv_block{n}" for n in count(1)))
    return [*plain] + stages + (["conv_block_after1"] if stages else [])


def _num_blocks_per_stage(arrays: Arrays) -> tuple[int, ...]:
    matches = (re.match(r"resnet\.layer(\d+)\.(\d+)\.", name) for name in arrays)
    blocks = {tuple(map(int, match.groups())) for match in matches if match}
    return tuple(sum(stage == n for stage, _ in blocks) for n in sorted({stage for stage, _ in blocks}))


def _has(arrays: Arrays, layer: str, *, ndim: int | None = None) -> bool:
    weights = [arrays[f"{layer}.{name}"] for name in ("weight", *COMPONENTS) if f"{layer}.{name}" in arrays]
    return any(ndim in (None, weight.ndim) for weight in weights)


def _infer_config(arrays: Arrays, published: Mapping[str, str]) -> Config:
    quaternion = any(name.endswith(COMPONENTS[0]) for name in arrays)

    def weight(layer: str) -> np.ndarray:
        parameter = COMPONENTS[0] if quaternion and layer != "classifier" else "weight"
        return _array(arrays, f"{published[layer]}.{parameter}")

    blocks, components = _block_names(arrays), 4 if quaternion else 1
    if not blocks:
        raise CheckpointError("expected arrays with names such as conv_block1.conv1.weight, as in PANNs, got none")
    convs = [[name for name in published if name.startswith(f"blocks.{b}.convs.")] for b in range(len(blocks))]
    options: dict[str, Any] = {
        "classes": len(weight("classifier")),
        "quaternion": quaternion,
        "widths": tuple(tuple(components * len(weight(name)) for name in block) for block in convs),
        "embedding": components * weight("embedding").shape[1 if quaternion else 0],
        "mels": len(_array(arrays, "bn0.weight")),
        "kernel_size": weight("blocks.0.convs.0").shape[-1],
    }
    if stages := _num_blocks_per_stage(arrays):
        return ResNetConfig(**options, stages=stages)
    return CNNConfig(**options, last_pool=len(blocks) < 6)  # CNN6 and CNN10 have four blocks and pool the last block


def _array_names(arrays: Arrays, published: Mapping[str, str]) -> set[str]:
    """Return the published names of all arrays that the layers can have."""
    weights = {layer: COMPONENTS if f"{published[layer]}.r_weight" in arrays else ("weight",) for layer in published}
    names = {layer: NORM_PARAMETERS if "norm" in layer else weights[layer] for layer in published}
    names |= {layer: (*names[layer], "bias") for layer in ("embedding", "classifier")}
    return {f"{source}.{name}" for layer, source in published.items() for name in names[layer]}


def _rename_arrays(arrays: Arrays, published: Mapping[str, str]) -> Iterator[tuple[str, np.ndarray]]:
    for layer, source in published.items():
        if layer.endswith("norm") or ".norms." in layer:
            yield from ((f"{layer}.{name}", _array(arrays, f"{source}.{name}")) for name in NORM_PARAMETERS)
            continue
        yield f"{layer}.weight", _weight(arrays, source)
        if layer in ("embedding", "classifier"):
            yield f"{layer}.bias", _array(arrays, f"{source}.bias")


def _weight(arrays: Arrays, layer: str) -> np.ndarray:
    if f"{layer}.{COMPONENTS[0]}" not in arrays:
        weight = _array(arrays, f"{layer}.weight")
        return weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0)
    weight = np.stack([_array(arrays, f"{layer}.{name}") for name in COMPONENTS])
    return weight if weight.ndim == 3 else weight.transpose(0, 3, 4, 2, 1)


def _array(arrays: Arrays, name: str) -> np.ndarray:
    if name not in arrays:
        raise CheckpointError(f"expected an array {name}, as in PANNs, got none")
    return arrays[name]
