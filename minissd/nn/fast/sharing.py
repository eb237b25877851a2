"""How the work of one layer is dealt out to the threads.

The kernels are compiled without threads of their own: each call does the part that it is told to, and lets go
of Python's lock, so that several calls run at once. Which part a thread does depends on the sizes alone and
never on who is first; the same input gives the same bits every time.
"""

from __future__ import annotations

from minissd.nn.fast.simd import LANES
from minissd.nn.fast.tile import COLUMNS, ROWS
from minissd.nn.threads import in_threads, num_threads, spans

SMALL_WORK = 1 << 22  # multiplications that one thread does before it could have woken another
MANY_WEIGHTS = 1 << 18  # that should not pass through the cache of every thread: 1 MB
FEW_WEIGHTS = 1 << 16  # that are reordered before a thread could have been woken


def split_work(count, chunks, depth):
    """Deal out pieces of the map and chunks of output channels: (pieces, chunks) for each thread.

    Where the weights are few, each thread takes a part of the map. Where they are many, each takes some
    output channels, so that only its own part of the weights passes through its cache; then every thread
    prepares all of the input, which costs little in comparison.

    Parameters
    ----------
    count : int
        Tiles, places or images of the map.
    chunks : int
        Output channels in sixteens.
    depth : int
        Multiplications per piece and output channel.

    Examples
    --------
    >>> split_work(count=10, chunks=2, depth=9)  # too little for two threads
    [(slice(0, 10, None), slice(0, 2, None))]
    """
    everything = slice(0, count), slice(0, chunks)
    threads, weights = num_threads(), chunks * LANES * depth
    if threads == 1 or count * weights < SMALL_WORK:
        return [everything]
    if chunks >= COLUMNS * threads and (weights > MANY_WEIGHTS or count < ROWS * threads):
        return [(everything[0], span) for span in spans(chunks)]
    return [(part, everything[1]) for part in spans(count)]


def spans_of_weights(chunks, weights):
    """Deal out chunks of weights that are to be reordered."""
    return spans(chunks) if weights > FEW_WEIGHTS else [slice(0, chunks)]


def splits_chunks(work):
    """Whether the pieces of work are different output channels of the same places."""
    return len(work) > 1 and work[0][0] == work[1][0]


def in_shares(function, pieces):
    """Call ``function(number, piece)`` for all pieces at once."""
    in_threads(lambda numbered: function(*numbered), list(enumerate(pieces)))
