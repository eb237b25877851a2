"""One step of SSD on one picture: a figure to look at, and lines that say in words what is on it.

Each function returns ``(figure, lines)``; `minissd.viz.save` writes the figure.
"""

from __future__ import annotations

import numpy as np

from minissd import codec, data, matching, mining, nms, priors
from minissd.errors import InputError
from minissd.loss import softmax, softmax_cross_entropy
from minissd.plural import counted

MOST_LINES = 12


def show_priors(image, config, layer=None, cell=None):
    """Show the default boxes of all feature maps, or those of one cell of one map.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    config : SSDConfig
    layer : int, optional
        Number of the feature map, 0 for the finest; all maps side by side otherwise.
    cell : (int, int), optional
        Row and column; the middle cell otherwise.

    Returns
    -------
    figure : matplotlib.figure.Figure
    lines : list of str

    Raises
    ------
    InputError
        If there is no such layer or cell, or a cell is given without its layer.
    """
    from minissd import viz

    if layer is None:
        if cell is not None:
            raise InputError(f"cell: {cell} of which feature map? (give its layer too)")
        figure = viz.draw_prior_scales(config, image)
        total = f"{config.name}: {config.num_priors} default boxes on {len(config.feature_maps)} feature maps"
        return figure, [total, *(_describe_map(config, k) for k in range(len(config.feature_maps)))]
    figure = viz.draw_priors(image, config, layer, cell)
    settings = (config.min_sizes[layer], config.max_sizes[layer], config.aspect_ratios[layer], config.flip)
    sizes_px = priors.cell_shapes(*settings)
    names = viz.shape_names(config, layer)
    lines = [f"{name}: {width:.1f} × {height:.1f} px" for name, (width, height) in zip(names, sizes_px)]
    return figure, [_describe_map(config, layer), *lines]


def _describe_map(config, k):
    side, per_cell = config.feature_maps[k], config.boxes_per_cell[k]
    return (
        f"map {k}: {side} × {side} cells of {config.steps[k]:g} px, {per_cell} boxes a cell, "
        f"{per_cell * side * side} boxes; small square {config.min_sizes[k]:g} px"
    )


def show_matches(image, gt_xyxy, labels, config, class_names=None, iou_threshold=0.5, rule="bipartite"):
    """Show which default boxes are to learn which object, on which feature map, and why.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    config : SSDConfig
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    iou_threshold, rule
        See `minissd.matching.match`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    lines : list of str
        How many boxes each object and each map has, then a sentence for each forced match.
    """
    from minissd import viz

    gt_xyxy = np.asarray(gt_xyxy, dtype=float).reshape(-1, 4)
    priors_cxcywh = priors.prior_boxes(config)
    explanation = matching.explain(gt_xyxy, priors_cxcywh, iou_threshold, rule)
    figure = viz.draw_matches(image, gt_xyxy, labels, priors_cxcywh, explanation, class_names, config)
    matched = explanation.matched_gt != matching.BACKGROUND
    objects = counted(len(gt_xyxy), "object")
    lines = [f"{int(matched.sum())} of {len(matched)} default boxes are matched to {objects}"]
    names = viz.object_names(labels, class_names)
    lines += _shorten(viz.match_summary(gt_xyxy, names, priors_cxcywh, explanation))
    for k, rows in enumerate(viz.layer_slices(config)):
        side = config.feature_maps[k]
        lines.append(f"map {k} ({side} × {side}): {int(matched[rows].sum())} matched")
    forced = np.flatnonzero(explanation.reason == matching.FORCED)
    return figure, lines + _shorten([explanation.describe(prior) for prior in forced])


