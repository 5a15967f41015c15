"""The Hamilton product as an op, with its gradient in two lines."""

from collections.abc import Sequence

from .. import quaternion
from ..backend import Array
from ..tensor import Tensor, sum_to


def hamilton_product(p: Tensor, q: Tensor, *, axis: int = -1) -> Tensor:
    """Return p ⊗ q along `axis`, which counts from the end (axis < 0) where the other axes broadcast.

    The product is linear in each factor, p ⊗ q = L(p) q = R(q) p, so the gradients are L(p)ᵀ g and R(q)ᵀ g.
    The transpose of a quaternion's matrix is the matrix of its conjugate:

        gp = g ⊗ q*        gq = p* ⊗ g
    """
    a, b = p.data, q.data

    def backward(g: Array) -> Sequence[Array]:
        gp = quaternion.hamilton_product(g, quaternion.conjugate(b, axis=axis), axis=axis)
        gq = quaternion.hamilton_product(quaternion.conjugate(a, axis=axis), g, axis=axis)
        return sum_to(gp, a.shape), sum_to(gq, b.shape)

    return Tensor.from_op(quaternion.hamilton_product(a, b, axis=axis), (p, q), backward)
