"""The fast forms of convolution: eight products, Winograd's four rows from six products, tiles, all cores.

Read `quatnet.convolve` first (the plain twin and oracle), then `winograd`, `mixing`, `tiles`, `convolution`.
"""
