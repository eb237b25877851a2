"""The method's steps once more, compiled: the same functions for NumPy arrays, sixteen numbers at a time.

Each module here serves one file of the method (`minissd.kernels.mining` serves `minissd.mining`), which says
what is computed, keeps the readable twin and chooses between the two. Nothing has to be read here to
understand SSD; what there is to learn is why a plain step can be slow and what makes it fast. The vectors and
the threads are those of the engine, `minissd.nn.fast.simd` and `minissd.nn.threads`.
"""
