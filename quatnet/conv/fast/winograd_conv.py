"""Real and quaternion convolution by Winograd's F(4, 3), for kernels three rows high and stride 1.

P is the number of components and K is the number of transformed components: P = 4 and K = 8 for quaternions, P = K = 1
for real numbers. Each tile is computed in five steps, with all intermediate results in the cache:

    pad               zero-pad the input rows and separate the components       row_tiles.padded_rows
    input transform   6 rows of P components to 6 x K transformed components    transforms.input_transform
    multiply          multiply by the transformed kernel                        _multiply
    output transform  6 x K products to 4 rows of P components                  transforms.output_transform
    epilogue          write the outputs, with channels last                     row_tiles.output_views

The input gradient w* ⊗ grad is a convolution with the kernel rotated by 180 degrees. The weight gradient is computed
from transformed operands. Because y = Aᵀ[(G w)·(Bᵀ d)] is linear in w, the weight gradient is Gᵀ[(A grad)·(Bᵀ d)]. The
matrices A, B and G are those of `winograd`.
"""

from collections.abc import Callable

import numpy as np

from ...backend import Array
from ...threads import matmul, parallel_for, parallel_map
from . import row_tiles, transforms
from .small_products import blocked_matmul
from .tiles import LARGE_KERNEL, Tile, WinogradShape, even_slices, make_shape, make_tiles, split_components, workspace
from .winograd import PRODUCTS, TAPS


def convolve(x: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return the convolution w ⊗ x, (N, OH, OW, P·O), of images `x` (N, H, W, P·C) and `w` (P, 3, KW, C, O).

    P is the number of components, 1 or 4.
    """
    return _convolve(x, transform_kernel(w), make_shape(x.shape, w.shape, padding))


def input_gradient(grad: Array, w: Array, padding: tuple[int, int]) -> Array:
    """Return the input gradient w* ⊗ grad (N, H, W, P·C) for the upstream gradient `grad` (N, OH, OW, P·O).

    P is the number of components. The input gradient is a convolution with the conjugated kernel, rotated by
    180 degrees, with input and output channels swapped.
    """
    flipped = w[:, :, ::-1].swapaxes(3, 4)  # flips the columns; `transform_kernel` flips the rows
    conv = make_shape(grad.shape, flipped.shape, (TAPS - 1 - padding[0], w.shape[2] - 1 - padding[1]))
    return _convolve(grad, transform_kernel(flipped, for_input_gradient=True), conv)


def _convolve(x: Array, kernel: Array, conv: WinogradShape) -> Array:
    y = np.empty((conv.batch, conv.height, conv.width, conv.components * conv.out_channels), dtype=x.dtype)
    x, images = split_components(x, conv.components), split_components(y, conv.components)
    run(x, kernel, conv, lambda m, tile: row_tiles.write_output(m, conv, tile, images))
    return y


def run(x: Array, kernel: Array, conv: WinogradShape, epilogue: Callable[[Array, Tile], None]) -> None:
    """Convolve images `x` (N, H, W, P, C) with a transformed `kernel`. Call `epilogue(products, tile)` for each tile.

    P is the number of components. `products` has the shape (6, K, pixels, O), see `row_tiles.transform_output`.
    """

    def work(tile: Tile) -> None:
        v = row_tiles.transform_input(x, conv, tile)
        epilogue(_multiply(row_tiles.patches(v, conv, tile), kernel[..., tile.out_channels]), tile)

    parallel_for(work, make_tiles(conv, x.itemsize))


def _multiply(patches: Array, kernel: Array) -> Array:
    """Return the products (6, K, pixels, O) of `patches` (6, K, phases, pixels of a phase, KW·C) and `kernel`.

    K is the number of transformed components. The pixels of the result are in the order of the image.
    """
    k, transformed, phases, count, _ = patches.shape
    m = workspace("products", (k, transformed, count, phases, kernel.shape[-1]), patches.dtype)
    blocked_matmul(patches, kernel[:, :, None], m.transpose(0, 1, 3, 2, 4))
    return m.reshape(k, transformed, count * phases, -1)


def transform_kernel(w: Array, *, for_input_gradient: bool = False) -> Array:
    """Return the transformed kernel (6, K, KW·C, O) of a kernel `w` (P, 3, KW, C, O).

    P is the number of components and K is the number of transformed components. With `for_input_gradient`, `w` is
    conjugated and its rows are flipped before the transform.
    """
    components, _, taps, channels, outputs = w.shape
    matrix = transforms.kernel_transform(components, w.dtype, for_input_gradient=for_input_gradient)
    u = np.empty((len(matrix), taps, channels, outputs), dtype=w.dtype)

    def work(part: slice) -> None:
        rows = np.ascontiguousarray(w[:, :, :, part].reshape(-1, taps, (part.stop - part.start) * outputs))
        blocked_matmul(matrix, rows.swapaxes(0, 1), u[:, :, part].reshape(len(u), taps, -1).swapaxes(0, 1))

    parallel_for(work, even_slices(channels, max(1, (1 << 20) // u[:, :, 0].nbytes)))
    return u.reshape(PRODUCTS, -1, taps * channels, outputs)


def weight_gradient(x: Array, grad: Array, kernel: tuple[int, ...], padding: tuple[int, int]) -> Array:
    """Return the weight gradient, the sum of grad ⊗ x* over all pixels.

    `kernel` is the shape (P, 3, KW, C, O) of the result, with P components.
    """
    conv = make_shape(x.shape, kernel, padding)
    conv = conv._replace(polyphase=conv.polyphase and kernel[3] * kernel[4] < LARGE_KERNEL)
    shape = (PRODUCTS, conv.num_transformed, conv.kernel_width * conv.in_channels, conv.out_channels)
    total = np.zeros(shape, dtype=x.dtype)
    tiles = make_tiles(conv, x.itemsize)
    x, grad = split_components(x, conv.components), split_components(grad, conv.components)

    def work(tile: Tile) -> Array:
        left = row_tiles.transform_grad(grad, conv, tile)
        right = row_tiles.patches(row_tiles.transform_input(x, conv, tile, conjugate=True), conv, tile)
        left = left.reshape(*left.shape[:2], -1, right.shape[2], left.shape[-1]).swapaxes(2, 3)
        product = right.swapaxes(-1, -2) @ left
        return product.sum(axis=2) if conv.polyphase else product[:, :, 0]

    for tile, part in zip(tiles, parallel_map(work, tiles), strict=True):
        total[..., tile.out_channels] += part
    matrix = transforms.weight_gradient_transform(kernel[0], total.dtype)
    return matmul(matrix, total.reshape(matrix.shape[1], -1)).reshape(kernel)
