"""The page about a trace: every picture it has, every word the trace has to tell, and nothing older."""

import dataclasses

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd import explain, sentences
from minissd.explain import write_explanation
from minissd.models import SSD
from minissd.trace import trace

IMAGE = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)


def trace_of(**options):
    return trace(SSD(TWO_MAPS, np.random.default_rng(0)), IMAGE, **options)


@pytest.fixture(autouse=True)
def two_are_enough(monkeypatch):
    monkeypatch.setattr(explain, "MOST_EXPLAINED", 2)


@pytest.fixture(scope="module")
def seen():
    """Of an untrained network, which finds much at a low score."""
    return trace_of(score_threshold=0.3, iou_threshold=0.1)


def written(*arguments, **options):
    """The text of the page."""
    return write_explanation(*arguments, **options).read_text(encoding="utf-8")


def pictures_in(folder):
    return {path.name for path in folder.glob("*.png")}


def test_the_page_shows_every_picture_it_has(seen, tmp_path):
    page = write_explanation(seen, tmp_path / "new", "A & B", ["cat", "dog"])
    text, pictures = page.read_text(encoding="utf-8"), pictures_in(page.parent)
    assert page == tmp_path / "new" / "index.html" and "<h1>A &amp; B</h1>" in text
    assert all(f'src="{name}"' in text for name in pictures)
    assert {"overview.png", "input.png", "map_0.png", "map_1.png", "detection_01.png"} <= pictures


def test_no_more_than_the_best_are_explained(seen, tmp_path, monkeypatch):
    monkeypatch.setattr(explain, "MOST_ROWS", 1)
    most, total = max(len(one.suppressed) for one in seen.found[:2]), len(seen.found)
    assert total > 2 and most > 1
    text = written(seen, tmp_path)
    assert f"Detections whose score is over 0.3: {total}. The best 2 are explained below." in text
    assert "Detection 2: " in text and "Detection 3: " not in text
    assert f"The same boxes in numbers, the best 1 of {most}:" in text


def test_no_more_than_can_be_told_apart_are_drawn(seen, tmp_path, monkeypatch):
    monkeypatch.setattr(explain, "MOST_SHOWN", 3)
    drawn = []
    draw = explain.viz.draw_image_boxes
    monkeypatch.setattr(
        explain.viz, "draw_image_boxes", lambda *a, **k: drawn.append((a, k)) or draw(*a, **k)
    )
    assert ". The picture shows the best 3. The best 2 are explained" in written(seen, tmp_path)
    (((_, boxes_xyxy, labels, scores), options),) = drawn
    np.testing.assert_array_equal(boxes_xyxy, seen.detections.boxes_xyxy[:3])
    assert len(labels) == len(scores) == 3 and options["captions"][2].startswith("3 class ")


def test_the_page_tells_what_the_trace_knows(seen, tmp_path):
    text = written(seen, tmp_path, class_names=["cat", "dog"])
    assert sentences.describe_input(seen) in text
    assert all(sentences.describe_source(seen, k) in text for k in (0, 1))
    for one in seen.found[:2]:
        assert sentences.describe_origin(seen, one) in text
        assert f"<td>{sentences.describe_offsets(seen, one)[0][3]}</td>" in text
        for prior, score in zip(one.suppressed.priors[:10], one.suppressed.scores):
            assert f'<th scope="row">{prior}</th>' in text
            assert f"<td>{['cat', 'dog'][one.label - 1]} {score:.2f}</td>" in text


def test_a_map_of_one_cell_is_shown_as_squares(seen, tmp_path):
    sources = seen.sources | {"conv5_2": seen.sources["conv5_2"][:, :1, :1]}
    text = written(dataclasses.replace(seen, sources=sources), tmp_path)
    assert "Shown: the strongest channels, each a square, the lighter the stronger." in text
    assert "Shown: the 36 channels that vary most, each light where it is strongest." in text


def test_rules_that_other_implementations_have(tmp_path, monkeypatch):
    monkeypatch.setattr(explain, "MOST_EXPLAINED", 4)
    rules = {"inclusive_scores": True, "inclusive_nms": True, "clip": True, "max_log_size": 0.0}
    seen = trace_of(score_threshold=0.3, iou_threshold=0.1, **rules)
    text = written(seen, tmp_path)
    assert "Detections whose score is at least 0.3: " in text and "IoU with it is at least 0.1: " in text
    cuts = [one.cut for one in seen.found[:4]]
    assert text.count("<td>cut at the border, to ") == sum(cuts) and 0 < sum(cuts) < 4


def test_nothing_found_is_a_page_too(tmp_path):
    text = written(trace_of(score_threshold=1.0), tmp_path)
    assert "Detections whose score is over 1: 0." in text and "Detection 1" not in text


def test_boxes_without_end_are_explained(seen, tmp_path):
    """Of a network in whose training something went wrong."""
    endless = np.array([-np.inf, -np.inf, np.inf, np.inf], np.float32)
    found = dataclasses.replace(seen.detections, boxes_xyxy=np.tile(endless, (len(seen.found), 1)))
    one = dataclasses.replace(
        seen.found[0], box_xyxy=endless, offsets=np.array([0, 0, 500, 9999], np.float32)
    )
    text = written(dataclasses.replace(seen, detections=found, found=[one, *seen.found[1:]]), tmp_path)
    assert "inf times as high" in text


# -- a page where an older one was -------------------------------------------------------------------------


def test_pictures_of_an_older_page_are_removed(seen, tmp_path):
    write_explanation(seen, tmp_path)
    before = pictures_in(tmp_path)
    assert {"detection_01_classes.png", "detection_02.png"} <= before
    text = written(trace_of(score_threshold=1.0), tmp_path)
    assert pictures_in(tmp_path) == {"overview.png", "input.png", "map_0.png", "map_1.png"}
    assert all(f'src="{name}"' in text for name in pictures_in(tmp_path))


def test_files_of_others_stay(seen, tmp_path):
    """What the older page does not show, or what no page of ours would name so."""
    write_explanation(seen, tmp_path)
    others = {"detection_77.png", "map_of_paris.png", "detection_1b.png", "holiday.png", "detection_01.txt"}
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    page = tmp_path / "index.html"
    added = "".join(f'<img src="{name}">' for name in ("map_of_paris.png", "../map_9.png", "holiday.png"))
    page.write_text(page.read_text(encoding="utf-8") + added, encoding="utf-8")
    write_explanation(trace_of(score_threshold=1.0), tmp_path)
    assert all((tmp_path / name).read_bytes() == b"mine" for name in others)
    assert not (tmp_path / "detection_01.png").exists()


def test_an_older_page_that_is_no_text(seen, tmp_path):
    (tmp_path / "index.html").write_bytes(b"\xff\xfe\x00")
    assert "Detection 2: " in written(seen, tmp_path)


def test_nothing_is_removed_before_the_page_is_complete(seen, tmp_path, monkeypatch):
    write_explanation(seen, tmp_path)
    before = pictures_in(tmp_path)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(explain, "write_page", fail)
    with pytest.raises(OSError, match="No space"):
        write_explanation(trace_of(score_threshold=1.0), tmp_path)
    assert pictures_in(tmp_path) == before
