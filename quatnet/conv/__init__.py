"""Real and quaternion convolution of arrays, without automatic differentiation.

The reference implementations are in `im2col`, `plain` and `eight_products`, to be read in this order. `dispatch` calls
the fastest algorithm for given arrays, from `fast` on a CPU and from `gpu` on a GPU. All algorithms compute the results
of the reference implementations.
"""
