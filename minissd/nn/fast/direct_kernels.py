"""The compiled inner part of `minissd.nn.fast.direct`: gather patches, multiply.

Arrays are flat. What the names stand for::

    x, y, dx, dy   maps, channels last                     shape (N, H, W, C)
    a              patches, one per output place           [place][kernel row][kernel column][channel]
    w              weights, and their gradient             [chunk of outputs][kernel place][inputs][16]
    d              gradients of the output                 [chunk][place][16]

A chunk is sixteen output channels, one vector. Between patches in `a` there is a gap of at least 16 numbers:
at a distance that is a power of two, they would compete for the same few places of the cache.

Work is shared out *by places*, where there are few weights: each thread takes a block of places through both
steps, and its patches stay in its cache. Where there are many, all threads gather a large block and then each
multiplies for some *chunks*, so that the weights come from memory once per block.
"""

from __future__ import annotations

from collections import namedtuple

from numba import njit

from minissd.compilation import compiled, inlined
from minissd.nn.fast.maps import Map
from minissd.nn.fast.products import NO_LIMIT, PAIR, add_outer_products, count_chunks, multiply, padded_rows
from minissd.nn.fast.simd import (
    LANES,
    advance,
    clear,
    copy,
    load,
    load_lanes,
    local_memory,
    memory,
    store,
    store_lanes,
)
from minissd.nn.fast.team import share_out
from minissd.nn.fast.tile import COLUMNS, MANY_ROWS

# The kernel; then places that are worked on at a time, numbers in a patch, distance between patches.
Geometry = namedtuple("Geometry", "kernel stride padding dilation block depth row")

PLACES_PER_PIECE = MANY_ROWS  # that a thread gathers at a time
CHUNKS_PER_PIECE = 8  # that a thread multiplies by
GROUP = 2 * MANY_ROWS  # places that are multiplied by all of these before the next ones


@inlined
def gather_row(x, place, left, width, channels, geometry, a, o):
    """Copy one kernel row; ``x[place]`` belongs to its first place, which is in column `left` of the map."""
    kernel, dilation = geometry.kernel, geometry.dilation
    if dilation == 1 and left >= 0 and left + kernel <= width:  # neighbours on the map: one run of memory
        copy(x, place, a, o, kernel * channels)
    elif dilation == 1:
        first = min(kernel, max(0, -left)) * channels
        last = max(first, min(kernel, width - left) * channels)
        clear(a, o, first)
        copy(x, place + first, a, o + first, last - first)
        clear(a, o + last, kernel * channels - last)
    else:
        for j in range(kernel):
            if 0 <= left + j * dilation < width:
                copy(x, place + j * dilation * channels, a, o + j * channels, channels)
            else:
                clear(a, o + j * channels, channels)


@inlined
def gather_patch(x, image, row, column, geometry, a, o):
    """Copy the inputs under one output place, with zeros where they leave the map."""
    _, height, width, channels = x.shape
    top, left = row * geometry.stride - geometry.padding, column * geometry.stride - geometry.padding
    length = geometry.kernel * channels
    for i in range(geometry.kernel):
        r = top + i * geometry.dilation
        if 0 <= r < height:
            place = ((image * height + r) * width + left) * channels
            gather_row(x.numbers, place, left, width, channels, geometry, a, o + i * length)
        else:
            clear(a, o + i * length, length)


@njit(nogil=True)
def gather(x, y_shape, begin, count, geometry, a, o):
    """Copy the patches of `count` output places from number `begin` on."""
    _, height, width, _ = y_shape
    image, rest = begin // (height * width), begin % (height * width)
    row, column = rest // width, rest % width
    for p in range(count):
        gather_patch(x, image, row, column, geometry, a, o + p * geometry.row)
        column += 1
        if column == width:
            row, column = row + 1, 0
            if row == height:
                image, row = image + 1, 0


@njit(nogil=True)
def multiply_patches(a, places, chunk, w, bias, low, y, o, geometry):
    """Outputs of some places, from number `o` of y on, and of one or two chunks."""
    channels, chunk_step = y.shape[3], geometry.depth * LANES
    columns, c = min(PAIR, channels - chunk * LANES), chunk * LANES
    j, depth, row = chunk * chunk_step, geometry.depth, geometry.row
    multiply(a, 0, row, places, w, j, chunk_step, depth, columns, bias, c, low, y.numbers, o + c, channels)


