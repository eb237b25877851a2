"""The compiled inner part of `minissd.nn.fast.winograd`: transform, multiply, transform back.

Arrays are flat. What the names stand for::

    x, y, dy   maps, channels last                            shape (N, H, W, C)
    v          transformed input tiles                        [36][tile][row of v]
    u          transformed weights, and their gradient        [chunk of outputs][36][inputs][16]
    m          products, still transformed                    [tile][36][outputs]
    d          transformed tiles of the output's gradient     [36][chunk][tile][16]

A chunk is sixteen output channels, one vector. A row of v is 16 numbers longer than its channels: at a length
that is a power of two, rows would compete for the same few places of the cache.

Work is shared out in one of two ways. *By tiles*, where there are few weights: each thread takes a block of
tiles through all steps, and what one step writes is still in its cache when the next one reads it. *By
points*, where there are many: all threads transform the tiles of a large block, then each multiplies for some
of the 36 points, so that the weights come from memory once per block and pass through one cache only.
"""

from __future__ import annotations

from collections import namedtuple

from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.maps import Map
from minissd.nn.fast.products import (
    NO_LIMIT,
    NONE,
    PAIR,
    add_outer_products,
    count_chunks,
    multiply,
    padded_rows,
)
from minissd.nn.fast.simd import LANES, advance, clear, local_memory, memory
from minissd.nn.fast.team import share_out
from minissd.nn.fast.tile import COLUMNS, MANY_ROWS
from minissd.nn.fast.winograd_tiles import (
    read_gradient_tile,
    read_input_tile,
    with_origins,
    write_output_tile,
)
from minissd.nn.fast.winograd_transforms import POINTS

# How a block of tiles lies in memory: tiles in it, room for tiles (strips may do some too many), channels,
# distance between tiles and between points in v, distance between tiles and between points in m.
Block = namedtuple("Block", "tiles room inputs outputs v_tile v_point m_tile m_point")

GROUP = 2 * MANY_ROWS  # tiles that are multiplied by all weights of a point before the next ones
TILES_PER_PIECE = MANY_ROWS  # that a thread transforms at a time


@njit(nogil=True)
def multiply_tiles(v, tiles, u, point, chunk, block, m, o):
    """The product for one point: all tiles, one or two chunks."""
    depth, m_tile = block.inputs, block.m_tile
    columns = min(COLUMNS, count_chunks(block.outputs) - chunk) * LANES
    i, j = point * block.v_point, (chunk * POINTS + point) * depth * LANES
    step, zeros = POINTS * depth * LANES, local_memory(PAIR)
    clear(zeros, 0, PAIR)
    multiply(v, i, block.v_tile, tiles, u, j, step, depth, columns, zeros, NONE, NO_LIMIT, m, o, m_tile)


@njit(nogil=True)
def convolve_tiles(thread, piece, x, u, bias, low, y, grid, block, v, m):
    """All outputs of a block of tiles."""
    v, m = advance(v, thread * POINTS * block.v_point), advance(m, thread * block.room * block.m_tile)
    begin, chunks = piece * block.tiles, count_chunks(block.outputs)
    tiles = min(block.tiles, grid.tiles - begin)
    for t in range(tiles):
        read_input_tile(x, begin + t, grid, v, t * block.v_tile, block.v_point)
    for chunk in range(0, chunks, COLUMNS):
        last = min(chunk + COLUMNS, chunks)
        for point in range(POINTS):
            multiply_tiles(v, tiles, u, point, chunk, block, m, point * block.m_point)
        for t in range(tiles):
            for c in range(chunk, last):
                i = t * block.m_tile + (c - chunk) * LANES
                write_output_tile(m, i, block.m_point, y, begin + t, grid, c * LANES, bias, low)


@njit(nogil=True)
def read_tiles(thread, piece, x, begin, end, grid, block, v):
    """First step: transform some tiles of the block from `begin` to before `end`."""
    first = begin + piece * TILES_PER_PIECE
    for tile in range(first, min(first + TILES_PER_PIECE, end)):
        read_input_tile(x, tile, grid, v, (tile - begin) * block.v_tile, block.v_point)


@njit(nogil=True)
def multiply_point(thread, piece, v, tiles, u, block, m):
    """Second step: the product for one point."""
    for t in range(0, tiles, GROUP):
        strips, count = advance(v, t * block.v_tile), min(GROUP, tiles - t)
        for chunk in range(0, count_chunks(block.outputs), COLUMNS):
            o = t * block.m_tile + piece * block.m_point + chunk * LANES
            multiply_tiles(strips, count, u, piece, chunk, block, m, o)


@njit(nogil=True)
def write_tiles(thread, piece, m, begin, end, bias, low, y, grid, block):
    """Third step: transform the products of some tiles back."""
    first = begin + piece * TILES_PER_PIECE
    for tile in range(first, min(first + TILES_PER_PIECE, end)):
        for channel in range(0, block.outputs, LANES):
            i = (tile - begin) * block.m_tile + channel
            write_output_tile(m, i, block.m_point, y, tile, grid, channel, bias, low)


