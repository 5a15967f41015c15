"""What hypothesis draws: seeds for big random arrays, and quaternions that shrink to simple ones."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)


def quaternions(largest: float = 10.0) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, 4, elements=st.floats(-largest, largest))


def options_of(*names: str) -> st.SearchStrategy[dict]:
    """Draw a stride, a padding, ... of 1 or 2 (a padding may be 0) as one number or as a pair (height, width)."""

    def numbers(name: str) -> st.SearchStrategy:
        each = st.integers(0 if "padding" in name else 1, 2)
        return st.one_of(each, st.tuples(each, each))

    return st.fixed_dictionaries({name: numbers(name) for name in names})
