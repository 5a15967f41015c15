"""State dicts in the format of the published PANNs and QPANN checkpoints."""

import numpy as np

from quatnet.models import build


def published_state_dict(config):
    """Return a quatnet network and its state dict in the published format, made without `quatnet.weights`."""
    network = build(config, rng=np.random.default_rng(0))
    state_dict = {}
    for key, array in network.state_dict().items():
        name = key.replace("input_norm.", "bn0.").replace("classifier.", "fc_audioset.").replace("embedding.", "fc1.")
        for b in range(len(config.widths)):
            name = name.replace(f"blocks.{b}.", f"{block_name(config, b)}.")
        for a, b in (("convs.0", "conv1"), ("convs.1", "conv2"), ("norms.0", "bn1"), ("norms.1", "bn2")):
            name = name.replace(a, b)
        name = name.replace("shortcut_norm", "downsample.2").replace("shortcut", "downsample.1")
        axes = {2: (1, 0), 4: (3, 2, 0, 1), 1: (0,)}
        if config.quaternion and key.endswith("weight") and "classifier" not in key and "norm" not in key:
            for letter, component in zip("rijk", array, strict=True):
                transposed = component if component.ndim == 2 else component.transpose(axes[4])
                state_dict[name.replace("weight", f"{letter}_weight")] = transposed
        else:
            state_dict[name] = array.transpose(axes[array.ndim])
    return network, state_dict


def block_name(config, b):
    if not config.is_residual(b):
        return f"conv_block{b + 1}" if not b or not hasattr(config, "stages") else "conv_block_after1"
    starts = np.cumsum([1, *config.stages])
    stage = int(np.searchsorted(starts, b, side="right"))
    return f"resnet.layer{stage}.{b - starts[stage - 1]}"
