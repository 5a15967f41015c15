"""Comparison of values and gradients with PyTorch."""

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
    """Assert that two functions give equal values and gradients within the tolerance."""
    our_tensors = [Tensor(array, requires_grad=True) for array in arrays]
    torch_tensors = [torch.tensor(asnumpy(array), requires_grad=True) for array in arrays]
    y, expected = ours(*our_tensors), theirs(*torch_tensors)
    assert_close(y.data, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    cotangent = draw(rng, *y.shape).astype(y.data.dtype)
    y.backward(cotangent)
    expected.backward(torch.tensor(asnumpy(cotangent)))
    for tensor, torch_tensor in zip(our_tensors, torch_tensors, strict=True):
        assert_close(tensor.grad, torch_tensor.grad.numpy(), rtol=tolerance, atol=tolerance)
