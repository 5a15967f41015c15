"""Hamilton product as a differentiable op."""

from collections.abc import Sequence

from .. import kernels, quaternion
from ..autodiff import Tensor, op
from ..autodiff.arrays import check_broadcast, unbroadcast
from ..backend import Array
from ..errors import ShapeError
from ..quaternion.chunks import as_quaternion_array


@op
def hamilton_product(p: Tensor, q: Tensor, *, axis: int = -1) -> Tensor:
    """Return the Hamilton product p ⊗ q along `axis`. The other axes broadcast.

    The product is linear in each factor, p ⊗ q = L(p) q = R(q) p with 4x4 matrices L(p) and R(q). For an upstream
    gradient `grad`, the gradients are R(q)ᵀ grad for p and L(p)ᵀ grad for q. The transposed matrices are the matrices
    of the conjugate quaternions, R(q)ᵀ = R(q*) and L(p)ᵀ = L(p*). The gradients therefore are

        grad_p = grad ⊗ q*        grad_q = p* ⊗ grad

    Raises ShapeError unless `axis` has length 4 in p and q, and the other axes broadcast. If p and q differ in `ndim`,
    `axis` must be negative.
    """
    a, b = as_quaternion_array(p.data, axis), as_quaternion_array(q.data, axis)
    if axis >= 0 and a.ndim != b.ndim:
        raise ShapeError(f"expected axis < 0 for shapes {a.shape} and {b.shape} of different ndim, got axis={axis}")
    check_broadcast(a.shape, b.shape)
    if a.shape == b.shape and kernels.supports(a, b):
        y = kernels.hamilton.product(a, b, axis)
        return Tensor.from_op(y, (p, q), lambda grad: kernels.hamilton.gradients(a, b, grad, axis))

    def backward(grad: Array) -> Sequence[Array]:
        grad_p = quaternion.hamilton_product(grad, quaternion.conjugate(b, axis=axis), axis=axis)
        grad_q = quaternion.hamilton_product(quaternion.conjugate(a, axis=axis), grad, axis=axis)
        return unbroadcast(grad_p, a.shape), unbroadcast(grad_q, b.shape)

    return Tensor.from_op(quaternion.hamilton_product(a, b, axis=axis), (p, q), backward)
