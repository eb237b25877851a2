"""Cross entropy of every prior, and its gradient for the few that count; float32.

Of the losses all 8732 priors are needed, because mining compares them; of the probabilities only those of the
one prior in a hundred that is counted in the end. NumPy writes six arrays of the size of the logits on the
way. Here a row of logits is read once and stays in registers, sixteen classes in a vector, and nothing of
that size is written but the gradient.
"""

from __future__ import annotations

import numpy as np

from minissd.compilation import compiled, inlined, part
from minissd.nn.fast.lanes import max_lanes, sum_lanes
from minissd.nn.fast.prefetch import prefetch
from minissd.nn.fast.simd import (
    LANES,
    broadcast,
    load,
    load_first,
    local_memory,
    maximum,
    memory,
    store_lanes,
)
from minissd.nn.fast.team import share_out, team_for
from minissd.nn.fast.vector_functions import exp, log

FEW_LOGITS = 1 << 14  # that are done before another thread could have been woken
ROWS = 512  # that a thread deals with at a time


def fits(conf):
    """Whether this module is made for these logits."""
    return isinstance(conf, np.ndarray) and conf.dtype == np.float32 and conf.shape[-1] > 0


def cross_entropy(conf, conf_target):
    """Cross entropy of every prior; see `minissd.softmax.softmax_cross_entropy`, the readable twin.

    Parameters
    ----------
    conf : ndarray of float32, (N, P, C)
    conf_target : ndarray of int, (N, P)
        Within 0...C-1: this is not checked here.

    Returns
    -------
    ndarray of float32, (N, P)
    """
    classes = conf.shape[-1]
    loss = np.empty(conf_target.shape, np.float32)
    arrays = _flat(conf, np.float32), _flat(conf_target, np.int64), _beyond(classes), loss.reshape(-1)
    _cross_entropy(team_for(conf.size, FEW_LOGITS).mailbox, *arrays, classes)
    return loss


def confidence_gradient(conf, conf_target, counted, weight):
    """Gradient for the logits; see `minissd.loss.confidence_gradient`, the readable twin.

    Parameters
    ----------
    conf : ndarray of float32, (N, P, C)
    conf_target : ndarray of int, (N, P)
    counted : ndarray of int64, (R,)
    weight : ndarray, (R,)

    Returns
    -------
    ndarray of float32, (N, P, C)
    """
    classes, dconf = conf.shape[-1], np.zeros(conf.shape, np.float32)
    target, weight = _flat(conf_target, np.int64)[counted], _flat(weight, np.float32)
    arrays = _flat(conf, np.float32), target, counted, weight, _beyond(classes), dconf.reshape(-1)
    _confidence_gradient(team_for(len(counted) * classes, FEW_LOGITS).mailbox, *arrays, classes)
    return dconf


def _flat(array, dtype):
    """The numbers of an array in a row. For a read-only array, which is copied, Numba would compile again."""
    return np.require(array, dtype, "CAW").reshape(-1)


def _beyond(classes):
    """Added to the last vector of a row, it turns the lanes behind the last class into minus infinity."""
    return np.where(np.arange(LANES) < (classes - 1) % LANES + 1, 0, -np.inf).astype(np.float32)


@compiled
def _cross_entropy(mailbox, conf, target, beyond, loss, classes):
    arguments = memory(conf), memory(target), memory(beyond), memory(loss), len(loss), classes
    share_out(mailbox, (len(loss) + ROWS - 1) // ROWS, _cross_entropy_of_rows, arguments)


@part
def _cross_entropy_of_rows(thread, piece, logits, target, beyond, loss, size, classes):
    """Sixteen rows at a time, so that their logarithms are taken at once."""
    sums, distances, last = local_memory(LANES), local_memory(LANES), min((piece + 1) * ROWS, size)
    for start in range(piece * ROWS, last, LANES):
        rows = min(LANES, last - start)
        for i in range(rows):
            begin = (start + i) * classes
            for c in range(0, classes, LANES):
                prefetch(logits, begin + LANES * classes + c)  # the same row of the next sixteen
            top = _largest(logits, begin, classes, beyond)
            sums[i] = _sum_of_exp(logits, begin, classes, beyond, top)
            distances[i] = top - logits[begin + target[start + i]]
        store_lanes(loss, start, log(load(sums, 0)) + load(distances, 0), rows)


@compiled
def _confidence_gradient(mailbox, conf, target, counted, weight, beyond, dconf, classes):
    arguments = memory(conf), target, counted, weight, memory(beyond), memory(dconf), classes
    share_out(mailbox, (len(counted) + ROWS - 1) // ROWS, _gradient_of_rows, arguments)


@part
def _gradient_of_rows(thread, piece, logits, target, counted, weight, beyond, dconf, classes):
    for i in range(piece * ROWS, min((piece + 1) * ROWS, len(counted))):
        begin = counted[i] * classes
        top = _largest(logits, begin, classes, beyond)
        factor = broadcast(weight[i] / _sum_of_exp(logits, begin, classes, beyond, top))
        for c in range(0, classes, LANES):
            value = exp(_row(logits, begin, c, classes, beyond) - broadcast(top)) * factor
            store_lanes(dconf, begin + c, value, min(LANES, classes - c))
        dconf[begin + target[i]] -= weight[i]


@inlined
def _row(logits, begin, c, classes, beyond):
    """Sixteen logits of a row from class c on, minus infinity behind the last."""
    if c + LANES < classes:
        return load(logits, begin + c)
    return load_first(logits, begin + c, classes - c) + load(beyond, 0)


@inlined
def _largest(logits, begin, classes, beyond):
    largest = broadcast(-np.inf)
    for c in range(0, classes, LANES):
        largest = maximum(_row(logits, begin, c, classes, beyond), largest)
    return max_lanes(largest)


@inlined
def _sum_of_exp(logits, begin, classes, beyond, top):
    total = broadcast(0)
    for c in range(0, classes, LANES):
        total = total + exp(_row(logits, begin, c, classes, beyond) - broadcast(top))
    return sum_lanes(total)
