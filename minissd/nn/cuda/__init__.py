"""Layers on a GPU: kernels in CUDA, and matrix products by cuBLAS, for CuPy's float32.

Every function here has a twin with the same arguments among the readable modules of `minissd.nn`, which
also says what it computes; `minissd.nn.twins` decides between them. Maps lie in memory in the order of their
shape, (N, C, H, W). A kernel stands in the ``.cu`` file beside the Python file that starts it, is compiled
when it is first used, and kept on disk by CuPy. Nothing here waits for the GPU, which works through what it
is given in order.

To be read in this order:

=================  ======================================================================================
`source`           kernels: compile and start them
`products`         matrix products
`winograd`         3x3 convolution of stride 1; `winograd_readable` is the same in NumPy
`im2col`           any other convolution
`direct`           the first layer
`choose`           which of them is the best for a layer
`sums`, `pool`,    everything else
`l2norm`,
`batchnorm`,
`update`
`tune`             measures what the constants above should be
=================  ======================================================================================
"""
