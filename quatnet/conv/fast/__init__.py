"""Fast convolution algorithms for the CPU: eight products, Winograd F(4, 3), cache-sized tiles, all cores.

Read `quatnet.conv.plain` first: it defines the results. Then read `winograd`, `component_transforms`, `tiles` and
`winograd_conv`. `algorithms` selects an algorithm by the shapes. The GPU uses `quatnet.conv.gpu` instead.
"""
