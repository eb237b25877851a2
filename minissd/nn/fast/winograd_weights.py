"""Weights to and from the domain of Winograd's products, for `minissd.nn.fast.winograd`."""

from __future__ import annotations

from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.simd import LANES, load, local_memory, memory, read_number, store, write_number
from minissd.nn.fast.team import share_out
from minissd.nn.fast.winograd_transforms import POINTS, transform_weight, transform_weight_gradient

TAPS = 9
TAPS_SIZE, SCRATCH = TAPS * LANES, POINTS * LANES  # numbers of all taps, and of what the transforms need


@njit(nogil=True)
def pack_chunk(thread, chunk, weight, layout, outputs, inputs, u):
    """Transform the weights of sixteen outputs."""
    start, output_step, input_step, tap_step = layout
    taps, scratch = local_memory(TAPS_SIZE), local_memory(SCRATCH)
    count = min(LANES, outputs - chunk * LANES)
    for lane in range(TAPS_SIZE):
        write_number(taps, lane, 0.0)
    for i in range(inputs):
        for lane in range(count):
            source = start + (chunk * LANES + lane) * output_step + i * input_step
            for k in range(TAPS):
                write_number(taps, k * LANES + lane, read_number(weight, source + k * tap_step))
        o = (chunk * POINTS * inputs + i) * LANES
        transform_weight(taps, 0, scratch, u, o, inputs * LANES)


@compiled
def pack(mailbox, weight, layout, outputs, inputs, u):
    """Transform weights: tap k of output o and input i is ``weight[start + o * output_step + i * input_step +
    k * tap_step]`` for ``layout = start, output_step, input_step, tap_step``."""
    arguments = memory(weight), layout, outputs, inputs, memory(u)
    share_out(mailbox, (outputs + LANES - 1) // LANES, pack_chunk, arguments)


@njit(nogil=True)
def unpack_chunk(thread, chunk, u, parts, part_step, rows, outputs, inputs, dweight):
    """Add up the parts of the gradient of sixteen outputs and transform it back."""
    taps, scratch = local_memory(TAPS_SIZE), local_memory(SCRATCH)
    count, point_step = min(LANES, outputs - chunk * LANES), rows * LANES
    for i in range(inputs):
        o = chunk * POINTS * point_step + i * LANES
        for part in range(1, parts):
            for point in range(POINTS):
                p = o + point * point_step
                store(u, p, load(u, p) + load(u, p + part * part_step))
        transform_weight_gradient(u, o, point_step, scratch, taps, 0)
        for lane in range(count):
            target = ((chunk * LANES + lane) * inputs + i) * TAPS
            for k in range(TAPS):
                write_number(dweight, target + k, read_number(taps, k * LANES + lane))


@compiled
def unpack_gradient(mailbox, u, parts, part_step, rows, outputs, inputs, dweight):
    """Gradient of the weights (O, I, 3, 3) from that of the transformed weights."""
    arguments = memory(u), parts, part_step, rows, outputs, inputs, memory(dweight)
    share_out(mailbox, (outputs + LANES - 1) // LANES, unpack_chunk, arguments)
