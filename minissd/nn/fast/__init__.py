"""The layers made for the processor: SIMD values, register tiles, Winograd's algorithm, threads. In Python.

To be read in this order:

=====================  ==================================================================================
`simd`                 sixteen numbers as one value; `byte_vectors` are those that memory keeps as bytes
`lanes`                across the lanes of such a value: sums, maxima, the lanes that passed a test
`vector_functions`     exp and log of sixteen numbers
`prefetch`             memory that is asked for before it is needed
`tile`, `products`     a block of a matrix product that stays in registers, and whole products of such blocks
`layout`, `maps`       channels last in memory, and what a kernel knows of a map
`team`                 threads that wait for work in compiled code
`workspace`, `arena`   memory that is used again
`sums`, `checksum`     sums over the places of a map, and a number that tells whether weights have changed
`direct`               any convolution as patches times weights; `direct_weights` and `direct_kernels` are
                       its compiled parts
`stem`                 the first convolution, on an image of three channels
`winograd_transforms`  Winograd's algorithm: a tile of 4 x 4 outputs with a quarter of the multiplications
`winograd`             a whole convolution of such tiles; `winograd_tiles`, `winograd_weights` and
                       `winograd_kernels` are its compiled parts
`choose`               which algorithm for which layer
`batchnorm`, `pool`    between the convolutions, the channels still last
`l2norm`, `update`     the scaling of conv4_3, and gradient descent
=====================  ==================================================================================

The slow twins that define what all of this computes are `minissd.nn.conv_loops`, `minissd.nn.conv_im2col`,
the modules of `minissd.nn` named ``_readable``.
"""
