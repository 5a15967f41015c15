"""Values and gradients side by side with PyTorch."""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from quatnet import Tensor
from quatnet.backend import Array, asnumpy

from .arrays import assert_close, draw


def assert_parity(
    torch: ModuleType,
    ours: Callable[..., Tensor],
    theirs: Callable,
    arrays: Sequence[Array],
    rng: np.random.Generator,
    tolerance: float = 1e-9,
) -> None:
    """Raise AssertionError unless both functions give one value, and one gradient for each array."""
    mine = [Tensor(array, requires_grad=True) for array in arrays]
    twins = [torch.tensor(asnumpy(array), requires_grad=True) for array in arrays]
    y, twin = ours(*mine), theirs(*twins)
    assert_close(y.data, twin.detach().numpy(), rtol=tolerance, atol=tolerance)
    cotangent = draw(rng, *y.shape).astype(y.data.dtype)
    y.backward(cotangent)
    twin.backward(torch.tensor(asnumpy(cotangent)))
    for tensor, other in zip(mine, twins, strict=True):
        assert_close(tensor.grad, other.grad.numpy(), rtol=tolerance, atol=tolerance)
