"""Hypothesis strategies for seeds, shapes, quaternions and convolution options."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)


def quaternions(largest: float = 10.0) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, 4, elements=st.floats(-largest, largest))


def options_of(*names: str) -> st.SearchStrategy[dict]:
    """Return a strategy for convolution options such as stride and padding.

    Each value is an integer or a (height, width) pair. The integers are 1 or 2, and also 0 for padding.
    """

    def values(name: str) -> st.SearchStrategy:
        integers = st.integers(0 if "padding" in name else 1, 2)
        return st.one_of(integers, st.tuples(integers, integers))

    return st.fixed_dictionaries({name: values(name) for name in names})
