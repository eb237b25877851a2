"""Softmax of sixteen default boxes at a time.

The logits of sixteen priors are turned over, so that each class is a vector; then the softmax of sixteen rows
takes a few instructions per class, and the probabilities of a class lie side by side, as `nms` wants them.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled, inlined, part
from minissd.nn.fast.lanes import load_strided
from minissd.nn.fast.simd import LANES, broadcast, load, maximum, memory, store, store_lanes
from minissd.nn.fast.team import share_out
from minissd.nn.fast.vector_functions import exp

PRIORS = 32 * LANES  # that a thread deals with at a time


def padded(num_priors):
    """Room for so many priors in whole vectors."""
    return -(-num_priors // LANES) * LANES


@compiled
def share_softmax(mailbox, conf, scores, blocks):
    """Softmax of the logits of one image.

    Parameters
    ----------
    mailbox : ndarray
        See `minissd.nn.fast.team`.
    conf : ndarray of float32, (P, C)
    scores : ndarray of float32, (C - 1, P rounded up to sixteens)
        Receives the probabilities of the objects' classes, within a few units in the last place of
        `minissd.softmax.softmax`; -inf behind the last prior.
    blocks : ndarray of float32, (threads, 16 C)
        Memory to work in.
    """
    share_out(mailbox, (scores.shape[1] + PRIORS - 1) // PRIORS, softmax_of_some, (conf, scores, blocks))


@part
def softmax_of_some(thread, piece, conf, scores, blocks):
    """The share of one thread."""
    softmax(conf, scores, piece * PRIORS, min((piece + 1) * PRIORS, scores.shape[1]), blocks[thread])


@part
def softmax(conf, scores, begin, end, block):
    """Write the scores of the priors `begin` to `end`, both multiples of sixteen."""
    num_priors, num_classes, row = *conf.shape, scores.shape[1]
    conf, numbers, out = memory(conf), memory(block), memory(scores)
    for first in range(begin, end, LANES):
        lanes = min(LANES, num_priors - first)
        turn_over(conf, first * num_classes, num_classes, lanes, numbers)
        top, total = load(numbers, 0), broadcast(0)
        for c in range(1, num_classes):
            top = maximum(load(numbers, c * LANES), top)
        for c in range(num_classes):
            power = exp(load(numbers, c * LANES) - top)
            total = total + power
            store(numbers, c * LANES, power)
        share = broadcast(1) / total  # one division instead of one per class
        for c in range(1, num_classes):
            store(out, (c - 1) * row + first, broadcast(-np.inf))
            store_lanes(out, (c - 1) * row + first, load(numbers, c * LANES) * share, lanes)


@inlined
def turn_over(conf, at, num_classes, lanes, block):
    """Make vectors of a class from the rows of `lanes` priors."""
    if lanes == LANES:
        for c in range(num_classes):
            store(block, c * LANES, load_strided(conf, at + c, num_classes))
        return
    for c in range(num_classes):
        for lane in range(LANES):
            block[c * LANES + lane] = conf[at + lane * num_classes + c] if lane < lanes else 0
