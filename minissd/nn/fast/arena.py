"""A piece of memory that is dealt out, and taken back when nobody holds it any more.

Python counts the holders of every object, and a view of an array holds the array. An arena cuts *blocks* from
a few large arrays and hands out views of them; when nobody but the arena holds a block, it is free again. So
the result of a layer stays what it is for as long as somebody can see it, and no layer has to give it back.

A network asks for the same sizes in every step, and a free block of the right size is found at once. When
there is none, neighbours that are free are joined, and a new block is cut where it fits best.
"""

from __future__ import annotations

import sys

import numpy as np

CACHE_LINE = 64  # bytes
LINE = CACHE_LINE // 4  # float32 in a cache line
LEAST = 1 << 22  # float32 of the first large array; each further one is as large as all before it together


class Block:
    """Some numbers of a chunk, from `start` to before `stop`.

    Attributes
    ----------
    memory : ndarray of float32, or None
        The array whose views are handed out. None for a block that was never handed out.
    """

    __slots__ = ("memory", "start", "stop")

    def __init__(self, start, stop, memory=None):
        self.start, self.stop, self.memory = start, stop, memory

    def is_free(self):
        """Whether nobody but the block holds its memory."""
        return self.memory is None or sys.getrefcount(self.memory) <= _HELD_BY_ITS_BLOCK


class Chunk:
    """A large array and the blocks that it is cut into, in order."""

    def __init__(self, size):
        array = np.empty(size + LINE, np.float32)
        start = -(array.ctypes.data // 4) % LINE
        self.bytes = memoryview(array[start : start + size]).cast("B")
        self.blocks = [Block(0, size)]
        self.used = True

    def is_free(self):
        """Whether nothing of it is held."""
        return all(block.is_free() for block in self.blocks)

    def join_free_blocks(self):
        """Make one block of neighbours that are free."""
        joined = []
        for block in self.blocks:
            if block.is_free():
                block.memory = None  # from now on nobody can take this block as it was
                if joined and joined[-1].memory is None:
                    joined[-1].stop = block.stop
                    continue
            joined.append(block)
        self.blocks = joined

    def holes(self, size):
        """Blocks for at least so many numbers that were never handed out, or were joined."""
        return (block for block in self.blocks if block.memory is None and block.stop - block.start >= size)

    def cut(self, hole, size):
        """Cut a block from the beginning of a hole."""
        # An array that does not own its memory, made from something that is no array: so views hold it.
        part = self.bytes[4 * hole.start : 4 * (hole.start + size)]
        block = Block(hole.start, hole.start + size, np.frombuffer(part, np.float32))
        rest = Block(block.stop, hole.stop)
        number = self.blocks.index(hole)
        self.blocks[number : number + 1] = [block, rest] if rest.start < rest.stop else [block]
        self.used = True
        return block


class Arena:
    """Memory for arrays of any size; see the top of this file.

    Examples
    --------
    The second array gets the memory of the first one, because nobody holds that any more.

    >>> arena = Arena()
    >>> array = arena.take(1000)
    >>> address = array.ctypes.data
    >>> del array
    >>> arena.take(900).ctypes.data == address
    True
    """

    def __init__(self):
        self._chunks: list[Chunk] = []
        self._blocks: dict[int, list[tuple[Block, Chunk]]] = {}  # by size

    @property
    def nbytes(self):
        """Bytes of all chunks; those that were never written to take no room in the machine's memory."""
        return sum(chunk.bytes.nbytes for chunk in self._chunks)

    def take(self, size):
        """Return `size` float32 with any content that nobody else holds."""
        rounded = max(-(-size // LINE), 1) * LINE
        blocks = self._blocks.setdefault(rounded, [])
        for number, (block, chunk) in enumerate(blocks):
            if block.memory is None:  # joined with its neighbours
                del blocks[number]
                return self.take(size)
            if block.is_free():
                chunk.used = True
                return block.memory[:size]
        blocks.append(self._cut(rounded))
        return blocks[-1][0].memory[:size]

    def tidy(self):
        """Give back the chunks from which nothing was taken since the last time and nothing is held."""
        if not all(chunk.used for chunk in self._chunks):
            self._chunks = [chunk for chunk in self._chunks if chunk.used or not chunk.is_free()]
            self._blocks = {}
            for chunk in self._chunks:
                chunk.join_free_blocks()
        for chunk in self._chunks:
            chunk.used = False

    def _cut(self, size):
        """Cut a block from the smallest hole that it fits in, or from a new chunk; block and chunk."""
        for chunk in self._chunks:
            chunk.join_free_blocks()
        holes = [
            (hole.stop - hole.start, hole, chunk) for chunk in self._chunks for hole in chunk.holes(size)
        ]
        if holes:
            _, hole, chunk = min(holes, key=lambda item: item[0])
            return chunk.cut(hole, size), chunk
        chunk = Chunk(max(size, LEAST, self.nbytes // 4))
        self._chunks.append(chunk)
        return chunk.cut(chunk.blocks[0], size), chunk


_block = Block(0, 0, np.empty(0))
_HELD_BY_ITS_BLOCK = sys.getrefcount(_block.memory)
