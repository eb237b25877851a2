"""Loss, mining and detection for predictions that lie on a GPU.

Each module serves CuPy's arrays of float32 and has the functions of the file of the method that calls it;
everything else on a GPU takes the readable way. The kernels are in the ``.cu`` file beside it, what several
share is in a ``.cuh``.

================  ============================================================
`multibox`        of `minissd.loss`: both losses with their gradients
`mining`          of `minissd.mining`, without sorting
`detection`       of `minissd.detect`, a whole batch at once
================  ============================================================

A GPU computes behind the program's back: the program orders, and goes on. It only has to wait where it asks
for a number, and while it waits it orders nothing, so the GPU will then stand idle too. Nothing here waits,
but for the detections at the end.
"""
