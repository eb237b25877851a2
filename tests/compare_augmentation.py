"""Crops, samplers, flips, resized images and colours beside Caffe's, chainercv's and OpenCV's."""

from __future__ import annotations

import itertools

import numpy as np
from comparison import FLOAT32, FLOAT64, Comparison
from reference_numbers import split

from minissd.data.geometry import (
    CAFFE_SAMPLERS,
    Sampler,
    boxes_in_window,
    draw_crops,
    flip_horizontal,
    meets_constraint,
    to_window,
)
from minissd.data.photometric import adjust_hue, adjust_saturation, hsv_to_rgb, rgb_to_hsv
from minissd.data.resample import TAPS, resize

ONE_LEVEL = 1  # of the 256 of a byte: OpenCV computes bytes in integers
LARGEST_DEVIATION = 4.5  # standard errors of a mean of random draws
BYTES_OF_HSV = np.array([0.5, 255, 1])  # H in half degrees


class Deviations(Comparison):
    """Pairs (difference, unit): of means of random draws the standard error, of bytes 1."""

    @property
    def error(self):
        return max(float(np.abs(difference / error).max()) for difference, error in self.pairs)


def compare_augment(numbers):
    yield from compare_crops_of_caffe(numbers)
    yield from compare_draws_of_caffe(numbers)
    yield from compare_boxes_of_chainercv(numbers)
    yield from compare_images_of_opencv(numbers)
    yield from compare_colours_of_opencv(numbers)


def compare_crops_of_caffe(numbers):
    expected = numbers["caffe_emit_center"] & numbers["caffe_project_ok"]
    kept_pairs, box_pairs, fitting = [], [], []
    for i, (start, end) in enumerate(itertools.pairwise(numbers["gt_offsets"])):
        window, gt_xyxy = numbers["crop"][i], numbers["gt_box"][start:end]
        boxes_xyxy, kept = boxes_in_window(gt_xyxy, window)
        kept_pairs.append((kept, expected[start:end] > 0))
        box_pairs.append((boxes_xyxy, numbers["caffe_projected"][start:end][kept]))
        verdicts = [meets_constraint(sampler, window[None], gt_xyxy)[0] for sampler in CAFFE_SAMPLERS]
        fitting.append((verdicts, numbers["caffe_satisfied"][i] > 0))
    yield Comparison("objects that a crop keeps", "caffe", kept_pairs)
    yield Comparison("their boxes in the crop", "caffe", box_pairs, FLOAT32)
    yield Comparison("crops that the seven samplers accept", "caffe", fitting)


def compare_draws_of_caffe(numbers, count=200_000):
    rng = np.random.default_rng(1)
    x1, y1, x2, y2 = draw_crops(Sampler(), count, rng).T
    width, height = x2 - x1, y2 - y1
    drawn = {"width": width, "height": height, "area": width * height, "log_aspect": np.log(width / height)}
    pairs = []
    for name, values in (drawn | {"xmin": x1, "ymin": y1}).items():
        mean, deviation = numbers[f"sample_{name}_mean_std"]
        pairs.append((values.mean() - mean, deviation * (1 / count + 1 / numbers["sample_n"]) ** 0.5))
    yield Deviations("sizes of crops, in standard errors", "caffe", pairs, LARGEST_DEVIATION)
    pairs = []
    for scene, gt_xyxy in enumerate(split(numbers["success_gt_box"], numbers["success_gt_offsets"])):
        for i, sampler in enumerate(CAFFE_SAMPLERS):
            rate = meets_constraint(sampler, draw_crops(sampler, 20_000, rng), gt_xyxy).mean()
            expected = numbers["caffe_success_rate"][scene, i, 0]
            variance = max(expected * (1 - expected), 1e-4)
            pairs.append((rate - expected, (variance * (1 / 20_000 + 1 / numbers["success_reps"])) ** 0.5))
    yield Deviations("success of samplers, in standard errors", "caffe", pairs, LARGEST_DEVIATION)


