"""How many threads share the shared memory that rows.cuh brings their rows to."""

from __future__ import annotations

SHARED_BYTES = 48 << 10  # that a block has on every GPU
WARP = 32
MOST_THREADS = 128
MOST_CLASSES = SHARED_BYTES // 4 // WARP


def threads_of(num_classes):
    """Threads of a block, whole warps.

    Examples
    --------
    >>> threads_of(21), threads_of(201), threads_of(MOST_CLASSES)
    (128, 32, 32)
    """
    return min(MOST_THREADS, SHARED_BYTES // (4 * num_classes) // WARP * WARP)


def launch_by_rows(kernel, num_rows, num_classes, arguments):
    """Run a kernel with a thread for each row of so many logits."""
    threads = threads_of(num_classes)
    blocks = -(-num_rows // threads)
    if blocks:
        kernel((blocks,), (threads,), arguments, shared_mem=4 * threads * num_classes)