@njit(nogil=True)
def convolve_places(thread, piece, x, w, bias, low, y, geometry, places, a):
    """All outputs of a block of places."""
    a = advance(a, thread * geometry.block * geometry.row)
    begin, channels = piece * geometry.block, y.shape[3]
    count = min(geometry.block, places - begin)
    gather(x, y.shape, begin, count, geometry, a, 0)
    for chunk in range(0, count_chunks(channels), COLUMNS):
        multiply_patches(a, count, chunk, w, bias, low, y, begin * channels, geometry)


@njit(nogil=True)
def gather_piece(thread, piece, x, y_shape, begin, end, geometry, a):
    """First step: gather some of the patches from `begin` to before `end`."""
    first = piece * PLACES_PER_PIECE
    count = min(PLACES_PER_PIECE, end - begin - first)
    gather(x, y_shape, begin + first, count, geometry, a, first * geometry.row)


@njit(nogil=True)
def multiply_piece(thread, piece, a, begin, end, w, bias, low, y, geometry):
    """Second step: some chunks of all places."""
    first, channels = piece * CHUNKS_PER_PIECE, y.shape[3]
    for p in range(begin, end, GROUP):
        count, patches = min(GROUP, end - p), advance(a, (p - begin) * geometry.row)
        for chunk in range(first, min(first + CHUNKS_PER_PIECE, count_chunks(channels)), COLUMNS):
            multiply_patches(patches, count, chunk, w, bias, low, y, p * channels, geometry)


@compiled
def convolve(mailbox, x, x_shape, w, bias, low, y, y_shape, geometry, by_chunks, a):
    """Convolve a map with packed weights w; see the top of this file."""
    x, y = Map(memory(x), x_shape), Map(memory(y), y_shape)
    w, bias, a = memory(w), memory(bias), memory(a)
    places, block = y_shape[0] * y_shape[1] * y_shape[2], geometry.block
    if not by_chunks:
        pieces = (places + block - 1) // block
        share_out(mailbox, pieces, convolve_places, (x, w, bias, low, y, geometry, places, a))
        return
    groups = (count_chunks(y_shape[3]) + CHUNKS_PER_PIECE - 1) // CHUNKS_PER_PIECE
    for begin in range(0, places, block):
        end = min(begin + block, places)
        pieces = (end - begin + PLACES_PER_PIECE - 1) // PLACES_PER_PIECE
        share_out(mailbox, pieces, gather_piece, (x, y_shape, begin, end, geometry, a))
        share_out(mailbox, groups, multiply_piece, (a, begin, end, w, bias, low, y, geometry))


@njit(nogil=True)
def scatter(m, y_shape, begin, places, tap, geometry, dx, channel):
    """Add sixteen channels of what each output place sends back through one kernel place to dx."""
    _, height, width, channels = dx.shape
    count = min(LANES, channels - channel)
    image, rest = begin // (y_shape[1] * y_shape[2]), begin % (y_shape[1] * y_shape[2])
    row, column = rest // y_shape[2], rest % y_shape[2]
    down = tap // geometry.kernel * geometry.dilation - geometry.padding
    right = tap % geometry.kernel * geometry.dilation - geometry.padding
    for p in range(places):
        r, q = row * geometry.stride + down, column * geometry.stride + right
        if 0 <= r < height and 0 <= q < width:
            o = ((image * height + r) * width + q) * channels + channel
            value = load_lanes(dx.numbers, o, count) + load(m, p * LANES)
            store_lanes(dx.numbers, o, value, count)
        column += 1
        if column == y_shape[2]:
            row, column = row + 1, 0
            if row == y_shape[1]:
                image, row = image + 1, 0


@njit(nogil=True)
def copy_rows(thread, piece, dy, channels, begin, end, geometry, a):
    """Put the output gradients of some places apart as patches are."""
    first = piece * PLACES_PER_PIECE
    for p in range(first, min(first + PLACES_PER_PIECE, end - begin)):
        copy(dy, (begin + p) * channels, a, p * geometry.row, channels)


@njit(nogil=True)
def send_back_chunk(thread, chunk, a, y_shape, begin, end, w, dx, geometry, m):
    """Add the gradient from some places to sixteen channels of dx."""
    taps, depth = geometry.kernel * geometry.kernel, geometry.depth
    m = advance(m, thread * geometry.block * LANES)
    zeros = local_memory(PAIR)
    clear(zeros, 0, PAIR)
    for tap in range(taps):
        j = (chunk * taps + tap) * depth * LANES
        multiply(a, 0, geometry.row, end - begin, w, j, 0, depth, LANES, zeros, 0, NO_LIMIT, m, 0, LANES)
        scatter(m, y_shape, begin, end - begin, tap, geometry, dx, chunk * LANES)


