"""Convolution made for the processor: SIMD values, register tiles, Winograd's algorithm. In Python.

Read in this order: `simd` (sixteen numbers at once), `tile` (a block of the result that stays in registers),
`layout` (channels last), `sharing` and `workspace` (threads and memory), `direct` (patches times weights),
`winograd_transforms` and `winograd` (a quarter of the multiplications), `choose` (which one for which layer).
`batchnorm` and `pool` keep the channels last between convolutions. The slow twins that define what all of
this computes are `minissd.nn.conv_loops`, `minissd.nn.conv_im2col` and the modules named ``_readable``.
"""
