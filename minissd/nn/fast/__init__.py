"""Convolution for the processor at hand, in Python: explicit SIMD values, register tiles, Winograd's algorithm.

Read in this order: `simd` (sixteen numbers at once), `tile` (a block of the result that stays in registers),
`layout` (channels last), `direct` (patches times weights), `winograd_transforms` and `winograd` (a quarter of
the multiplications), `choose` (which one for which layer). The slow twins that define what all of this
computes are `minissd.nn.conv_loops` and `minissd.nn.conv_im2col`.
"""
