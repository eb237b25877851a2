"""A model at work: pictures in, detections out."""

from __future__ import annotations

from contextlib import contextmanager

from minissd.backend import out_of_memory, to_device
from minissd.choice import chosen
from minissd.conventions import convention_of
from minissd.data import network_input
from minissd.data.sample import sample_of
from minissd.detect import detect
from minissd.evaluate import METRICS, GroundTruth, evaluate_coco, evaluate_voc

COCO = "coco"  # the metric that is no function of recall and precision alone


def predict(model, images, batch_size=8, **thresholds):
    """Detect objects in pictures of any size.

    Parameters
    ----------
    model : SSD
        Used in inference mode and handed back in the mode it was in.
    images : sequence of ndarray of uint8, (H, W, 3)
        RGB pictures; their sizes may differ.
    batch_size : int
        Pictures that go through the network together.
    **thresholds
        Arguments of `minissd.detect.detect` that shall be others than those of the model's convention.

    Returns
    -------
    list of Detections
        One per picture; boxes are fractions of the picture's own width and height.

    Examples
    --------
    >>> from minissd.config import TINY
    >>> from minissd.models import SSD
    >>> photo = np.zeros((120, 160, 3), np.uint8)  # minissd.data.read_image reads a file
    >>> (found,) = predict(SSD(TINY), [photo], score_threshold=0.2, keep_top_k=3)
    >>> found.boxes_xyxy.shape, found.scores.shape, found.labels.shape
    ((3, 4), (3,), (3,))
    """
    options = detection_options(model.config, **thresholds)
    found = []
    with inference_mode(model):
        for start in range(0, len(images), batch_size):
            x = network_input(images[start : start + batch_size], model.config)
            with out_of_memory(len(x)):
                loc, conf = model.forward(to_device(x, model.device))
                found += detect(loc, conf, model.priors_cxcywh, **options)
    return found


@contextmanager
def inference_mode(model):
    """Have a model in inference mode for a while, and hand it back in the mode it was in."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def detection_options(config, **changes):
    """Return the arguments that `minissd.detect.detect` gets for a network, some of them changed.

    Parameters
    ----------
    config : SSDConfig
        Its convention and its variances are used.
    **changes
        Arguments that shall be others.

    Returns
    -------
    dict

    Examples
    --------
    >>> from minissd.config import TINY
    >>> options = detection_options(TINY, score_threshold=0.5)
    >>> options["score_threshold"], options["top_k"], options["variances"]
    (0.5, 400, (0.1, 0.2))
    """
    return vars(convention_of(config).detection) | {"variances": config.variances} | changes


def evaluate_model(model, dataset, iou_threshold=0.5, metric="area", batch_size=8):
    """Average precision of a model on a dataset.

    Parameters
    ----------
    model : SSD
    dataset : sequence of Sample
        See `minissd.data`.
    iou_threshold : float
        See `minissd.evaluate.evaluate_voc`. COCO's evaluation has ten of its own.
    metric : str
        ``"area"``, ``"11point"`` or another of `minissd.evaluate.METRICS`, or ``"coco"``.
    batch_size : int

    Returns
    -------
    VOCResult or COCOResult
        Both have an ``mAP``.

    Raises
    ------
    InputError
        If there is no such metric, or an item of the dataset is no sample whose boxes can be meant.
    """
    check_metric(metric)
    detections, truths = [], []
    for start in range(0, len(dataset), batch_size):
        indices = range(start, min(start + batch_size, len(dataset)))
        samples = [sample_of(dataset, i) for i in indices]
        detections += predict(model, [sample.image for sample in samples], batch_size)
        truths += [_ground_truth(dataset, *pair, metric) for pair in zip(indices, samples)]
    if metric == COCO:
        return evaluate_coco(detections, truths)
    return evaluate_voc(detections, truths, iou_threshold, metric)


def check_metric(metric):
    """Raise `InputError` if there is no such metric: before the work, not after it.

    Examples
    --------
    >>> check_metric("coco")
    """
    chosen({**METRICS, COCO: evaluate_coco}, metric, "metric", "metric")


def _ground_truth(dataset, index, sample, metric):
    """What the evaluation counts in one image. COCO's files tell more than a sample has: crowds and areas."""
    if metric == COCO and hasattr(dataset, "ground_truth"):
        return dataset.ground_truth(index)
    size = sample.image.shape[1::-1]  # the sample itself would keep its image in memory
    return GroundTruth(sample.gt_xyxy, sample.labels, sample.difficult, image_size=size)
