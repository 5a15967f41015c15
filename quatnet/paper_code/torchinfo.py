"""Multiply-add count of torchinfo 1.8.0, which is wrong for quaternion layers.

torchinfo selects the formula from the name of a parameter:

- A parameter with the name `weight` or `bias` counts size x height x width of the output in a convolution, which is
  correct. In any other layer, the parameter counts size x 1.
- A parameter with a longer name that contains "weight" or "bias" is treated as part of a recurrent layer. The parameter
  counts size x the length of the second axis of the output. An example is `r_weight` of a quaternion layer. In a
  convolution, the second axis is the channel axis.

The count of a quaternion convolution is therefore input channels x (output channels)² x taps / 4 instead of pixels x
input channels x output channels x taps. This count is too large for wide layers. After pruning, the count is too small,
because it decreases with the cube of the width.

Source: T. Yep, torchinfo, 2020 to 2023, `LayerInfo.calculate_macs`.
"""

from ..models import Config, LayerShape
from ..profile.counts import input_norm_parameters, num_weights

BINS, WINDOW = 513, 1024  # frequency bins and window length of the spectrogram


def torchinfo_mult_adds(config: Config, frames: int) -> int:
    """Return the multiply-adds that torchinfo reports for the published code and one clip of `frames` frames.

    The published code computes the spectrogram as two convolutions, each with a `weight` of 513 filters and 1024 taps.
    Both convolutions are included in the count. Raises ConfigError for too few frames.
    """
    spectrogram = 2 * BINS * WINDOW * frames
    return spectrogram + input_norm_parameters(config) + sum(map(_layer_mult_adds, config.layers(frames)))


def _layer_mult_adds(layer: LayerShape) -> int:
    """Return the multiply-adds of the layer. Batch norm weights and biases and linear biases count once each."""
    factor = layer.out_channels if layer.quaternion else layer.height * layer.width
    return num_weights(layer) * factor + layer.out_channels * (1 if layer.linear else 2)
