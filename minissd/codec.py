"""The code in which the network speaks of boxes: offsets from a default box.

The network never predicts a box; it predicts how far an object is from each default box (paper, equation
2). The two *variances* of the published models scale the offsets to numbers of about unit size; they are
not in the paper. `decode` is the exact inverse of `encode`.
"""

from __future__ import annotations

from minissd import boxes
from minissd.backend import get_array_module
from minissd.errors import InputError


def encode(gt_xyxy, priors_cxcywh, variances=(0.1, 0.2), log_epsilon=0.0):
    r"""Express ground-truth boxes relative to default boxes, one to one (the paper's g-hat, equation 2).

    .. math::

        \hat g^{cx} = \frac{g^{cx} - d^{cx}}{d^w v_0} \qquad \hat g^{w} = \frac{\log(g^w / d^w)}{v_1}

    and likewise for cy and h.

    Parameters
    ----------
    gt_xyxy : ndarray, (P, 4)
        The ground truth assigned to each prior.
    priors_cxcywh : ndarray, (P, 4)
    variances : (float, float)
        v_0 for the centre, v_1 for the size.
    log_epsilon : float
        Added inside the logarithm; Dive into Deep Learning's is 1e-6. `decode` does not undo it.

    Returns
    -------
    ndarray, (P, 4)
        ``(cx, cy, w, h)`` offsets, of the dtype of `gt_xyxy` (float64 if that holds integers).

    Raises
    ------
    InputError
        If a box or a prior has no positive width and height: its logarithm does not exist, and training
        would turn to NaN many steps later.

    Examples
    --------
    A ground truth a tenth of the prior's width to its right, and e times as large, is 1 off in x and
    1 / 0.2 off in both sizes.

    >>> prior_cxcywh = np.array([[0.5, 0.5, 0.2, 0.2]])
    >>> half = 0.1 * np.e
    >>> encode(np.array([[0.52 - half, 0.52 - half, 0.52 + half, 0.52 + half]]), prior_cxcywh).round(6)
    array([[1., 1., 5., 5.]])
    """
    xp = get_array_module(gt_xyxy)
    gt_cxcywh = boxes.xyxy_to_cxcywh(gt_xyxy)
    _require_area(gt_cxcywh, "gt_xyxy", "drop such boxes before they are encoded")
    _require_area(priors_cxcywh, "priors_cxcywh", "are they given as corners?")
    gt_cx, gt_cy, gt_width, gt_height = boxes.columns(gt_cxcywh)
    cx, cy, width, height = boxes.columns(priors_cxcywh)
    loc = [
        (gt_cx - cx) / width / variances[0],
        (gt_cy - cy) / height / variances[0],
        xp.log(gt_width / width + log_epsilon) / variances[1],
        xp.log(gt_height / height + log_epsilon) / variances[1],
    ]
    return xp.stack(loc, axis=-1).astype(gt_cxcywh.dtype, copy=False)


def decode(loc, priors_cxcywh, variances=(0.1, 0.2), max_log_size=None):
    """Turn predicted offsets back into boxes; the inverse of `encode`.

    Parameters
    ----------
    loc : ndarray, (..., P, 4)
        Predicted offsets.
    priors_cxcywh : ndarray, (P, 4)
    variances : (float, float)
    max_log_size : float or None
        Limit of the logarithm of a box's size beside its default box's. torchvision's is ln(1000/16): no box
        is more than 62.5 times as wide or high. None, as in Caffe, is no limit.

    Returns
    -------
    ndarray, (..., P, 4)
        Boxes as corners, of the dtype of `loc` (float64 if that holds integers), not clipped to the image.

    Examples
    --------
    >>> decode(np.array([[1.0, 0.0, 0.0, 0.0]]), np.array([[0.6, 0.5, 0.4, 0.2]])).round(6)
    array([[0.44, 0.4 , 0.84, 0.6 ]])
    """
    xp = get_array_module(loc)
    priors_cxcywh = xp.asarray(priors_cxcywh, dtype=xp.result_type(loc.dtype, xp.float32))
    cx, cy, width, height = boxes.columns(priors_cxcywh)
    offset_x, offset_y, offset_width, offset_height = boxes.columns(loc)
    decoded_cxcywh = [
        cx + offset_x * variances[0] * width,
        cy + offset_y * variances[0] * height,
        width * xp.exp(_limited(offset_width * variances[1], max_log_size)),
        height * xp.exp(_limited(offset_height * variances[1], max_log_size)),
    ]
    return boxes.cxcywh_to_xyxy(xp.stack(decoded_cxcywh, axis=-1))


def _require_area(boxes_cxcywh, argument, fix):
    has_area = (boxes_cxcywh[..., 2] > 0) & (boxes_cxcywh[..., 3] > 0)  # NaN is not positive either
    if not has_area.all():
        row = int(has_area.argmin())
        width, height = (float(v) for v in boxes_cxcywh[row, 2:])
        raise InputError(f"{argument}: box {row} has width {width:g} and height {height:g} ({fix})")


def _limited(log_size, limit):
    """No more than the limit, if there is one. As a number of NumPy's it would turn float32 into float64."""
    return log_size if limit is None else log_size.clip(max=float(limit))
