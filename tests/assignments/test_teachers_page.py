"""The page for teachers says what is so: its table, its commands, the files that a teacher copies from it.

Blocks of ``sh`` are run in their order, with the sample in the place of A1. Those of ``console`` need tools
or a network that tests do not have. After a change of the manifests, this file, run as a program, writes the
table and the report of the page anew.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest
from sample import RIGHT, write_sample

from minissd.assignments import assignment_names, load_assignment, mark
from minissd.assignments.check_list import points_of
from minissd.assignments.class_list import REMARKS
from minissd.assignments.handout import reference_namespace, write_handout
from minissd.assignments.submission import LocalSubmission
from minissd.cli import build_parser
from minissd.lessons import find_lessons

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "notebooks" / "assignments" / "README.md"
BLOCK = re.compile(r"(?:^`(?P<name>[\w./-]+)`[^\n]*:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)
TABLE = re.compile(r"^\| \| trains .*?\n\n", re.M | re.S)
REPORT = re.compile(r"^```text\n(.*?)^```$", re.M | re.S)


def table():
    """The table of all assignments, as their manifests have it."""
    lessons = {lesson.path.stem: lesson for lesson in find_lessons()}
    lines = [
        "| | trains | hours | lessons before | questions and their points |",
        "| --- | --- | --- | --- | --- |",
    ]
    for assignment in map(load_assignment, assignment_names()):
        links = ", ".join(f"[{lessons[name].number}](../{name}.ipynb)" for name in assignment.lessons)
        points = ", ".join(f"`{name}` {number:g}" for name, number in points_of(assignment).items())
        about = f"**{assignment.title}.** {assignment.trains}"
        lines.append(f"| {assignment.name} | {about} | {assignment.hours:g} | {links} | {points} |")
    return "\n".join(lines) + "\n\n"


def report():
    """What somebody reads who forgot to cut negative sides at 0: the points, and the first message."""
    assignment = load_assignment("A1")
    wrong = next(wrong for wrong in assignment.question("iou").wrong if "negative" in wrong.mistake)
    submission = LocalSubmission(reference_namespace(assignment, wrong))
    text = mark(assignment, "submissions/anna", ["iou"], submission=submission).text()
    return "\n\n".join(text.split("\n\n")[:3]) + "\n"


def blocks(kind=None):
    """Name, kind and text of the page's blocks of code."""
    found = [match.groupdict() for match in BLOCK.finditer(PAGE.read_text())]
    return [block for block in found if kind in (None, block["kind"])]


def file_of(name):
    """A file that a teacher copies, which marks the sample."""
    (text,) = (block["text"] for block in blocks() if block["name"] == name)
    return text.replace("A1", "sample")


def bash(script, folder, **variables):
    """Run a script with `minissd` and `python` of this environment; it stops at a failure, as in CI."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **{name: str(value) for name, value in variables.items()}}
    command = ["bash", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


@pytest.fixture
def desk(tmp_path):
    """A teacher's folder: the sample, also where a clone has it, a right submission and a blank one."""
    sample = load_assignment(write_sample(tmp_path))
    write_sample(tmp_path / "minissd" / "assignments")
    anna = tmp_path / "submissions" / "anna"
    anna.mkdir(parents=True)
    for name, text in RIGHT.items():
        (anna / name).write_text(text)
    write_handout(sample, tmp_path / "blank")
    shutil.make_archive(str(tmp_path / "submissions" / "ben"), "zip", tmp_path / "blank")
    return tmp_path


def test_the_table_is_that_of_the_manifests():
    assert TABLE.search(PAGE.read_text())[0] == table()


def test_the_report_is_what_students_read():
    assert REPORT.search(PAGE.read_text())[1] == report()


def test_every_remark_is_explained():
    (rows,) = re.findall(r"^\| remark \|.*?\n\n", PAGE.read_text(), re.M | re.S)
    first_cells = "".join(row.split("|")[1] for row in rows.splitlines()[:-1])
    assert sorted(re.findall(r"`([^`]+)`", first_cells)) == sorted(REMARKS.values())


