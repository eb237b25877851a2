r"""Matrix products by cuBLAS, where CuPy's ``matmul`` would copy transposed operands and ignore TF32.

For cuBLAS the numbers of a *column* are neighbours in memory, for us those of a row. The same memory read
its way is the transposed matrix; so, for :math:`C = A B`, it is asked for :math:`C^T = B^T A^T`, with the
operands as they lie.
"""

from __future__ import annotations

import sys

import numpy as np

from minissd.backend import tf32_is_allowed

FACTORS = np.array([0, 1], np.float32)
ZERO, ONE = FACTORS.ctypes.data, FACTORS.ctypes.data + FACTORS.itemsize  # addresses, as cuBLAS wants them
OUTPUTS_OF_A_BLOCK = 64 * 64  # that cuBLAS gives to one block of threads, at the least
BLOCKS = 2048  # that fill a GPU several times: of the last filling, which is not full, little is left over
SHORTEST = 512  # terms of a sum that is not worth to be split


def multiply(a, b, out=None, *, transpose_a=False, transpose_b=False, accumulate=False):
    """Product of matrices, or of two batches of matrices.

    Parameters
    ----------
    a : array of float32, (m, k) or (B, m, k)
        With `transpose_a`, (k, m) or (B, k, m). The numbers of a row must be neighbours; there may be gaps
        between rows, and anything between matrices, so a part of an array is multiplied in place.
    b : array of float32, (k, n) or (B, k, n)
        With `transpose_b`, (n, k) or (B, n, k). One matrix is multiplied with all of a batch.
    out : array of float32, (m, n) or (B, m, n), optional
        Where the product goes.
    accumulate : bool
        Whether to add to `out`.

    Returns
    -------
    array, (m, n) or (B, m, n)
    """
    batch = [array.shape[0] for array in (a, b) if array.ndim == 3]
    m, k = _shape(a, transpose_a)
    n = _shape(b, transpose_b)[1]
    cupy = sys.modules["cupy"]
    if out is None:
        out = cupy.empty((*batch[:1], m, n), np.float32)
    if k == 0 and not accumulate:
        out.fill(0)
    if out.size and k:
        _multiply(cupy, a, b, out, (m, n, k), (transpose_a, transpose_b), accumulate)
    return out


def correlate(a, b):
    """``a @ b.T`` of (m, k) and (n, k) for few long rows: sums are split, so that all of the GPU has work.

    Returns
    -------
    array, (m, n)
    """
    parts = parts_of(a.shape[1], a.shape[0] * b.shape[0])
    length = a.shape[1] // parts
    whole = parts * length  # terms in parts of equal length; the few behind them are added at the end
    cut = [array[:, :whole].reshape(len(array), parts, length).swapaxes(0, 1) for array in (a, b)]
    sums = multiply(*cut, transpose_b=True)
    if whole < a.shape[1]:
        multiply(a[:, whole:], b[:, whole:], sums[0], transpose_b=True, accumulate=True)
    return sums[0] if parts == 1 else sums.sum(axis=0)


def parts_of(length, outputs):
    """In how many parts sums of `length` terms are split where there are so many outputs.

    Examples
    --------
    >>> parts_of(90000, 64 * 64), parts_of(90000, 512 * 512), parts_of(700, 64 * 64)
    (175, 32, 1)
    """
    return max(1, min(BLOCKS * OUTPUTS_OF_A_BLOCK // max(outputs, 1), length // SHORTEST, BLOCKS))


def _shape(array, transposed):
    rows, columns = array.shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _multiply(cupy, a, b, out, sizes, transposed, accumulate):
    from cupy_backends.cuda.libs import cublas

    (m, n, k), kind = sizes, cupy.cuda.runtime.CUDA_R_32F
    operations = [cublas.CUBLAS_OP_T if t else cublas.CUBLAS_OP_N for t in transposed]
    compute = cublas.CUBLAS_COMPUTE_32F_FAST_TF32 if tf32_is_allowed() else cublas.CUBLAS_COMPUTE_32F
    (a_row, a_step), (b_row, b_step), (out_row, out_step) = map(_steps, (a, b, out))
    cublas.gemmStridedBatchedEx(
        cupy.cuda.device.get_cublas_handle(),
        *operations[::-1],
        *(n, m, k),
        ONE,
        *(b.data.ptr, kind, b_row, b_step),
        *(a.data.ptr, kind, a_row, a_step),
        ONE if accumulate else ZERO,
        *(out.data.ptr, kind, out_row, out_step),
        len(out) if out.ndim == 3 else 1,
        compute,
        cublas.CUBLAS_GEMM_DEFAULT,
    )


def _steps(array):
    """Numbers from row to row, and from matrix to matrix."""
    rows, columns = array.shape[-2:]
    if columns > 1 and array.strides[-1] != array.itemsize:
        raise ValueError(f"strides {array.strides}: the numbers of a row are no neighbours")
    row = array.strides[-2] // array.itemsize if rows > 1 else columns
    return max(row, columns), array.strides[0] // array.itemsize if array.ndim == 3 else 0
