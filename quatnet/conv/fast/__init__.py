"""The fast forms of convolution: eight products, Winograd's four rows from six products, tiles, all cores.

Read `quatnet.conv.plain` first (the plain twin and oracle), then `winograd`, `mixing`, `tiles`, `convolution`. On a GPU
it is `gpu`: eight products, and kernels around them.
"""
