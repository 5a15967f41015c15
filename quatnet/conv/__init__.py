"""Convolution arithmetic on plain arrays, without tensors.

Modules to read, in this order: `im2col`, `plain`, `eight_products`. Modules to run: `dispatch` selects the fastest
algorithm of `fast` (CPU) or `gpu`. The plain functions are the reference for both.
"""
