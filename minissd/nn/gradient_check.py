"""Is a backward pass right? Compare it with central differences, and say what the difference looks like."""

from __future__ import annotations

import numpy as np

NEARLY = 1e-4  # two gradients this close in shape count as the same, when a hint is looked for
HINT_ENTRIES = 4096  # arrays up to this size are differentiated whole for the hint


class GradientCheckError(AssertionError):
    """A gradient differs from the differences. The text names the array, the entry and a likely cause."""


def numerical_gradient(f, x, eps=1e-5, entries=None):
    r"""Central differences :math:`(f(x + \epsilon e_i) - f(x - \epsilon e_i)) / 2\epsilon`.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape, returns a number.
    x : ndarray of float64
        Where; it is not changed.
    eps : float
        Smaller is not better: below about 1e-6 the rounding of f dominates.
    entries : sequence of int, optional
        Flat indices to differentiate by; all by default.

    Returns
    -------
    ndarray of float64
        Of x's shape, or one value per entry where `entries` is given.

    Examples
    --------
    >>> numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, 3.0])).round(6)
    array([2., 6.])
    """
    x = np.array(x, np.float64)
    flat = x.reshape(-1)
    chosen = range(x.size) if entries is None else entries
    slopes = np.empty(len(chosen))
    for k, i in enumerate(chosen):
        middle = flat[i]
        flat[i] = middle + eps
        above = float(f(x))
        flat[i] = middle - eps
        slopes[k] = (above - float(f(x))) / (2 * eps)
        flat[i] = middle
    return slopes.reshape(x.shape) if entries is None else slopes