def show_mining(image, gt_xyxy, labels, model, neg_pos_ratio=3, top=3):
    """Show from which background the model would learn on this picture.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    gt_xyxy : ndarray, (G, 4)
    labels : ndarray of int, (G,)
    model : SSD
    neg_pos_ratio : float
        See `minissd.mining.hard_negatives`.
    top : int
        How many of the hardest negatives to draw as boxes and to describe.

    Returns
    -------
    figure : matplotlib.figure.Figure
    lines : list of str
    """
    from minissd import viz

    priors_cxcywh = priors.prior_boxes(model.config)
    explanation = matching.explain(gt_xyxy, priors_cxcywh)
    positive = explanation.matched_gt != matching.BACKGROUND  # (P,)
    conf_target = np.zeros(len(positive), dtype=np.int64)
    conf_target[positive] = np.asarray(labels)[explanation.matched_gt[positive]]
    _, conf = _predict(model, image)  # (P, C)
    conf_loss, _ = softmax_cross_entropy(conf, conf_target)
    negative = mining.hard_negatives(conf_loss[None], positive[None], neg_pos_ratio)[0]
    figure = viz.draw_mining(image, priors_cxcywh, positive, conf_loss, negative, top)

    unused = int((~positive & ~negative).sum())
    mined = counted(negative.sum(), "hard negative")
    lines = [f"{counted(positive.sum(), 'positive')}, {mined}, {unused} unused"]
    if negative.any():
        lines.append(f"the cut: negatives take part from a loss of {conf_loss[negative].min():.3f}")
    hardest = np.flatnonzero(negative)[np.argsort(-conf_loss[negative], kind="stable")][:top]
    return figure, lines + [f"loss {conf_loss[p]:.3f}: {explanation.describe(p)}" for p in hardest]


def show_nms(image, model, label=None, class_names=None, score_threshold=0.1, iou_threshold=0.45, top_k=400):
    """Show which of the boxes of one class stay, and which they suppress.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
    model : SSD
    label : int, optional
        The class; otherwise the one of the highest score on this picture.
    class_names : sequence of str, optional
        Names of classes 1...C-1.
    score_threshold, iou_threshold, top_k
        See `minissd.detect.detect`; the threshold of the scores is higher here, to have less to look at.

    Returns
    -------
    figure : matplotlib.figure.Figure
    lines : list of str

    Raises
    ------
    InputError
        If the model has no such class.
    """
    from minissd import viz

    loc, conf = _predict(model, image)
    probability = softmax(conf)  # (P, C)
    label = int(probability[:, 1:].max(axis=0).argmax()) + 1 if label is None else label
    num_classes = probability.shape[1]
    if not 1 <= label < num_classes:
        raise InputError(f"label: {label} with {num_classes} classes (choose 1...{num_classes - 1})")
    rows = np.flatnonzero(probability[:, label] > score_threshold)
    scores = probability[rows, label]
    boxes_xyxy = codec.decode(loc[rows], priors.prior_boxes(model.config)[rows], model.config.variances)
    suppressor = nms.suppressed_by(boxes_xyxy, scores, iou_threshold, top_k)
    name = viz.class_name(label, class_names)
    figure = viz.draw_suppression(image, boxes_xyxy, scores, suppressor, name)
    return figure, _describe_suppression(name, scores, suppressor, score_threshold)


def _describe_suppression(name, scores, suppressor, score_threshold):
    kept = np.flatnonzero(suppressor == nms.KEPT)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    found = f"{counted(len(scores), 'candidate')} of {name} over score {score_threshold:g}: {len(kept)} kept"
    lines = [f"{found}, {int((suppressor >= 0).sum())} suppressed"]
    left_out = int((suppressor == nms.NOT_CONSIDERED).sum())
    if left_out:
        lines.append(f"{left_out} more have too low a score for the best {len(scores) - left_out}")
    details = []
    for rank, row in enumerate(kept):
        silenced = counted((suppressor == row).sum(), "box", "boxes")
        details.append(f"detection {rank} ({name} {scores[row]:.2f}) suppressed {silenced}")
    return lines + _shorten(details)


def _predict(model, image):
    """Offsets (P, 4) and logits (P, C) for one picture; the model is left in the mode it was in."""
    was_training = model.training
    loc, conf = model.eval().forward(data.network_input([image], model.config))
    model.train(was_training)
    return loc[0], conf[0]


def _shorten(lines):
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more"]
