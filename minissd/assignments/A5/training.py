"""Training: assignment A5's answers. `minissd.train` is the large one."""

from __future__ import annotations

from minissd.assignments.A5.loss import multibox_loss


def train_step(network, optimizer, images, loc_target, conf_target, learning_rate):
    """Learn from one batch: forward, loss, backward, update.

    Parameters
    ----------
    network : SmallSSD
    optimizer : SGD
        Made for this network.
    images : ndarray, (N, 3, S, S)
    loc_target : ndarray, (N, P, 4)
    conf_target : ndarray of int, (N, P)
    learning_rate : float
        Of this step, whatever the optimiser's own is.

    Returns
    -------
    float
        The loss of the batch, as the network was before the update.
    """
    value, dloc, dconf = multibox_loss(*network.forward(images), loc_target, conf_target)
    network.backward(dloc, dconf)
    optimizer.step(learning_rate)
    return value


def train(network, optimizer, batches, schedule):
    """Learn from one batch after the other.

    Parameters
    ----------
    network : SmallSSD
    optimizer : SGD
        Made for this network.
    batches : sequence of (images, loc_target, conf_target)
        See `train_step`.
    schedule : callable
        Learning rate of each step; the first batch is step 0.

    Returns
    -------
    list of float
        The loss of each step.
    """
    return [train_step(network, optimizer, *batch, schedule(step)) for step, batch in enumerate(batches)]
