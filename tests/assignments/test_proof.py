"""Proving an assignment: a sound one has no fault, and each fault of an unsound one is named."""

import pytest
from command_line import done, refused
from sample import CHECKS, MANIFEST, MORE_CHECKS, edit, write_checks, write_sample

from minissd.assignments.proof import trials


@pytest.fixture
def sample(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_sample(tmp_path)


def faults(sample):
    return {trial.title: trial.fault for trial in trials(sample) if trial.fault}


def test_a_sound_assignment(sample):
    proof = list(trials(sample))
    assert [trial.fault for trial in proof] == [""] * 6
    assert [(trial.report.points, trial.report.max_points) for trial in proof] == [
        (8, 8),
        (0, 8),
        (3, 5),
        (2, 5),
        (1, 3),
        (2, 3),
    ]


def test_a_check_that_the_right_answer_fails(sample):
    edit(sample / "checks" / "boxes.py", "[[1 / 7]]", "[[1 / 6]]")
    found = faults(sample)
    assert list(found) == ["the library's answers"]
    assert "they lose points" in found["the library's answers"]
    assert "0.142857" in found["the library's answers"]


def test_a_check_that_blank_functions_pass(sample):
    write_checks(sample, f'{CHECKS}\n\n@points("iou", 1)\ndef test_all():\n    """All pass."""\n')
    assert faults(sample) == {"the handout as it is": "it earns points"}


def test_a_mistake_that_no_check_finds(sample):
    checks = MORE_CHECKS[: MORE_CHECKS.index('@points("smooth_l1", 1)')]
    write_checks(sample, smooth_l1=checks)
    title = "smooth_l1, the derivative is returned without its sign"
    assert faults(sample) == {title: "no check finds this out"}


def test_a_mistake_that_another_one_hides(sample):
    """Two wrong answers of the same value: only the first is ever named."""
    start = MANIFEST.index("[[question.wrong]]", MANIFEST.index('name = "smooth_l1"'))
    again = MANIFEST[start : MANIFEST.index("[[question.wrong]]", start + 1)]
    again = again.replace("the half is missing in the quadratic part", "it is not halved")
    (sample / "manifest.toml").write_text(f"{MANIFEST}\n{again}")
    found = faults(sample)
    assert list(found) == ["smooth_l1, it is not halved"]
    assert "no message names it" in found["smooth_l1, it is not halved"]


def test_a_mistake_in_many_words_is_found_in_a_message_of_several_lines(sample):
    words = "the half, " + "of which there is one, " * 8 + "is missing in the quadratic part"
    edit(sample / "manifest.toml", "the half is missing in the quadratic part", words)
    assert faults(sample) == {}


def test_the_command(capsys, sample):
    lines = done(capsys, "assignment", "prove", "sample")
    assert lines[:2] == [
        "       8 of 8 points  the library's answers",
        "       0 of 8 points  the handout as it is",
    ]
    assert len(lines) == 6


def test_the_command_says_what_is_wrong(capsys, sample):
    edit(sample / "checks" / "boxes.py", "[[1 / 7]]", "[[1 / 6]]")
    assert "sample: 1 of these are not as they must be" in refused(capsys, "assignment", "prove", "sample")