@compiled
def send_back(mailbox, dy, y_shape, w, dx, dx_shape, geometry, a, m):
    """Gradient of the input: every output place sends its gradient back; `geometry.depth` are the outputs."""
    dy, w, dx = memory(dy), memory(w), Map(memory(dx), dx_shape)
    a, m = memory(a), memory(m)
    places = y_shape[0] * y_shape[1] * y_shape[2]
    for begin in range(0, places, geometry.block):
        end = min(begin + geometry.block, places)
        pieces = (end - begin + PLACES_PER_PIECE - 1) // PLACES_PER_PIECE
        share_out(mailbox, pieces, copy_rows, (dy, y_shape[3], begin, end, geometry, a))
        chunks = count_chunks(dx_shape[3])
        share_out(mailbox, chunks, send_back_chunk, (a, y_shape, begin, end, w, dx, geometry, m))


@njit(nogil=True)
def gather_pairs(thread, piece, x, dy, begin, end, geometry, a, d):
    """Gather some of the patches from `begin` to before `end`, and their output gradients in chunks."""
    first, channels = piece * PLACES_PER_PIECE, dy.shape[3]
    count = min(PLACES_PER_PIECE, end - begin - first)
    gather(x, dy.shape, begin + first, count, geometry, a, first * geometry.row)
    for chunk in range(count_chunks(channels)):
        lanes = min(LANES, channels - chunk * LANES)
        for p in range(first, first + count):
            value = load_lanes(dy.numbers, (begin + p) * channels + chunk * LANES, lanes)
            store(d, (chunk * geometry.block + p) * LANES, value)


@njit(nogil=True)
def correlate_chunks(thread, piece, a, d, places, first, outputs, geometry, w):
    """The outer products of some places for some chunks, added to those from the places before."""
    begin, d_chunk = piece * CHUNKS_PER_PIECE, geometry.block * LANES
    w_chunk = padded_rows(geometry.depth) * LANES
    end = min(begin + CHUNKS_PER_PIECE, count_chunks(outputs))
    if first:
        clear(w, begin * w_chunk, (end - begin) * w_chunk)
    for r in range(0, geometry.depth, MANY_ROWS):  # a few numbers of all patches stay in the cache
        rows = min(MANY_ROWS, geometry.depth - r)
        for chunk in range(begin, end, COLUMNS):
            columns, j, o = min(COLUMNS, end - chunk) * LANES, chunk * d_chunk, chunk * w_chunk + r * LANES
            add_outer_products(a, r, geometry.row, rows, d, j, d_chunk, places, columns, w, o, w_chunk)


@njit(nogil=True)
def correlate_places(thread, piece, parts, x, dy, geometry, a, d, w):
    """One of some parts of the gradient: the sum over its share of the places, a block at a time."""
    chunks, block = count_chunks(dy.shape[3]), geometry.block
    size = chunks * padded_rows(geometry.depth) * LANES
    a, d = advance(a, piece * block * geometry.row), advance(d, piece * block * chunks * LANES)
    w = advance(w, piece * size)
    places = dy.shape[0] * dy.shape[1] * dy.shape[2]
    start, last = places * piece // parts, places * (piece + 1) // parts
    for begin in range(start, last, block):
        end = min(begin + block, last)
        for group in range((end - begin + PLACES_PER_PIECE - 1) // PLACES_PER_PIECE):
            gather_pairs(thread, group, x, dy, begin, end, geometry, a, d)
        for group in range((chunks + CHUNKS_PER_PIECE - 1) // CHUNKS_PER_PIECE):
            correlate_chunks(thread, group, a, d, end - begin, begin == start, dy.shape[3], geometry, w)


@compiled
def correlate(mailbox, x, x_shape, dy, dy_shape, geometry, parts, a, d, w):
    """Gradient of the weights, in so many parts that are still to be added up; by chunks in one."""
    x, dy = Map(memory(x), x_shape), Map(memory(dy), dy_shape)
    a, d, w = memory(a), memory(d), memory(w)
    if parts > 1:
        share_out(mailbox, parts, correlate_places, (parts, x, dy, geometry, a, d, w))
        return
    chunks, places = count_chunks(dy_shape[3]), dy_shape[0] * dy_shape[1] * dy_shape[2]
    for begin in range(0, places, geometry.block):
        end = min(begin + geometry.block, places)
        pieces = (end - begin + PLACES_PER_PIECE - 1) // PLACES_PER_PIECE
        share_out(mailbox, pieces, gather_pairs, (x, dy, begin, end, geometry, a, d))
        arguments = (a, d, end - begin, begin == 0, dy_shape[3], geometry, w)
        share_out(mailbox, (chunks + CHUNKS_PER_PIECE - 1) // CHUNKS_PER_PIECE, correlate_chunks, arguments)
