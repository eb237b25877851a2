"""One number for a curve of precision over recall: the average precisions of VOC and of its evaluators."""

from __future__ import annotations

import numpy as np

ELEVEN_RECALLS = np.arange(11) / 10  # each is exactly the float64 j / 10


def eleven_point_ap(recall, precision, eleven_recalls=ELEVEN_RECALLS):
    """Mean, over the recalls 0, 0.1, ... 1, of the best precision at that recall or beyond (VOC 2007).

    Parameters
    ----------
    recall, precision : ndarray, (D,)
        Along the detections, best first.
    eleven_recalls : ndarray, (11,)

    Returns
    -------
    float

    Examples
    --------
    >>> round(eleven_point_ap(np.array([0.6]), np.array([1.0])), 6)  # 0, .1, ... .6: seven of eleven
    0.636364
    """
    best = [precision[recall >= at_least].max(initial=0.0) for at_least in eleven_recalls]
    return float(np.mean(best))


def eleven_point_arange_ap(recall, precision):
    """`eleven_point_ap` of those who write ``numpy.arange(0, 1.1, 0.1)``: nearly everyone who uses Python.

    py-faster-rcnn, chainercv and amdegroot do. It holds 0.6000000000000001 instead of 0.6, which a
    recall of exactly 3/5 misses; .3 and .7 likewise.

    Examples
    --------
    >>> round(eleven_point_arange_ap(np.array([0.6]), np.array([1.0])), 6)  # 0, .1, ... .5: six of eleven
    0.545455
    """
    return eleven_point_ap(recall, precision, np.arange(0, 1.1, 0.1))


def eleven_point_float32_ap(recall, precision):
    """`eleven_point_ap` of Caffe, whose recall is a float32: one of exactly .7 or .9 is then a little less.

    Examples
    --------
    >>> round(eleven_point_float32_ap(np.array([0.7]), np.array([1.0])), 6)  # 0, .1, ... .6: seven of eleven
    0.636364
    """
    return eleven_point_ap(recall.astype(np.float32).astype(np.float64), precision)


def area_ap(recall, precision):
    """Area under the curve, made monotonic: the best precision at each recall or beyond (VOC 2010).

    Parameters
    ----------
    recall, precision : ndarray, (D,)
        Along the detections, best first.

    Returns
    -------
    float

    Examples
    --------
    >>> area_ap(np.array([0.0, 0.5]), np.array([0.0, 0.5]))  # a miss, then a hit
    0.25
    """
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def integral_ap(recall, precision):
    """Area under the curve as it is, with its teeth (Caffe's ``"Integral"``); `area_ap` is never less.

    Examples
    --------
    >>> integral_ap(np.array([0.5, 0.5, 1.0]), np.array([1.0, 0.5, 0.75]))  # 1/2 of 1 and 1/2 of 3/4
    0.875
    """
    return float((np.diff(recall, prepend=0.0) * precision).sum())


METRICS = {
    "11point": eleven_point_ap,
    "area": area_ap,
    "11point_arange": eleven_point_arange_ap,
    "11point_float32": eleven_point_float32_ap,
    "integral": integral_ap,
}
