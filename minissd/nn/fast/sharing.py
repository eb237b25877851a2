"""How the work of one layer is dealt out to the threads.

The kernels are compiled without threads of their own: each call does the part that it is told to, and lets go
of Python's lock, so that several calls run at once. Which part a thread does depends on the sizes alone and
never on who is first; the same input gives the same bits every time.
"""

from __future__ import annotations

from minissd.nn.fast.tile import COLUMNS
from minissd.nn.threads import in_threads, num_threads, spans

FEW_WEIGHTS = 8192  # floats of one kernel place: 32 kB


def split_work(count, chunks, depth):
    """Deal out pieces of the map and chunks of output channels: (pieces, chunks) for each thread.

    Where the weights are few, each thread takes a part of the map. Where they are many, each takes some output
    channels, so that only its own part of the weights passes through its cache; then every thread prepares
    all of the input, which costs little in comparison.

    Parameters
    ----------
    count : int
        Tiles or places of the map.
    chunks : int
        Output channels in sixteens.
    depth : int
        Input channels.
    """
    everything = slice(0, count), slice(0, chunks)
    threads = num_threads()
    if threads == 1 or count * chunks <= 1:
        return [everything]
    if chunks >= COLUMNS * threads and (chunks * depth >= FEW_WEIGHTS or count < 6 * threads):
        return [(everything[0], span) for span in spans(chunks)]
    return [(part, everything[1]) for part in spans(count)]


def splits_chunks(work):
    """Whether the pieces of work are different output channels of the same places."""
    return len(work) > 1 and work[0][0] == work[1][0]


def in_shares(function, pieces):
    """Call ``function(number, piece)`` for all pieces at once."""
    in_threads(lambda numbered: function(*numbered), list(enumerate(pieces)))
