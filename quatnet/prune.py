"""Filter pruning: score the filters, choose which to keep, plan what shrinks with them, cut.

A quaternion filter is one thing: its four components and all its taps are scored together and leave together.
A cut filter takes along its batch norm entries and the inputs of the next layer that read its map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .backend import asnumpy
from .errors import ConfigError
from .models import CNN, CNNConfig

Kept = Mapping[tuple[int, int], np.ndarray]  # (block, convolution) -> indices of the filters that stay


def l1_scores(weight: np.ndarray) -> np.ndarray:
    """Return Σ |weight| over all taps, inputs and components, for each filter (the last axis)."""
    return np.abs(weight).sum(axis=tuple(range(weight.ndim - 1)))


def choose(model: CNN, ratio: float, *, blocks: Sequence[int] | None = None) -> Kept:
    """Return the filters to keep: in each convolution of `blocks` (default all) the 1 - `ratio` of largest L1 norm.

    At least one filter stays. Raises ConfigError unless 0 <= ratio < 1 and the blocks exist.
    """
    known = range(len(model.blocks))
    chosen = known if blocks is None else blocks
    if not 0 <= ratio < 1 or not set(chosen) <= set(known):
        raise ConfigError(f"expected 0 <= ratio < 1 and blocks among {list(known)}, got {ratio} and {blocks}")
    return {
        (b, c): _strongest(asnumpy(conv.weight.data), ratio)
        for b in chosen
        for c, conv in enumerate(model.blocks[b].convs)
    }


def _strongest(weight: np.ndarray, ratio: float) -> np.ndarray:
    filters = weight.shape[-1]
    keep = filters - int(ratio * filters)
    return np.sort(np.argsort(-l1_scores(weight), kind="stable")[:keep])


@dataclass(frozen=True)
class Slice:
    """Of array `name`, the entries `keep` along `axis` stay."""

    name: str
    axis: int
    keep: np.ndarray


def plan(config: CNNConfig, kept: Kept) -> list[Slice]:
    """List everything that must shrink: filters, batch norms, and the inputs of whatever reads the map."""
    slices = []
    for (b, c), filters in kept.items():
        channels = _real_channels(filters, config.widths[b][c], config.quaternion)
        slices.append(Slice(f"blocks.{b}.convs.{c}.weight", -1, filters))
        slices += [Slice(f"blocks.{b}.norms.{c}.{part}", 0, channels) for part in NORM_PARTS]
        reader = _reader(config, b, c)
        slices.append(Slice(reader, -2, filters))
    return slices


NORM_PARTS = ("scale", "shift", "mean", "variance")


def _real_channels(filters: np.ndarray, width: int, quaternion: bool) -> np.ndarray:
    """A quaternion filter n writes the real channels n, C + n, 2C + n, 3C + n of the blocks r|i|j|k."""
    blocks = np.arange(4) * (width // 4) if quaternion else np.zeros(1, int)
    return (blocks[:, None] + filters).ravel()


def _reader(config: CNNConfig, block: int, conv: int) -> str:
    if conv + 1 < len(config.widths[block]):
        return f"blocks.{block}.convs.{conv + 1}.weight"
    if block + 1 < len(config.widths):
        return f"blocks.{block + 1}.convs.0.weight"
    return "embedding.weight"


def cut(model: CNN, kept: Kept) -> CNN:
    """Return a smaller network with only the filters in `kept`; convolutions not named stay whole."""
    state = model.state()
    for part in plan(model.config, kept):
        state[part.name] = np.take(state[part.name], part.keep, axis=part.axis)
    small = CNN(_cut_config(model.config, kept), rng=np.random.default_rng(0))
    small.load_state(state)
    return small


def _cut_config(config: CNNConfig, kept: Kept) -> CNNConfig:
    size = 4 if config.quaternion else 1
    widths = [
        tuple(len(kept[b, c]) * size if (b, c) in kept else width for c, width in enumerate(block))
        for b, block in enumerate(config.widths)
    ]
    return replace(config, widths=tuple(widths))


def mask(model: CNN, kept: Kept) -> CNN:
    """Return a network of the same size whose other filters give 0: the plain twin of `cut`, with equal outputs."""
    state = model.state()
    for (b, c), filters in kept.items():
        channels = _real_channels(filters, model.config.widths[b][c], model.config.quaternion)
        for part in ("scale", "shift"):
            stays = np.isin(np.arange(model.config.widths[b][c]), channels)
            state[f"blocks.{b}.norms.{c}.{part}"] *= stays
    masked = CNN(model.config, rng=np.random.default_rng(0))
    masked.load_state(state)
    return masked
