"""Every assignment: the right answers earn all points, the blank none, and each wrong one is found out."""

import ast
import subprocess
import sys

import numpy as np
import pytest
from sample import write_reference

from minissd.assignments import assignment_names, load_assignment, mark
from minissd.assignments.asking import Ask
from minissd.assignments.check_list import checks_of, points_of
from minissd.assignments.handout import blank, file_texts, reference_namespace, write_handout
from minissd.assignments.submission import LocalSubmission, Submission

ASSIGNMENTS = [load_assignment(name) for name in assignment_names()]
QUESTIONS = [(a, question) for a in ASSIGNMENTS for question in a.questions]
WRONG = [(a, question, wrong) for a, question in QUESTIONS for wrong in question.wrong]

each_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=lambda assignment: assignment.name)


def asked(assignment, namespace, *questions):
    """The report on answers in this process."""
    return mark(assignment, "here", questions or None, submission=LocalSubmission(namespace))


def test_there_are_five():
    assert [assignment.name for assignment in ASSIGNMENTS] == ["A1", "A2", "A3", "A4", "A5"]


@each_assignment
def test_points_make_a_hundred_and_every_question_has_some(assignment):
    points = points_of(assignment)
    assert sum(points.values()) == 100
    assert points.keys() == {question.name for question in assignment.questions}
    assert min(points.values()) > 0


@each_assignment
def test_right_answers_earn_all_points(assignment):
    report = asked(assignment, reference_namespace(assignment))
    assert [result.message for result in report.results if not result.passed] == []
    assert report.points == report.max_points == 100
    assert [result.check for result in report.results] == [check.name for check in checks_of(assignment)]


@each_assignment
def test_right_answers_earn_all_points_in_a_process_of_their_own(assignment, tmp_path):
    folder = write_reference(assignment, tmp_path / "right")
    with Submission(folder, assignment.answers_by_file, guarded=False) as submission:
        report = mark(assignment, folder, submission=submission)
    assert [result.message for result in report.results if not result.passed] == []


@each_assignment
def test_the_library_is_no_answer(assignment, tmp_path):
    """What delegates to the library earns nothing where students' work is marked: a question of each file."""
    folder = write_reference(assignment, tmp_path / "copied")
    asked_of_each = {question.file: question.name for question in assignment.questions}
    report = mark(assignment, folder, asked_of_each.values())
    assert report.points == 0
    assert {result.kind for result in report.results} <= {"forbidden", "import"}


@each_assignment
def test_the_handout_earns_nothing_yet(assignment, tmp_path):
    write_handout(assignment, tmp_path / "blank")
    report = mark(assignment, tmp_path / "blank")
    assert report.points == 0
    assert {result.kind for result in report.results} == {"not_implemented"}


@each_assignment
def test_nothing_that_is_given_leads_to_an_answer(assignment):
    """A submission may import the given modules, and so all that they import."""
    answers = {path.split(" as ")[0].rpartition(".")[0] for q in assignment.questions for path in q.answers}
    script = "".join(f"import {module}\n" for module in assignment.given) + "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not answers & set(done.stdout.split())


def name_of(parameter):
    return getattr(parameter, "name", None) or parameter.mistake.replace(" ", "-")


@pytest.mark.parametrize(("assignment", "question", "wrong"), WRONG, ids=name_of)
def test_a_typical_mistake_loses_points_and_is_named(assignment, question, wrong):
    report = asked(assignment, reference_namespace(assignment, wrong), question.name)
    lost = [result for result in report.results if not result.passed]
    assert lost, "nothing is lost"
    messages = " ".join(" ".join(result.message for result in lost).split())  # without line breaks
    assert wrong.mistake in messages, messages
    assert wrong.hint in messages


@pytest.mark.parametrize(("assignment", "question"), QUESTIONS, ids=name_of)
def test_every_question_lists_typical_mistakes(assignment, question):
    assert len(question.wrong) >= 3
    assert len({wrong.mistake for wrong in question.wrong}) == len(question.wrong)


@each_assignment
def test_zeros_earn_next_to_nothing(assignment, monkeypatch):
    monkeypatch.setattr(Ask, "likely_mistake", lambda ask, matches: "")  # which takes longer than the checks

    def constant(*args, **kwargs):
        return next((np.zeros_like(array) for array in args if isinstance(array, np.ndarray)), 0)

    names = [name for question in assignment.questions for name in question.answer_names]
    report = asked(assignment, dict.fromkeys(names, constant))
    for name, results in report.by_question().items():
        assert sum(each.points for each in results) <= sum(each.max_points for each in results) / 5, name


@each_assignment
def test_the_checks_explain_themselves(assignment):
    names = [check.name for check in checks_of(assignment)]
    assert len(set(names)) == len(names)
    assert all(check.summary.rstrip().endswith((".", "?", ":")) for check in checks_of(assignment))


@each_assignment
def test_the_files_of_the_handout_are_whole(assignment):
    for name, text in file_texts(assignment, blank).items():
        tree = ast.parse(text)
        assert ast.get_docstring(tree), name
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert ast.get_docstring(node), f"{name}: {node.name}"
