"""The multiply-add count of torchinfo 1.8.0, which is wrong for quaternion layers.

torchinfo selects its formula by the name of a parameter:

- A parameter called exactly `weight` or `bias` counts size x height x width of the output for a convolution, which is
  correct, and size x 1 for any other layer.
- A parameter whose name contains one of these words, such as the `r_weight`, `i_weight`, `j_weight` and `k_weight` of a
  quaternion layer, is treated as part of a recurrent layer: it counts size x the second axis of the output. For a
  convolution, this axis is the channels.

The count of a quaternion convolution is thus channels in x (channels out)² x taps / 4 instead of pixels x channels in x
channels out x taps. It is too large for wide layers, and too small after pruning, since it shrinks with the cube of the
width.

Source: T. Yep, torchinfo, 2020 to 2023, `LayerInfo.calculate_macs`.
"""

from ..models import Config, LayerShape
from ..profile.counts import input_norm_parameters, num_weights

BINS, WINDOW = 513, 1024  # of the spectrogram


def torchinfo_mult_adds(config: Config, frames: int) -> int:
    """Return the multiply-adds that torchinfo reports for the published code and one clip of `frames` frames.

    The published code computes the spectrogram as two convolutions with 513 kernels of 1024 taps, called `weight`. Both
    are included in the count. Raises ConfigError for too few frames.
    """
    spectrogram = 2 * BINS * WINDOW * frames
    return spectrogram + input_norm_parameters(config) + sum(map(_layer_mult_adds, config.layers(frames)))


def _layer_mult_adds(layer: LayerShape) -> int:
    """Return the multiply-adds of the weight, plus each batch norm weight and bias or linear bias once."""
    factor = layer.out_channels if layer.quaternion else layer.height * layer.width
    return num_weights(layer) * factor + layer.out_channels * (1 if layer.linear else 2)
