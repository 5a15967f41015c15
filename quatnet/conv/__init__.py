"""Convolution arithmetic on plain arrays, without tensors.

To read, in this order: `im2col`, `plain`, `eight_products`. To run: `dispatch` selects the fastest algorithm out of
`fast` (CPU) and `gpu`; the plain functions are the oracle of both.
"""
