"""Fast convolution algorithms for the CPU: Winograd's F(4, 3), im2col and direct convolution, in parallel.

The functions use this notation. Images are (N, H, W, P·C) or (N, H, W, P, C), with C channels of P components. P is 1
for real numbers and 4 for quaternions. Kernels are (P, KH, KW, C, O), outputs are (N, OH, OW, P·O), * is the conjugate.

`quatnet.conv.plain` and `quatnet.conv.eight_products` define the results. The modules `winograd`,
`component_transforms`, `tiles` and `winograd_conv` are best read in this order. `algorithms` selects the algorithm. The
convolution on a GPU is in `quatnet.conv.gpu`, and its data layout is in `gpu_layout`.
"""
