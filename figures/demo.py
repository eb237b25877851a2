"""README's picture: one unseen scene on its way from default boxes to detections."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from minissd import demo, matching, viz, weights
from minissd.data import DrawnScenes
from minissd.predict import predict
from minissd.targets import make_targets
from minissd.viz.page import new_page, set_panel_title
from minissd.viz.style import GROUND_TRUTH

TRAINS = "the model of the demo"
SLOW = "it trains for a minute or two"
SCENE = 44  # of the unseen scenes


def draw():
    """Train the demo's model and draw one scene on its way through it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with tempfile.TemporaryDirectory() as folder:
        demo.run(folder)
        model, class_names = weights.load_model(Path(folder) / "run" / "weights.safetensors")
    sample = DrawnScenes(length=SCENE + 1, seed=1, **demo.SCENES)[SCENE]
    return draw_steps(model, sample, class_names)


def draw_steps(model, sample, class_names):
    """Draw a scene, the default boxes of a cell, the matched ones, and the detections.

    Parameters
    ----------
    model : SSD
        Trained.
    sample : Sample
    class_names : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
    """
    image, objects = sample.image, (sample.gt_xyxy, sample.labels)
    priors_cxcywh = model.priors_cxcywh
    figure, axes = new_page(2, 2, panel_titles=True)
    viz.draw_image_boxes(image, *objects, None, class_names, None, GROUND_TRUTH, ax=axes[0])
    set_panel_title(axes[0], "a scene and its objects")
    viz.draw_priors(image, model.config, layer=2, ax=axes[1])
    set_panel_title(axes[1], f"default boxes of 1 of {sum(s * s for s in model.config.feature_maps)} cells")
    forced = np.flatnonzero(matching.explain(sample.gt_xyxy, priors_cxcywh).reason == matching.FORCED)
    loc_target, _ = make_targets(*objects, priors_cxcywh)
    viz.draw_offsets(image, priors_cxcywh[forced], loc_target[forced], ax=axes[2])
    set_panel_title(axes[2], "matched boxes, moved to the objects")
    found = predict(model, [image], score_threshold=0.3)[0]
    viz.draw_image_boxes(image, found.boxes_xyxy, found.labels, found.scores, class_names, ax=axes[3])
    set_panel_title(axes[3], "what the trained network finds")
    return figure
