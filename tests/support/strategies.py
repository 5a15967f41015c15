"""What hypothesis draws: seeds for big random arrays, and quaternions that shrink to simple ones."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3)


def quaternions(largest: float = 10.0) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, 4, elements=st.floats(-largest, largest))