def test_links_lead_somewhere():
    links = re.findall(r"\]\((\.\.[^)]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_every_command_is_one():
    """Those too that the tests do not run."""
    text = re.sub(r"\\\n\s*", "", "".join(block["text"] for block in blocks()))
    commands = re.findall(r"minissd (assignment .*?)(?= \||\s+#|$)", text, re.M)
    commands += [f"assignment grade {rest}" for rest in re.findall(r" marker (A1 .*)", text)]
    assert len(commands) > 12
    for command in commands:
        assert build_parser().parse_args(shlex.split(command)).run, command


@needs_bash
def test_the_commands_from_the_first_to_the_last(desk):
    """The blocks of sh in one folder; what is to be added to manifest and checks is added on the way."""
    outputs = []
    for block in blocks():
        if block["kind"] == "sh":
            done = bash(block["text"].replace("A1", "sample"), desk)
            assert done.returncode == 0, done.stderr
            outputs.append(done.stdout)
        elif block["kind"] == "toml" or "@points" in block["text"]:
            path = desk / "ours" / ("manifest.toml" if block["kind"] == "toml" else "checks/boxes.py")
            path.write_text(f"{path.read_text()}\n\n{block['text']}")
    handed_out, one, marked, _, own = outputs
    assert "a1: begin with README.md" in handed_out and (desk / "a1.zip").is_file()
    assert "sample: anna has 8 of 8 points" in one and "sample: ben has 0 of 5 points" in one
    assert json.loads((desk / "marks" / "ben.json").read_text())["score"] == 0
    assert "-> marks/marks.csv: 2 submissions" in marked
    assert (desk / "marks" / "marks.csv").read_text(encoding="utf-8-sig").splitlines() == [
        "name,total,out_of,iou,smooth_l1,remark",
        "anna,8,8,5,3,",
        'ben,0,8,0,0,"not written: iou, smooth_l1"',
    ]
    assert [line.strip() for line in own.splitlines() if "clip" in line] == [
        "0 of 4 points  clip, boxes are cut at the left and the upper border only"
    ]
    assert "12 of 12 points  the library's answers" in own
    assert "def clip(boxes_xyxy):" in (desk / "ours-handout" / "boxes.py").read_text()


@needs_bash
def test_gradescope(desk):
    places = {"/opt/minissd/bin/": "", "/autograder": f"{desk}/autograder"}
    script = file_of("run_autograder")
    for old, new in places.items():
        script = script.replace(old, new)
    shutil.copytree(desk / "submissions" / "anna", desk / "autograder" / "submission")
    done = bash(script, desk)
    assert done.returncode == 0, done.stderr
    results = json.loads((desk / "autograder" / "results" / "results.json").read_text())
    assert (results["score"], len(results["tests"])) == (8, 4)
    assert bash(f"bash -n <<'END'\n{file_of('setup.sh')}END\n", desk).returncode == 0


def github_step():
    """The script that GitHub's workflow runs."""
    return dedent(re.search(r"run: \|\n(.*)", file_of(".github/workflows/marks.yml"), re.S)[1])


@needs_bash
@pytest.mark.parametrize("submission", ["submissions/anna", "blank"])
def test_github(desk, submission):
    """The step is green for right answers only, and tells the points."""
    summary = desk / "summary.md"
    step = github_step().replace("grade sample", f"grade {desk / 'sample'}")
    done = bash(step, desk / submission, GITHUB_STEP_SUMMARY=summary)
    points = 8 if submission == "submissions/anna" else 0
    line = f"sample: {Path(submission).name} has {points} of 8 points"
    assert (done.returncode == 0) == bool(points), done.stderr
    assert f"::notice title=Marks::{line}" in done.stdout.splitlines()
    assert summary.read_text().splitlines()[0] == f"    {line}"


@needs_bash
def test_github_is_not_green_if_nothing_is_marked(desk):
    assert bash(github_step(), desk / "blank", GITHUB_STEP_SUMMARY=desk / "summary.md").returncode == 2


@needs_bash
@pytest.mark.parametrize("submission", ["submissions/anna", "blank"])
def test_gitlab(desk, submission):
    lines = re.findall(r"^    - ((?!pip).*)$", file_of(".gitlab-ci.yml"), re.M)
    script = "\n".join([*lines, "exit 0"]).replace("grade sample", f"grade {desk / 'sample'}")
    failed = submission == "blank"
    assert bash(script, desk / submission).returncode == int(failed)
    suite = ElementTree.parse(desk / submission / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "4" if failed else "0")


def test_classroom_50(desk):
    """The script runs where the student's files lie, which must not be taken for Python's own."""
    folder = desk / "submissions" / "anna"
    (folder / "pytest.py").write_text("raise SystemExit('taken from the student')")
    text = re.sub(r'^run\("pip".*\n', "", file_of("autograder.py"), flags=re.M)
    (desk / "autograder.py").write_text(text.replace('"sample"', repr(str(desk / "sample"))))
    names = ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL")
    environment = {**os.environ, **{name: name.lower() for name in names}}
    subprocess.run(
        [sys.executable, desk / "autograder.py"], cwd=folder, env=environment, check=True, capture_output=True
    )
    result = json.loads((folder / "result.json").read_text())
    assert (result["schema"], result["classroom"], result["review"]) == (
        "classroom50/result/v1",
        "classroom",
        "commit_url",
    )
    assert (result["score"], result["max-score"], len(result["tests"])) == (8, 8, 4)
    assert result["tests"][0]["passed"] is True


@needs_bash
def test_a_container_for_each_submission(desk):
    """What `docker` is asked to do."""
    tools = desk / "tools"
    tools.mkdir()
    (tools / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> "$LOG"\n')
    (tools / "docker").chmod(0o755)
    script = f'PATH="{tools}:$PATH"\n{file_of("mark.sh")}'
    assert bash(script, desk, LOG=desk / "log").returncode == 0
    for line, name in zip((desk / "log").read_text().splitlines(), ("anna", "ben.zip"), strict=True):
        assert f"-v {desk}/submissions/{name}:/in:ro -v {desk}/marks/{name}:/out marker sample /in" in line
        assert "--network none --read-only" in line
        assert (desk / "marks" / name).is_dir()


if __name__ == "__main__":
    page = TABLE.sub(lambda _: table(), PAGE.read_text())
    PAGE.write_text(REPORT.sub(lambda _: f"```text\n{report()}```", page, count=1))
