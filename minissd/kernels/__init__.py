"""The method's steps once more, compiled: the same functions for NumPy arrays, sixteen numbers at a time.

Most modules here serve one file of the method, which says what is computed, keeps the readable twin and
chooses between the two:

==================  ============================================================
`matching`          of `minissd.matching`, without the matrix of all IoUs
`targets`           of `minissd.targets`, for a whole batch
`mining`            of `minissd.mining`, without sorting
`multibox`          of `minissd.loss`: the softmax and its cross entropy
`suppression`       of `minissd.nms`
`postprocess`       of `minissd.detect`; its steps are in `softmax` and `candidates`
`cuda`              the modules for predictions on a GPU
==================  ============================================================

Nothing has to be read here to understand SSD; what there is to learn is why a plain step can be slow and what
makes it fast. The vectors and the threads are those of the engine (`minissd.nn.fast`).
"""
