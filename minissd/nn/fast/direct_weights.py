"""Weights to and from the order in which `minissd.nn.fast.direct` reads them."""

from __future__ import annotations

from numba import njit

from minissd.compilation import compiled
from minissd.nn.fast.products import count_chunks, padded_rows
from minissd.nn.fast.simd import LANES, memory, read_number, write_number
from minissd.nn.fast.team import share_out


@njit(nogil=True)
def pack_chunk(thread, chunk, weight, layout, taps, outputs, inputs, w):
    """Reorder the weights of sixteen outputs."""
    start, output_step, input_step, tap_step = layout
    count = min(LANES, outputs - chunk * LANES)
    for k in range(taps):
        for i in range(inputs):
            o = ((chunk * taps + k) * inputs + i) * LANES
            source = start + chunk * LANES * output_step + i * input_step + k * tap_step
            for lane in range(count):
                write_number(w, o + lane, read_number(weight, source + lane * output_step))
            for lane in range(count, LANES):
                write_number(w, o + lane, 0.0)


@compiled
def pack(mailbox, weight, layout, taps, outputs, inputs, w):
    """Reorder weights: tap k of output o and input i is ``weight[start + o * output_step + i * input_step +
    k * tap_step]`` for ``layout = start, output_step, input_step, tap_step``."""
    arguments = memory(weight), layout, taps, outputs, inputs, memory(w)
    share_out(mailbox, count_chunks(outputs), pack_chunk, arguments)


@njit(nogil=True)
def unpack_chunk(thread, chunk, w, parts, part_step, taps, outputs, inputs, dweight):
    """Add up the parts of the gradient of sixteen outputs and put it in the order of the weights."""
    start = chunk * padded_rows(taps * inputs) * LANES
    for lane in range(min(LANES, outputs - chunk * LANES)):
        for i in range(inputs):
            for k in range(taps):
                o, total = start + (k * inputs + i) * LANES + lane, 0.0
                for part in range(parts):
                    total += read_number(w, o + part * part_step)
                write_number(dweight, ((chunk * LANES + lane) * inputs + i) * taps + k, total)


@compiled
def unpack_gradient(mailbox, w, parts, part_step, taps, outputs, inputs, dweight):
    """Gradient of the weights (O, I, K, K) from its packed parts."""
    arguments = memory(w), parts, part_step, taps, outputs, inputs, memory(dweight)
    share_out(mailbox, count_chunks(outputs), unpack_chunk, arguments)