@compiled
def convolve(mailbox, x, x_shape, u, bias, low, y, y_shape, origins, grid, block, by_points, v, m):
    """Convolve a map with packed weights u; see the top of this file."""
    x, y, grid = Map(memory(x), x_shape), Map(memory(y), y_shape), with_origins(grid, origins)
    u, bias, v, m = memory(u), memory(bias), memory(v), memory(m)
    blocks = (grid.tiles + block.tiles - 1) // block.tiles
    if not by_points:
        share_out(mailbox, blocks, convolve_tiles, (x, u, bias, low, y, grid, block, v, m))
        return
    for begin in range(0, grid.tiles, block.tiles):
        end = min(begin + block.tiles, grid.tiles)
        pieces = (end - begin + TILES_PER_PIECE - 1) // TILES_PER_PIECE
        share_out(mailbox, pieces, read_tiles, (x, begin, end, grid, block, v))
        share_out(mailbox, POINTS, multiply_point, (v, end - begin, u, block, m))
        share_out(mailbox, pieces, write_tiles, (m, begin, end, bias, low, y, grid, block))


@njit(nogil=True)
def correlate_pairs(v, d, tiles, point, block, u):
    """Add the outer products of all tiles for one point."""
    rows, chunks, d_chunk = padded_rows(block.inputs), count_chunks(block.outputs), block.tiles * LANES
    u_chunk = POINTS * rows * LANES
    for c in range(0, block.inputs, MANY_ROWS):  # a few inputs of all tiles stay in the cache
        i, inputs = point * block.v_point + c, min(MANY_ROWS, block.inputs - c)
        for chunk in range(0, chunks, COLUMNS):
            j, columns = (point * chunks + chunk) * d_chunk, min(COLUMNS, chunks - chunk) * LANES
            o = ((chunk * POINTS + point) * rows + c) * LANES
            add_outer_products(v, i, block.v_tile, inputs, d, j, d_chunk, tiles, columns, u, o, u_chunk)


@njit(nogil=True)
def read_pairs(thread, piece, x, dy, begin, end, grid, block, v, d):
    """Transform some tiles of the input and of the output's gradient."""
    first, d_chunk = begin + piece * TILES_PER_PIECE, block.tiles * LANES
    d_point = count_chunks(block.outputs) * d_chunk
    for tile in range(first, min(first + TILES_PER_PIECE, end)):
        read_input_tile(x, tile, grid, v, (tile - begin) * block.v_tile, block.v_point)
        read_gradient_tile(dy, tile, grid, d, (tile - begin) * LANES, d_chunk, d_point)


@njit(nogil=True)
def correlate_tiles(thread, piece, parts, x, dy, grid, block, v, d, u):
    """One of some parts of the gradient: the sum over its share of the tiles, a block at a time."""
    size = count_chunks(block.outputs) * POINTS * LANES
    v, u = advance(v, piece * POINTS * block.v_point), advance(u, piece * size * padded_rows(block.inputs))
    d = advance(d, piece * size * block.tiles)
    clear(u, 0, size * padded_rows(block.inputs))
    last = grid.tiles * (piece + 1) // parts
    for begin in range(grid.tiles * piece // parts, last, block.tiles):
        end = min(begin + block.tiles, last)
        for read in range(0, (end - begin + TILES_PER_PIECE - 1) // TILES_PER_PIECE):
            read_pairs(thread, read, x, dy, begin, end, grid, block, v, d)
        for point in range(POINTS):
            correlate_pairs(v, d, end - begin, point, block, u)


@njit(nogil=True)
def correlate_point(thread, piece, v, d, tiles, first, block, u):
    """The gradient for one point from a block of tiles, added to that from the blocks before it."""
    size = padded_rows(block.inputs) * LANES
    for chunk in range(count_chunks(block.outputs) if first else 0):
        clear(u, (chunk * POINTS + piece) * size, size)
    correlate_pairs(v, d, tiles, piece, block, u)


@compiled
def correlate(mailbox, x, x_shape, dy, dy_shape, origins, grid, block, parts, v, d, u):
    """Gradient of the transformed weights, in so many parts that are still to be added up; by points: one."""
    x, dy, grid = Map(memory(x), x_shape), Map(memory(dy), dy_shape), with_origins(grid, origins)
    v, d, u = memory(v), memory(d), memory(u)
    if parts > 1:
        share_out(mailbox, parts, correlate_tiles, (parts, x, dy, grid, block, v, d, u))
        return
    for begin in range(0, grid.tiles, block.tiles):
        end = min(begin + block.tiles, grid.tiles)
        pieces = (end - begin + TILES_PER_PIECE - 1) // TILES_PER_PIECE
        share_out(mailbox, pieces, read_pairs, (x, dy, begin, end, grid, block, v, d))
        share_out(mailbox, POINTS, correlate_point, (v, d, end - begin, begin == 0, block, u))
