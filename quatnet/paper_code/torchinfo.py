"""The count of torchinfo 1.8.0, reproduced to show what is wrong with it for quaternion layers.

It goes by the names of parameters. One called exactly `weight` or `bias` is taken times the height and width of a
convolution's result, which is right, and once in any other layer. One whose name only contains the word, such as the
`r_weight`, `i_weight`, `j_weight` and `k_weight` of a quaternion layer, is taken for part of a recurrent layer:
times the second axis of the result. For a convolution that axis is the channels. So it counts channels in x channels
out² x taps / 4 instead of pixels x channels in x channels out x taps: too much where layers are wide, and as the cube
of the width it falls far below the truth when they are pruned.

Source: T. Yep, torchinfo, 2020 to 2023, `LayerInfo.calculate_macs`.
"""

from ..models import Config, LayerShape
from ..profile.counts import input_norm_parameters, weights

BINS, WINDOW = 513, 1024  # of the front end


def torchinfo_mult_adds(config: Config, frames: int) -> int:
    """Return what torchinfo says of the published code for one clip of `frames` frames.

    That code computes the spectrogram as two convolutions with 513 kernels of 1024 taps, called `weight`: they are
    counted. Raises ConfigError for too few frames.
    """
    spectrogram = 2 * BINS * WINDOW * frames
    return spectrogram + input_norm_parameters(config) + sum(map(_of_layer, config.layers(frames)))


def _of_layer(layer: LayerShape) -> int:
    """The kernel by the rule, and each scale, shift or bias once."""
    places = layer.out_channels if layer.quaternion else layer.height * layer.width
    return weights(layer) * places + layer.out_channels * (1 if layer.linear else 2)
