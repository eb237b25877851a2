"""Stochastic gradient descent with momentum."""

from __future__ import annotations

import math

from minissd.backend import get_array_module, is_cuda
from minissd.nn import update_readable
from minissd.nn.fast import update as fast_update
from minissd.nn.twins import Twins
from minissd.nn.update_readable import Update

UPDATE = Twins(update_readable, fast_update, "update")
LEAST_NORM = 1e-30  # to divide by in place of 0


class SGD:
    r"""Stochastic gradient descent with momentum and weight decay, in place.

    .. math::

        g \leftarrow g + \lambda w \qquad v \leftarrow \mu v + g \qquad w \leftarrow w - \eta v

    The first velocity is the first gradient (PyTorch's convention; Caffe keeps the learning rate inside
    the velocity, which differs only where the rate changes).

    Parameters
    ----------
    model : Layer or SSD
        Anything with ``params`` and ``grads``, two mappings with the same names.
    learning_rate : float
        For `step` without an argument.
    momentum : float
        mu.
    weight_decay : float
        lambda.
    bias_learning_rate_factor : float
        Biases, that is arrays whose name ends in ``bias``, learn so many times as fast; 2 in Caffe.
    decay_biases : bool
        Whether biases are decayed too; not in Caffe.
    max_gradient_norm : float, optional
        See `clip_gradients`; no clipping by default.

    Attributes
    ----------
    velocity : dict of str to array
        v of every parameter; together with the parameters it is all the optimiser's state.

    Examples
    --------
    Of one weight 20 with gradient 10: the first step goes 0.1 * 10, the second 0.1 * (0.9 * 10 + 10).

    >>> from minissd.nn import L2Norm
    >>> layer = L2Norm(1)
    >>> layer.grads["weight"] = np.array([10.0], np.float32)
    >>> optimizer = SGD(layer, learning_rate=0.1, momentum=0.9, weight_decay=0.0)
    >>> optimizer.step()
    >>> layer.params["weight"]
    array([19.], dtype=float32)
    >>> optimizer.step()
    >>> layer.params["weight"]
    array([17.1], dtype=float32)
    """

    def __init__(
        self,
        model,
        learning_rate=1e-3,
        momentum=0.9,
        weight_decay=5e-4,
        bias_learning_rate_factor=1.0,
        decay_biases=True,
        max_gradient_norm=None,
    ):
        self.model = model
        self.learning_rate = learning_rate
        self.momentum, self.weight_decay = momentum, weight_decay
        self.bias_learning_rate_factor, self.decay_biases = bias_learning_rate_factor, decay_biases
        self.max_gradient_norm = max_gradient_norm
        self.velocity = {n: get_array_module(p).zeros_like(p) for n, p in model.params.items()}

    def step(self, learning_rate=None):
        """Change every parameter by its gradient once.

        Parameters
        ----------
        learning_rate : float, optional
            Instead of the optimiser's own, for schedules.
        """
        rate = self.learning_rate if learning_rate is None else learning_rate
        shrink = 1.0
        if self.max_gradient_norm is not None:
            shrink = clip_factor(gradient_norm(self.model.grads), self.max_gradient_norm)
        updates = [self._update(name, rate) for name in self.model.params]
        for functions, group in _by_functions(updates, lambda update: update[:3]):
            functions.descend(group, self.momentum, shrink)

    def _update(self, name, rate):
        is_bias = name.endswith("bias")
        decay = 0.0 if is_bias and not self.decay_biases else self.weight_decay
        factor = self.bias_learning_rate_factor if is_bias else 1.0
        return Update(
            self.model.params[name], self.model.grads[name], self.velocity[name], rate * factor, decay
        )


def clip_gradients(grads, max_norm):
    """Scale all gradients together so that their norm is at most `max_norm`, in place.

    Parameters
    ----------
    grads : mapping of str to array
    max_norm : float

    Returns
    -------
    float
        The norm before: the root of the sum of all squares. An array of no axes where the gradients are on a
        GPU.

    Examples
    --------
    >>> grads = {"a": np.array([3.0]), "b": np.array([4.0])}
    >>> clip_gradients(grads, 1.0)
    5.0
    >>> grads["b"]
    array([0.8])
    """
    norm = gradient_norm(grads)
    factor = clip_factor(norm, max_norm)
    for grad in grads.values():
        grad *= factor
    return norm


def gradient_norm(grads):
    """Root of the sum of the squares of all gradients; of those on a GPU it stays there, and nobody waits."""
    squares = sum(functions.sum_of_squares(group) for functions, group in _by_functions(grads.values()))
    return get_array_module(squares).sqrt(squares) if is_cuda(squares) else math.sqrt(squares)


def clip_factor(norm, max_norm):
    """What to multiply gradients of this norm with."""
    if is_cuda(norm):
        return (max_norm / norm.clip(min=LEAST_NORM)).clip(max=1)
    return max_norm / norm if norm > max_norm else 1.0


def _by_functions(items, arrays_of=lambda array: (array,)):
    """Pairs of a module and the items of which it can change all arrays."""
    groups = {}
    for item in items:
        groups.setdefault(_functions(*arrays_of(item)), []).append(item)
    return groups.items()


def _functions(first, *others):
    """The module for these arrays: the kernels are for float32 of one shape, in one piece of memory."""
    functions = UPDATE.of(first)
    fits = functions is not update_readable and all(functions.fits(array) for array in (first, *others))
    same_shape = all(array.shape == first.shape for array in others)
    return functions if fits and same_shape else update_readable