def compare_boxes_of_chainercv(numbers):
    size, gt_px = np.tile(numbers["px_image_wh"], 2), numbers["px_box"]
    gt_xyxy = gt_px / size
    flipped = flip_horizontal(np.zeros((1, 1, 3)), gt_xyxy)[1] * size
    moved = np.tile([-31, -17], 2) / size + [0, 0, 1, 1]  # a window as large as the image
    ours = {
        "ccv_flip_box": flipped,
        "ccv_resize300_box": gt_xyxy * 300,
        "ccv_translate_31_17_box": to_window(gt_xyxy, moved) * size,
    }
    yield Comparison(
        "boxes flipped, resized, moved", "chainercv", [(ours[k], numbers[k]) for k in ours], FLOAT64
    )
    theirs = zip(
        *(split(numbers[f"ccv_crop_{key}"], numbers["ccv_crop_offsets"]) for key in ("index", "box"))
    )
    kept_pairs, box_pairs = [], []
    for crop_px, boxes_px, (index, cropped_px) in zip(
        numbers["px_crop"], split(numbers["px_box"], numbers["px_offsets"]), theirs
    ):
        boxes_xyxy, kept = boxes_in_window(boxes_px / size, crop_px / size)
        kept_pairs.append((np.flatnonzero(kept), index))
        box_pairs.append((boxes_xyxy * np.tile(crop_px[2:] - crop_px[:2], 2), cropped_px))
    yield Comparison("objects that a crop keeps", "chainercv", kept_pairs)
    yield Comparison("their boxes in the crop", "chainercv", box_pairs, FLOAT64)


def compare_images_of_opencv(numbers):
    sizes = ((30, 30), (20, 13))
    for interpolation in TAPS:
        name = {"lanczos": "lanczos4"}.get(interpolation, interpolation)
        pairs = [
            (
                resize(numbers[f"img{i}"].astype(np.float32), height, width, interpolation),
                numbers[f"img{i}_{name}_{width}x{height}_f32"],
            )
            for i, (width, height) in itertools.product(range(3), sizes)
        ]
        yield Comparison(f"images resized, {interpolation}", "OpenCV, float32", pairs, FLOAT32)
    pairs = [
        (resize(numbers[f"img{i}"], height, width) - 1.0 * numbers[f"img{i}_linear_{width}x{height}_u8"], 1)
        for i, (width, height) in itertools.product(range(3), sizes)
    ]
    yield Deviations("images resized, linear, in grey levels", "OpenCV, uint8", pairs, ONE_LEVEL)


def compare_colours_of_opencv(numbers):
    rgb = numbers["photo_bgr_u8"][..., ::-1].astype(np.float32)
    hsv = numbers["photo_hsv_f32"]
    channels = [(rgb_to_hsv(rgb)[..., c], hsv[..., c]) for c in range(3)]
    yield Comparison("RGB -> HSV", "OpenCV, float32", channels, FLOAT32)
    back = hsv_to_rgb(hsv), numbers["photo_hsv_back_f32"][..., ::-1]
    yield Comparison("HSV -> RGB", "OpenCV, float32", [back], FLOAT32)
    levels = np.rint(hsv * BYTES_OF_HSV) - numbers["photo_hsv_u8"]
    levels[..., 0] = (levels[..., 0] + 90) % 180 - 90  # around the circle
    of_bytes = hsv_to_rgb(numbers["photo_hsv_u8"] / BYTES_OF_HSV) - numbers["photo_hsv_back_u8"][..., ::-1]
    yield Deviations("RGB -> HSV, in levels", "OpenCV, uint8", [(levels, 1)], ONE_LEVEL)
    yield Deviations("HSV -> RGB, in levels", "OpenCV, uint8", [(np.rint(of_bytes), 1)], ONE_LEVEL)
    turned = [
        (adjust_hue(rgb, float(degrees)), numbers[f"photo_hue_{degrees}deg_f32"][..., ::-1])
        for degrees in ("-18", "+7", "+18")
    ]
    yield Comparison("hue turned", "OpenCV, float32", turned, FLOAT32)
    multiplied = []
    for factor in ("0.5", "0.8", "1.5"):
        within = hsv[..., 1] * float(factor) <= 1  # OpenCV does not limit the product
        theirs = numbers[f"photo_saturation_{factor}_f32"][..., ::-1]
        multiplied.append((adjust_saturation(rgb, float(factor))[within], theirs[within]))
    yield Comparison("saturation multiplied", "OpenCV, float32", multiplied, FLOAT32)
