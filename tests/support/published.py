"""Networks of ours as PANNs and QPANN would have saved them."""

import numpy as np

from quatnet.models import build


def published(config):
    """The state of a network of ours in their names and order of axes; typed out again, the other way round."""
    network = build(config, rng=np.random.default_rng(0))
    arrays = {}
    for ours, array in network.state_dict().items():
        name = ours.replace("input_norm.", "bn0.").replace("classifier.", "fc_audioset.").replace("embedding.", "fc1.")
        for b in range(len(config.widths)):
            name = name.replace(f"blocks.{b}.", f"{place(config, b)}.")
        for a, b in (("convs.0", "conv1"), ("convs.1", "conv2"), ("norms.0", "bn1"), ("norms.1", "bn2")):
            name = name.replace(a, b)
        name = name.replace("shortcut_norm", "downsample.2").replace("shortcut", "downsample.1")
        axes = {2: (1, 0), 4: (3, 2, 0, 1), 1: (0,)}
        if config.quaternion and ours.endswith("weight") and "classifier" not in ours and "norm" not in ours:
            for part, component in zip("rijk", array, strict=True):
                turned = component if component.ndim == 2 else component.transpose(axes[4])
                arrays[name.replace("weight", f"{part}_weight")] = turned
        else:
            arrays[name] = array.transpose(axes[array.ndim])
    return network, arrays


def place(config, b):
    if not config.residual(b):
        return f"conv_block{b + 1}" if not b or not hasattr(config, "stages") else "conv_block_after1"
    starts = np.cumsum([1, *config.stages])
    stage = int(np.searchsorted(starts, b, side="right"))
    return f"resnet.layer{stage}.{b - starts[stage - 1]}"
