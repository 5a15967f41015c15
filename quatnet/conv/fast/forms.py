"""Which form a convolution takes, by a rule on its shapes alone.

    strips   kernels three rows high, stride 1, enough pixels to pay for the transformed kernel      (convolution.py)
    patched  other small kernels                                                                         (patched.py)
    direct   large kernels, which are read as they are stored                        (direct.py, direct_gradients.py)

A quaternion kernel of few channels is expanded to its real block matrix first: eight products of that width take
longer than one. Compiled kernels are transformed already and take strips and patches more often. The numbers were
measured, see docs/decisions/0008, 0009, 0016 and 0018.
"""

import math

from ...backend import Array
from ...quaternion import left_matrix_adjoint
from ..plain import block_weight, blocks_of_weight
from . import convolution, direct, direct_gradients, patched
from .direct import Pair
from .winograd import TAPS

ENOUGH_PIXELS = 512  # in training, where the transformed kernel is made anew each step
ENOUGH_FOR_SMALL = 256  # with a small kernel, or one that is transformed already
ENOUGH_WHEN_READY = 64  # with one that is, and that is not too large to be read twice over
SMALL_KERNEL = 1 << 19  # numbers
READ_TWICE = 10 << 20  # numbers of a kernel that strips read transformed, and patches half of that
NARROW_MAP = 2  # columns, of which direct leaves out most zeros
FEWEST_CHANNELS = 16  # of quaternions, in and out


def convolve(x: Array, w: Array, stride: Pair, padding: Pair) -> Array:
    """Return w ⊗ x: `x` (N, H, W, P·C), `w` (P, KH, KW, C, O) -> (N, OH, OW, P·O); P = 1 real, 4 quaternion."""
    w = widened(w)
    if takes_strips(x.shape, w.shape, stride, padding):
        return convolution.convolve(x, w, padding)
    if is_small(w.shape):
        return patched.convolve(x, w, stride, padding)
    return direct.convolve(x, w, stride, padding)


def input_gradient(g: Array, w: Array, shape: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return w* ⊗ g, the gradient of <convolve(x, w), g> for an x of `shape`."""
    w = widened(w)
    if takes_strips(shape, w.shape, stride, padding):
        return convolution.input_gradient(g, w, padding)
    if is_small(w.shape) and stride == (1, 1) and padding[0] < w.shape[1] and padding[1] < w.shape[2]:
        return patched.input_gradient(g, w, padding)
    return direct_gradients.input_gradient(g, w, shape, stride, padding)


def kernel_gradient(x: Array, g: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """Return g ⊗ x* summed over pixels, the gradient of <convolve(x, w), g> for a w of shape `kernel`."""
    if _narrow(kernel):
        p, kh, kw, channels, outputs = kernel
        gw = kernel_gradient(x, g, (1, kh, kw, p * channels, p * outputs), stride, padding)[0]
        return left_matrix_adjoint(blocks_of_weight(gw), axis=0)
    if takes_strips(x.shape, kernel, stride, padding):
        return convolution.kernel_gradient(x, g, kernel, padding)
    if is_small(kernel):
        return patched.kernel_gradient(x, g, kernel, stride, padding)
    return direct_gradients.kernel_gradient(x, g, kernel, stride, padding)


def widened(w: Array) -> Array:
    """Return a quaternion kernel of few channels as a real one (1, KH, KW, 4C, 4O), any other as it is."""
    return block_weight(w)[None] if _narrow(w.shape) else w


def _narrow(kernel: tuple[int, ...]) -> bool:
    return kernel[0] == 4 and min(kernel[3:]) < FEWEST_CHANNELS


def is_small(kernel: tuple[int, ...]) -> bool:
    """Return whether to make the planes of a kernel costs less than to read it in many calls."""
    return math.prod(kernel) <= SMALL_KERNEL


def takes_strips(
    image: tuple[int, ...], kernel: tuple[int, ...], stride: Pair, padding: Pair, *, ready: bool = False
) -> bool:
    """Return whether to transform the kernel pays; `ready` says that this is done already."""
    fits = kernel[1] == TAPS and padding[0] < TAPS and padding[1] < kernel[2]
    enough = ENOUGH_FOR_SMALL if ready or is_small(kernel) else ENOUGH_PIXELS
    if ready and image[2] > NARROW_MAP and math.prod(kernel) <= READ_TWICE:
        enough = ENOUGH_WHEN_READY
    return fits and stride == (1, 1) and math.prod(image[:3]) >= enough


def takes_patches(image: tuple[int, ...], kernel: tuple[int, ...]) -> bool:
    """Return whether patches pay where the planes of the kernel are made already."""
    return is_small(kernel) or (image[2] > NARROW_MAP and 2 * math.prod(kernel) <= READ_TWICE)
