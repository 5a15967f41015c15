"""The Hamilton product as an op, with its gradient in two lines."""

from collections.abc import Sequence

from .. import kernels, quaternion
from ..autodiff import Tensor
from ..autodiff.arrays import check_broadcast, unbroadcast
from ..autodiff.tape import data_of
from ..backend import Array
from ..errors import ShapeError
from ..quaternion.chunks import checked


def hamilton_product(p: Tensor, q: Tensor, *, axis: int = -1) -> Tensor:
    """Return p ⊗ q along `axis`, which counts from the end (axis < 0) where the other axes broadcast.

    The product is linear in each factor, p ⊗ q = L(p) q = R(q) p, so the gradients are L(p)ᵀ g and R(q)ᵀ g.
    The transpose of a quaternion's matrix is the matrix of its conjugate:

        gp = g ⊗ q*        gq = p* ⊗ g

    Raises ShapeError where `axis` does not have length 4 in both, or where the other axes do not broadcast.
    """
    a, b = data_of(p), data_of(q)
    if axis >= 0 and a.ndim != b.ndim:
        raise ShapeError(f"expected axis < 0 for shapes {a.shape} and {b.shape} of different lengths, got {axis}")
    check_broadcast(a.shape, b.shape)
    if a.shape == b.shape and kernels.supports(a, b):
        y = kernels.hamilton.product(checked(a, axis), b, axis)
        return Tensor.from_op(y, (p, q), lambda g: kernels.hamilton.gradients(a, b, g, axis))

    def backward(g: Array) -> Sequence[Array]:
        gp = quaternion.hamilton_product(g, quaternion.conjugate(b, axis=axis), axis=axis)
        gq = quaternion.hamilton_product(quaternion.conjugate(a, axis=axis), g, axis=axis)
        return unbroadcast(gp, a.shape), unbroadcast(gq, b.shape)

    return Tensor.from_op(quaternion.hamilton_product(a, b, axis=axis), (p, q), backward)
