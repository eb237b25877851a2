"""The whole of SSD on drawn scenes: train, evaluate on unseen scenes, and draw every step on the way."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minissd import matching, show, viz
from minissd.backend import CPU, check_device
from minissd.config import TINY
from minissd.data import DrawnScenes, SSDAugmentation, network_input
from minissd.files import writable_folder
from minissd.models import SSD
from minissd.page import Section, write_page
from minissd.predict import evaluate_model, predict
from minissd.settings import TrainSettings
from minissd.targets import make_targets
from minissd.train import Trainer

STEPS = 400
NUM_UNSEEN = 100
SCENES = {"object_sizes": (0.14, 0.55), "clutter": 0.6}  # what a minute of training can learn

INTRO = (
    "A small SSD learned to find shapes in scenes that minissd draws itself, and these pictures follow one "
    "scene that it has never seen through every step, in the order in which the steps happen."
)


@dataclass(frozen=True)
class DemoResult:
    """What a demo run leaves.

    Attributes
    ----------
    page : Path
        The HTML page.
    mean_ap : float
        mAP (area, IoU 0.5) on the unseen scenes.
    num_scenes : int
        Unseen scenes.
    """

    page: Path
    mean_ap: float
    num_scenes: int


def run(output, steps=STEPS, seed=0, progress=True, device=CPU):
    """Run the demo.

    Parameters
    ----------
    output : str or Path
        Folder for the page, its pictures and the training run.
    steps : int
        Training steps.
    seed : int
        Of scenes, weights and augmentation.
    progress : bool
        Whether to show a progress bar.
    device : str
        Where to train and to evaluate, see `minissd.backend.check_device`.

    Returns
    -------
    DemoResult

    Raises
    ------
    InputError
        If the folder cannot be written.
    """
    device, output = check_device(device), writable_folder(output)
    settings = TrainSettings(
        steps=steps, seed=seed, augmentation="none", evaluate_every=0, checkpoint_every=0
    )
    # Scene i of seed s is drawn from (s, i), so even and odd seeds never share a scene.
    scenes = DrawnScenes(length=steps * settings.batch_size, seed=2 * seed, **SCENES)  # none comes twice
    unseen = DrawnScenes(length=NUM_UNSEEN, seed=2 * seed + 1, **SCENES)
    config = dataclasses.replace(TINY, num_classes=len(scenes.class_names) + 1)
    model = SSD(config, np.random.default_rng(seed)).to(device)
    trainer = Trainer(model, scenes, settings, output / "run", None, scenes.class_names, progress)
    trainer.run()
    result = evaluate_model(model, unseen)

    story = Story(output, model.to(CPU), unseen, max(unseen, key=_interest), seed)
    sections = [*story.targets(), *story.network(), story.curves(trainer.rows), *story.detections(result)]
    page = output / "index.html"
    write_page(page, "SSD, step by step", INTRO, sections)
    return DemoResult(page, result.mAP, NUM_UNSEEN)


def _interest(sample):
    """How much a scene has to show: many objects, of different sizes."""
    sizes = np.sqrt(np.prod(sample.gt_xyxy[:, 2:] - sample.gt_xyxy[:, :2], axis=1))
    return len(sizes), float(np.ptp(sizes)) if len(sizes) else 0.0


class Story:
    """Draws the steps of SSD on one scene, each as one numbered picture.

    Parameters
    ----------
    folder : Path
    model : SSD
        Trained.
    dataset : DrawnScenes
        Where the scene is from.
    sample : Sample
        The scene.
    seed : int
        Of the augmentation's examples.
    """

    def __init__(self, folder, model, dataset, sample, seed):
        self.folder, self.model, self.sample, self.seed = folder, model, sample, seed
        self.class_names = dataset.class_names
        self.objects = sample.gt_xyxy, sample.labels
        self.number = 0

    def picture(self, name, title, figure, sentence):
        """Save a figure as the next picture; returns its section of the page."""
        self.number += 1
        file = f"{self.number:02d}_{name}.png"
        viz.save(figure, self.folder / file)
        return Section(file, title, sentence)

    def targets(self):
        """The steps from a scene to what the network should say about it."""
        sample, config = self.sample, self.model.config
        yield self.picture(
            "scene",
            "A scene and its ground truth",
            viz.draw_image_boxes(sample.image, *self.objects, class_names=self.class_names),
            f"Each of the {len(sample.labels)} objects has a class and a box; to find both is the task.",
        )
        augment, rng = SSDAugmentation(config), np.random.default_rng(self.seed)
        yield self.picture(
            "augmentation",
            "Augmentation",
            viz.draw_augmentation([sample, *(augment(sample, rng) for _ in range(5))], self.class_names),
            "Of photographs there are never enough, so SSD makes many of one: colours change, the picture is "
            "expanded, cropped and mirrored, and the boxes follow.",
        )
        yield self.picture(
            "default_boxes",
            "Default boxes",
            viz.draw_prior_scales(config, sample.image),
            f"Every cell of every feature map has default boxes of a few shapes, {config.num_priors} in all; "
            "fine maps have small ones, coarse maps large ones.",
        )
        figure, lines = show.show_matches(sample.image, *self.objects, config, self.class_names)
        yield self.picture(
            "matching",
            "Matching",
            figure,
            f"Training begins with a question of geometry, which default box is to learn which object: "
            f"{lines[0]}, all others are background.",
        )
        yield self.picture(
            "offsets",
            "Offsets",
            self._draw_offsets(),
            "The network learns no boxes but how far to move and stretch each matched default box.",
        )

    def _draw_offsets(self):
        """The forced match of every object, and where its encoded offsets move it."""
        priors_cxcywh, config = self.model.priors_cxcywh, self.model.config
        reason = matching.explain(self.sample.gt_xyxy, priors_cxcywh).reason
        forced = np.flatnonzero(reason == matching.FORCED)
        loc_target, _ = make_targets(*self.objects, priors_cxcywh, variances=config.variances)
        return viz.draw_offsets(
            self.sample.image, priors_cxcywh[forced], loc_target[forced], variances=config.variances
        )

    def network(self):
        """The steps inside the network and its loss."""
        model, sample = self.model, self.sample
        trace = {}
        model.eval().forward(network_input([sample.image], model.config), trace)
        yield self.picture(
            "feature_maps",
            "Feature maps",
            viz.draw_feature_maps(trace, model.source_names, sample.image),
            "One forward pass gives maps from fine to coarse; a 3x3 convolution on each says for every "
            "default box what it sees and how to move the box.",
        )
        figure, lines = show.show_mining(sample.image, *self.objects, model)
        yield self.picture(
            "mining",
            "Hard negative mining",
            figure,
            f"Nearly all default boxes are background, so only the most mistaken of them are learned from, "
            f"three for each positive: {lines[0]}.",
        )

    def curves(self, rows):
        """The course of the training."""
        return self.picture(
            "training",
            "Training",
            viz.draw_training_curves(rows),
            f"The loss for classes and the loss for boxes, over {len(rows)} steps.",
        )

    def detections(self, result):
        """The steps from predictions to detections and their worth."""
        model, sample = self.model, self.sample
        figure, lines = show.show_nms(sample.image, model, class_names=self.class_names)
        yield self.picture(
            "suppression",
            "Non-maximum suppression",
            figure,
            f"Many default boxes find the same object; the best one stays and suppresses those that overlap "
            f"it: {lines[0]}.",
        )
        found = predict(model, [sample.image])[0]
        yield self.picture(
            "detections",
            "Detections",
            viz.draw_detections(sample.image, found, *self.objects, self.class_names),
            "What is left, beside the truth.",
        )
        yield self.picture(
            "precision_recall",
            "Average precision",
            viz.draw_precision_recall(result, self.class_names),
            f"Over {NUM_UNSEEN} unseen scenes, each class's precision against its recall; the mean area "
            f"under the curves is mAP {result.mAP:.3f}.",
        )