def relative_error(a, b):
    """Largest difference of two arrays over their largest magnitude; 0 where both are all zero.

    Examples
    --------
    >>> relative_error(np.array([1.0, 100.0]), np.array([2.0, 100.0]))
    0.01
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return float(np.abs(a - b).max(initial=0) / size) if size else 0.0


def check_gradient(
    f, x, analytic, name="x", tolerance=1e-6, eps=1e-5, max_entries=500, rng=None, batch_size=None
):
    """Raise unless `analytic` is the gradient of `f` at `x`.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape, returns a number.
    x : ndarray of float64
        Keep it away from kinks (0 for a ReLU, equal values for max pooling): there is no gradient there.
    analytic : ndarray
        The gradient to check, of x's shape.
    name : str
        What to call the array in the message.
    tolerance : float
        On `relative_error`.
    eps : float
        Step of the differences.
    max_entries : int
        A larger array is checked in so many entries, drawn with `rng`.
    rng : numpy.random.Generator, optional
        By default a generator with seed 0.
    batch_size : int, optional
        Lets the message recognise a mean over the batch that should be a sum.

    Returns
    -------
    float
        The relative error.

    Raises
    ------
    GradientCheckError
        If the gradient is missing, has another shape, is not finite or is wrong.
    """
    _check_form(x, analytic, name)
    entries = _some_entries(np.size(x), max_entries, rng)
    numeric = numerical_gradient(f, x, eps, entries)
    error = relative_error(analytic.reshape(-1)[entries], numeric)
    if error > tolerance:
        _explain(f, x, analytic, name, eps, entries, numeric, error, batch_size)
    return error


def check_layer(layer, x, rng, tolerance=1e-6, eps=1e-5, max_entries=500):
    """Check a layer's backward pass: dx and the gradient of every parameter, in float64.

    The output is contracted with a random upstream gradient. An upstream of ones would let a wrong
    backward pass of any layer with constant sum (softmax, batch normalisation) go through.

    Parameters
    ----------
    layer : Layer
        In training mode; its parameters become float64.
    x : ndarray
        An input, away from kinks.
    rng : numpy.random.Generator
        Draws the upstream gradient and, of large arrays, the entries to check.
    tolerance, eps, max_entries
        See `check_gradient`.

    Returns
    -------
    dict of str to float
        Relative error of ``"x"`` and of every parameter.

    Raises
    ------
    GradientCheckError
        At the first gradient that is wrong, or if `backward` adds to the gradients of an earlier call, or
        if a pass changes its argument.
    """
    layer.astype(np.float64)
    x = np.array(x, np.float64)
    dy = rng.standard_normal(layer.forward(x).shape)
    dx, grads = _run(layer, x, dy)
    again = _run(layer, x, dy)[1]
    for name, grad in grads.items():
        if relative_error(again[name], grad) > tolerance:
            raise GradientCheckError(
                f"gradient of {name}: another value when backward is called again. "
                "backward must overwrite grads, not add to them (= and not +=)"
            )
    common = {
        "tolerance": tolerance,
        "eps": eps,
        "max_entries": max_entries,
        "rng": rng,
        "batch_size": len(x),
    }
    errors = {}
    if dx is not None:
        errors["x"] = check_gradient(lambda v: (layer.forward(v) * dy).sum(), x, dx, "x", **common)
    for name, parameter in list(layer.params.items()):

        def loss(value, name=name):
            layer.params[name] = value
            return (layer.forward(x) * dy).sum()

        errors[name] = check_gradient(loss, parameter, grads.get(name), name, **common)
        layer.params[name] = parameter
    return errors


def _run(layer, x, dy):
    """One forward and backward pass on copies: dx and a copy of the gradients."""
    x_given, dy_given = x.copy(), dy.copy()
    layer.forward(x_given)
    dx = layer.backward(dy_given)
    for name, given, original in (("x", x_given, x), ("dy", dy_given, dy)):
        if not np.array_equal(given, original):
            raise GradientCheckError(f"{name} was changed in place. Work on a copy: others still need it")
    return dx, {name: np.array(grad) for name, grad in layer.grads.items()}


def _check_form(x, analytic, name):
    """Raise if the gradient is missing, has another shape than `x` or is not finite."""
    start = f"gradient of {name}"
    if analytic is None:
        raise GradientCheckError(f"{start}: is missing. backward did not fill it")
    if np.shape(analytic) != np.shape(x):
        raise GradientCheckError(f"{start}: shape {np.shape(analytic)}, but {name} has {np.shape(x)}")
    if not np.isfinite(analytic).all():
        index = tuple(map(int, np.argwhere(~np.isfinite(analytic))[0]))
        raise GradientCheckError(f"{start}: {analytic[index]} at {index}. Look for a division by 0")


def _some_entries(size, max_entries, rng):
    if size <= max_entries:
        return np.arange(size)
    rng = np.random.default_rng(0) if rng is None else rng
    return np.sort(rng.choice(size, max_entries, replace=False))


def _explain(f, x, analytic, name, eps, entries, numeric, error, batch_size):
    """Raise the error, with the worst entry and a hint."""
    worst = np.abs(analytic.reshape(-1)[entries] - numeric).argmax()
    index = tuple(int(i) for i in np.unravel_index(entries[worst], x.shape))
    text = (
        f"gradient of {name}: relative error {error:.1e}. At {index} backward says {analytic[index]:.6g}, "
        f"the differences say {numeric[worst]:.6g}"
    )
    if len(entries) < x.size <= HINT_ENTRIES:
        numeric, entries = numerical_gradient(f, x, eps).reshape(-1), np.arange(x.size)
    if len(entries) == x.size:
        hint = find_hint(analytic, numeric.reshape(x.shape), batch_size)
    else:
        hint = find_hint(analytic.reshape(-1)[entries], numeric, batch_size)
    raise GradientCheckError(f"{text}. {hint}")


def find_hint(analytic, numeric, batch_size=None):
    """Say in one sentence what a wrong gradient looks like.

    Examples
    --------
    >>> right = np.array([1.0, -2.0, 3.0])
    >>> find_hint(-right, right)
    'All signs are flipped'
    """
    if not analytic.any():
        return "The gradient is all zero: it was not filled, or was overwritten"
    if not numeric.any():
        return "The differences are all zero: does the forward pass use this array at all?"
    ratio = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if relative_error(analytic, ratio * numeric) < NEARLY:
        return _hint_from_ratio(ratio, batch_size)
    return _hint_from_places(analytic, numeric)


def _hint_from_ratio(ratio, batch_size):
    hints = [
        (-1, "All signs are flipped"),
        (2, "It is twice too large"),
        (0.5, "It is half of what it should be"),
    ]
    if batch_size and batch_size > 1:  # in a batch of two, two hints fit: say both
        hints.append((batch_size, "It is too large by the batch size: a sum where the mean belongs?"))
        hints.append((1 / batch_size, "It is too small by the batch size: a mean where the sum belongs?"))
    fitting = [hint for factor, hint in hints if abs(ratio / factor - 1) < NEARLY]
    return ". ".join(fitting) or f"It is {ratio:.6g} times the right one everywhere: a constant factor"


def _hint_from_places(analytic, numeric):
    """Hints for a gradient that is right up to where its values stand."""

    def same(other):
        return other.shape == numeric.shape and relative_error(other, numeric) < NEARLY

    if analytic.ndim >= 2:
        if same(analytic[..., ::-1, ::-1]):
            return "The kernel is rotated by 180 degrees: both of its axes are flipped"
        if same(analytic.swapaxes(-1, -2)):
            return "Rows and columns are exchanged"
        if same(analytic.swapaxes(0, 1)):
            return "The first two axes are exchanged (output and input channels of a kernel)"
    if analytic.ndim == 4 and min(analytic.shape[2:]) > 2:
        inner = np.s_[..., 1:-1, 1:-1]
        if numeric[inner].any() and relative_error(analytic[inner], numeric[inner]) < NEARLY:
            return "It is right except at the border of the map: look at the padding"
    wrong = np.abs(analytic - numeric) > NEARLY * np.abs(numeric).max()
    return f"{int(wrong.sum())} of {wrong.size} entries are wrong, with no pattern known here"
