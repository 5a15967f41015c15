"""Exercise 12: counting multiplications.

The counts follow from the shapes. A convolution of the same size has an output pixel for each input pixel: `pixels`
pixels, a kernel of `taps` taps, `inputs` input channels and `outputs` output channels. In quaternion layers, inputs and
outputs are real channels too, four for each quaternion.

    python -m pytest tests/course/test_12_counting_multiplications.py --implementation my_counts.py

Chapter 12: docs/12-counting-multiplications.md.
"""


def num_weights(taps, inputs, outputs, quaternion):
    """Return the number of real weights of a real layer, or of a quaternion layer if `quaternion` is True.

    A quaternion weight is four real weights.
    """
    raise NotImplementedError


def real_multiplications(pixels, taps, inputs, outputs):
    """Return the number of multiplications of a real convolution."""
    raise NotImplementedError


def quaternion_multiplications(pixels, taps, inputs, outputs, products):
    """Return the real multiplications of a quaternion convolution with `products` (16 or 8) for a Hamilton product."""
    raise NotImplementedError


def real_additions(pixels, taps, inputs, outputs):
    """Return the number of additions of a real convolution without bias. A sum of n numbers has n - 1 additions."""
    raise NotImplementedError


def additions_with_eight_products(pixels, taps, inputs, outputs):
    """Return the number of real additions of a quaternion convolution with eight products, without bias.

    For each output pixel:
    - 8 additions transform each of the input quaternions, once for each pixel and not for each tap,
    - for each output quaternion, 8 products are summed over taps and input quaternions,
    - 12 additions for each output quaternion transform these sums and subtract the corrections.
    """
    raise NotImplementedError
