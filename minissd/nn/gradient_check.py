"""Is a backward pass right? Compare it with central differences, and say what the difference looks like."""

from __future__ import annotations

import copy

import numpy as np

from minissd.nn.gradient_hints import NEARLY, find_hint, hint_from_shape, relative_error

STEP = 1e-5  # the differences are wrong by about step^2 (their curvature) and 1e-16 / step (rounding)
NOISE = 1e-2  # gradients smaller than this are compared as if they were this large
WHOLE = 4096  # arrays up to this size are differentiated in every entry when a hint is looked for
DTYPE_HINT = "Is an array or constant inside fixed to one dtype? It should follow the input's."


class GradientCheckError(AssertionError):
    """A gradient is wrong. The text names the array, the worst entry with both values, and a likely cause."""


def numerical_gradient(f, x, step=STEP, entries=None):
    r"""Central differences :math:`(f(x + h e_i) - f(x - h e_i)) / 2h`.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape, returns a number.
    x : ndarray of float64
        Where; it is not changed.
    step : float
        h. Smaller is not better: below about 1e-6 the rounding of f dominates.
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
    x = np.array(x, np.float64, order="C")
    flat = x.reshape(-1)
    chosen = range(x.size) if entries is None else entries
    slopes = np.empty(len(chosen))
    for k, i in enumerate(chosen):
        middle = flat[i]
        flat[i] = middle + step
        above = float(f(x))
        flat[i] = middle - step
        slopes[k] = (above - float(f(x))) / (2 * step)
        flat[i] = middle
    return slopes.reshape(x.shape) if entries is None else slopes


def check_gradient(
    value, array, analytic, name="x", rng=None, tolerance=1e-6, samples=200, step=STEP, counts=None
):
    """Raise unless `analytic` is the gradient of `value` at `array`.

    Parameters
    ----------
    value : callable
        Takes an array like `array`, returns a number.
    array : ndarray of float64
        Keep it away from kinks (0 for a ReLU, equal values for max pooling): there is no gradient there.
    analytic : ndarray of float64
        The gradient to check, of the array's shape.
    name : str
        What to call the array in the message.
    rng : numpy.random.Generator, optional
        Draws the entries to check; by default a generator with seed 0.
    tolerance : float
        On the largest difference over the largest magnitude.
    samples : int
        A larger array is checked in so many entries.
    step : float
        Step of the differences.
    counts : dict of str to int, optional
        Numbers that the message looks for as a wrong factor, as ``{"images": 4}``.

    Returns
    -------
    float
        The relative error.

    Raises
    ------
    GradientCheckError
        If the gradient is missing, has another shape or dtype, is not finite, or is wrong.

    Examples
    --------
    >>> x = np.array([1.0, 3.0])
    >>> check_gradient(lambda x: (x**2).sum(), x, 2 * x) < 1e-6
    True
    """
    _check_form(array, analytic, name)
    entries = np.arange(array.size)
    if array.size > samples:
        rng = np.random.default_rng(0) if rng is None else rng
        entries = np.sort(rng.choice(array.size, samples, replace=False))
    numeric = numerical_gradient(value, array, step, entries)
    if not np.isfinite(numeric).all():
        raise GradientCheckError(f"gradient of {name}: the forward pass itself gives nan or inf near it")
    error = relative_error(analytic.reshape(-1)[entries], numeric, floor=NOISE)
    if error > tolerance:
        _explain(value, array, analytic, name, step, entries, numeric, counts)
    return error


def check_layer(layer, x, rng, tolerance=1e-6, samples=200, step=STEP):
    """Check a layer's backward pass: dx and the gradient of every parameter, in float64.

    The output is contracted with a random upstream gradient. An upstream of ones would let a wrong
    backward pass of any layer whose output has a constant sum (softmax, batch normalisation) go through.

    Parameters
    ----------
    layer : Layer
        In training mode. A copy in float64 is checked; the layer itself stays as it is.
    x : ndarray
        An input, away from kinks.
    rng : numpy.random.Generator
        Draws the upstream gradient and, of large arrays, the entries to check.
    tolerance, samples, step
        See `check_gradient`.

    Returns
    -------
    dict of str to float
        Relative error of ``"x"`` and of every parameter. ``"x"`` is left out where the layer has
        ``needs_input_gradient = False``.

    Raises
    ------
    GradientCheckError
        At the first gradient that is wrong; also if a pass changes its argument or a parameter, or if
        `backward` adds to the gradients of an earlier call.

    Examples
    --------
    >>> from minissd.nn import ReLU
    >>> errors = check_layer(ReLU(), np.array([-1.0, 2.0]), np.random.default_rng(0))
    >>> errors["x"] < 1e-6
    True
    """
    layer = copy.deepcopy(layer).astype(np.float64)
    x = np.array(x, np.float64)
    y = layer.forward(x.copy())
    if y.dtype != np.float64:
        raise GradientCheckError(f"output: dtype {y.dtype} from an input of float64. {DTYPE_HINT}")
    dy = rng.standard_normal(y.shape)
    dx, grads = _run_twice(layer, x, dy, tolerance)
    counts = _counts(x.shape, y.shape)
    settings = {"rng": rng, "tolerance": tolerance, "samples": samples, "step": step, "counts": counts}
    errors = {}
    if dx is not None or getattr(layer, "needs_input_gradient", True):
        errors["x"] = check_gradient(lambda v: (layer.forward(v) * dy).sum(), x, dx, "x", **settings)
    for name in list(layer.params):
        errors[name] = _check_parameter(layer, name, x, dy, grads.get(name), settings)
    return errors


def _check_parameter(layer, name, x, dy, analytic, settings):
    parameter = layer.params[name]

    def value(array):
        layer.params[name] = array
        return (layer.forward(x) * dy).sum()

    error = check_gradient(value, parameter, analytic, name, **settings)
    layer.params[name] = parameter
    return error


def _run_twice(layer, x, dy, tolerance):
    """dx and the gradients, once it is sure that a second pass gives the same."""
    dx, grads = _run(layer, x, dy)
    dx_again, grads_again = _run(layer, x, dy)
    for name, first, second in [("x", dx, dx_again)] + [(n, grads[n], grads_again[n]) for n in grads]:
        if first is None or np.shape(first) != np.shape(second) or not np.isfinite(first).all():
            continue  # the check of its form will tell
        if relative_error(first, second, floor=NOISE) > tolerance:
            twice = relative_error(2 * first, second) < tolerance
            hint = "backward adds to what an earlier call left" if twice else "something is left behind"
            raise GradientCheckError(
                f"gradient of {name}: {'twice as large' if twice else 'another value'} when forward and "
                f"backward are called again. {hint[0].upper()}{hint[1:]}: overwrite it (= and not +=)."
            )
    return dx, grads


def _run(layer, x, dy):
    """One forward and backward pass on copies: dx and a copy of the gradients."""
    given = {"x": x.copy(), "dy": dy.copy()}
    before = {"x": x, "dy": dy} | {name: array.copy() for name, array in layer.params.items()}
    for method, argument in (("forward", "x"), ("backward", "dy")):
        result = getattr(layer, method)(given[argument])
        for name, array in before.items():
            if not np.array_equal(given[name] if name in given else layer.params[name], array):
                raise GradientCheckError(f"{name} was changed in place by {method}. Work on a copy of it.")
    dx = None if result is None else np.array(result)
    return dx, {name: None if grad is None else np.array(grad) for name, grad in layer.grads.items()}


def _counts(x_shape, y_shape):
    """Numbers by which a sum and an average may differ in a layer from `x_shape` to `y_shape`."""
    counts = {"images": x_shape[0] if x_shape else 1}
    if len(y_shape) == 4:
        counts["channels"] = y_shape[1]
        counts["places of the output"] = y_shape[2] * y_shape[3]
        counts["images times places of the output"] = y_shape[0] * y_shape[2] * y_shape[3]
    return counts


def _check_form(array, analytic, name):
    """Raise if the gradient is missing, has another shape or dtype than the array, or is not finite."""
    start = f"gradient of {name}:"
    if analytic is None:
        cause = "did not return it" if name == "x" else f'did not fill grads["{name}"]'
        raise GradientCheckError(f"{start} it is missing. backward {cause}.")
    if np.shape(analytic) != array.shape:
        hint = hint_from_shape(np.shape(analytic), array.shape)
        raise GradientCheckError(f"{start} shape {np.shape(analytic)}, but {name} has {array.shape}. {hint}")
    if analytic.dtype != array.dtype:
        raise GradientCheckError(
            f"{start} dtype {analytic.dtype}, but {name} has {array.dtype}. {DTYPE_HINT}"
        )
    if not np.isfinite(analytic).all():
        index = tuple(map(int, np.argwhere(~np.isfinite(analytic))[0]))
        raise GradientCheckError(
            f"{start} not finite, {analytic[index]} at {index}. Look for a division by 0 or a root of 0."
        )


def _explain(value, array, analytic, name, step, entries, numeric, counts):
    """Raise the error, with the worst entry and a hint."""
    worst = np.abs(analytic.reshape(-1)[entries] - numeric).argmax()
    index = tuple(int(i) for i in np.unravel_index(entries[worst], array.shape))
    error = relative_error(analytic.reshape(-1)[entries], numeric, floor=NOISE)
    text = (
        f"gradient of {name}: relative error {error:.1e}. At {index} backward says {analytic[index]:.6g}, "
        f"the differences say {numeric[worst]:.6g}."
    )
    if _is_kink(value, array, entries[worst], step):
        hint = "But there is a kink so close (a ReLU at 0, equal values in a maximum): try another input."
    elif array.size <= WHOLE:
        whole = numerical_gradient(value, array, step)
        hint = find_hint(analytic, whole, counts)
    else:
        hint = find_hint(analytic.reshape(-1)[entries], numeric, counts)
    raise GradientCheckError(f"{text} {hint}")


def _is_kink(value, array, entry, step):
    """Whether the array's entry is at most `step` away from a kink of `value`.

    Between the slopes to the left and to the right of a place lies a jump. Where the function is smooth, a
    tenth of the step makes a tenth of the jump; at a kink it stays or vanishes.
    """
    shift = np.zeros(array.shape)
    shift.reshape(-1)[entry] = 1
    here = float(value(array))

    def slopes(h):
        return (here - float(value(array - h * shift))) / h, (float(value(array + h * shift)) - here) / h

    left, right = slopes(step)
    jump = abs(right - left)
    if jump < NEARLY * max(abs(left), abs(right), NOISE):
        return False
    left, right = slopes(step / 10)
    return abs(10 * abs(right - left) - jump) > 0.3 * jump
