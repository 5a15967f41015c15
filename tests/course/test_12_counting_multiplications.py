"""Tests of chapter 12: counting multiplications.

A quaternion layer has a quarter of the weights of a real layer with the same channels. With 16 real products for each
Hamilton product, it has as many multiplications; with 8, it has half. The transforms for 8 products add few additions,
because each quaternion is transformed once. The formula for the additions is checked with numbers that count the
operations applied to them.

The functions are those of quatnet, or those of your file: see docs/exercises.md.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quatnet.backend import on_gpu
from quatnet.models import cnn14
from quatnet.profile import network_cost
from quatnet.quaternion import eight_products

sizes = st.integers(1, 20)


class CountingNumber:
    """A number without a value that counts its additions and multiplications.

    Operations on kernel weights alone are not counted: they are done once for all pixels.
    """

    additions = multiplications = 0

    def __init__(self, is_kernel=False):
        self.is_kernel = is_kernel

    def __add__(self, other):
        assert self.is_kernel == other.is_kernel
        CountingNumber.additions += not self.is_kernel
        return CountingNumber(self.is_kernel)

    __sub__ = __add__

    def __mul__(self, other):
        if isinstance(other, CountingNumber):
            assert (self.is_kernel, other.is_kernel) == (True, False)
            CountingNumber.multiplications += 1
            return CountingNumber()
        return self  # multiplications by constants belong to the preparation of the kernel

    __rmul__ = __mul__


def counting_array(*shape, is_kernel=False):
    return np.array([CountingNumber(is_kernel) for _ in range(int(np.prod(shape)))], dtype=object).reshape(shape)


# Worked example: 10 x 8 pixels, 3 x 3 taps, 4 real channels in, 8 real channels out


def test_weights_worked_example(num_weights):
    assert num_weights(9, 4, 8, False) == 288
    assert num_weights(9, 4, 8, True) == 72  # 9·1·2 = 18 quaternions


def test_multiplications_worked_example(real_multiplications, quaternion_multiplications):
    # 80·9·4·8 = 23040 real products; 80·9·1·2 = 1440 Hamilton products
    assert real_multiplications(80, 9, 4, 8) == 23040
    assert quaternion_multiplications(80, 9, 4, 8, 16) == 1440 * 16 == 23040
    assert quaternion_multiplications(80, 9, 4, 8, 8) == 1440 * 8


def test_additions_worked_example(real_additions, additions_with_eight_products):
    # each of the 80·8 real outputs is a sum of 36 products and has 35 additions
    assert real_additions(80, 9, 4, 8) == 80 * 8 * 35
    # 8 for the input quaternion, 8 for each of the 8·2 sums of 9 products, and 12 for each output quaternion
    assert additions_with_eight_products(80, 9, 4, 8) == 80 * (8 + 8 * 2 * 8 + 12 * 2)


# Laws


@given(sizes, sizes, sizes, sizes)
def test_quaternion_layer_compared_with_the_real_layer(
    num_weights, real_multiplications, quaternion_multiplications, pixels, taps, c, o
):
    inputs, outputs = 4 * c, 4 * o
    assert num_weights(taps, inputs, outputs, False) == 4 * num_weights(taps, inputs, outputs, True)
    real = real_multiplications(pixels, taps, inputs, outputs)
    assert quaternion_multiplications(pixels, taps, inputs, outputs, 16) == real
    assert 2 * quaternion_multiplications(pixels, taps, inputs, outputs, 8) == real


def test_eight_products_halve_the_additions_of_a_wide_layer(real_additions, additions_with_eight_products):
    ratio = additions_with_eight_products(1, 9, 256, 256) / real_additions(1, 9, 256, 256)
    assert 0.5 < ratio < 0.51


# Reference: numbers that count


@pytest.mark.skipif(on_gpu(), reason="arrays of Python objects need NumPy")
@given(st.integers(1, 4), st.integers(1, 4))
def test_counts_equal_those_of_counting_numbers(quaternion_multiplications, additions_with_eight_products, c, o):
    # one pixel and one tap: a product of the matrix (o, c) of weights and c inputs
    CountingNumber.additions = CountingNumber.multiplications = 0
    eight_products(counting_array(4, o, c, is_kernel=True), counting_array(4, c, 1), lambda w, x: w @ x)
    assert CountingNumber.multiplications == quaternion_multiplications(1, 1, 4 * c, 4 * o, 8)
    assert CountingNumber.additions == additions_with_eight_products(1, 1, 4 * c, 4 * o)


def test_count_of_a_whole_network(num_weights, quaternion_multiplications):
    config = cnn14(527, quaternion=True)
    layers = [layer for layer in config.layers(1001) if layer.quaternion]
    total = network_cost(config, 1001)
    shapes = [(a.height * a.width, a.kernel_size**2, a.in_channels, a.out_channels) for a in layers]
    products = sum(quaternion_multiplications(*shape, 8) for shape in shapes)
    classifier = next(layer for layer in config.layers(1001) if not layer.quaternion)
    assert total.multiplications_8 == products + classifier.in_channels * classifier.out_channels
    weights = sum(num_weights(*shape[1:], True) for shape in shapes)
    assert weights / total.parameters == pytest.approx(0.948, abs=1e-3)  # others: norms, biases, classifier
