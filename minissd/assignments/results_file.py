"""The marks of one submission in a file for the platform that shows them.

Gradescope reads JSON (`Report.gradescope`). GitLab, Jenkins and others read JUnit's XML and show a table of
tests, which knows passed and failed but no points; they stand in the text.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from minissd.assignments.report import plain_number, write_json
from minissd.files import written_whole


def write_results(report, path):
    """Write JUnit's XML if the name of the file ends in ``.xml``, and Gradescope's JSON otherwise.

    Parameters
    ----------
    report : Report
    path : str or Path

    Raises
    ------
    InputError
        If it cannot be written.
    """
    if Path(path).suffix.lower() != ".xml":
        write_json(path, report.gradescope())
        return
    with written_whole(path) as temporary:
        temporary.write_bytes(junit(report))


def junit(report):
    """The report as JUnit's XML: a class for each question, a case for each check.

    Parameters
    ----------
    report : Report

    Returns
    -------
    bytes

    Examples
    --------
    >>> from minissd.assignments.report import Report, Result
    >>> right = Result("iou", "test_a", 2, 2, "", 0.1, "Boxes apart.")
    >>> print(junit(Report("A1", "anna", (right,))).decode().splitlines()[2])
      <testsuite name="A1: 2 of 2 points" tests="1" failures="0" errors="0" skipped="0" time="0.100">
    """
    failures = sum(not result.passed for result in report.results)
    seconds = sum(result.seconds for result in report.results)
    suite = ElementTree.Element(
        "testsuite",
        name=f"{report.assignment}: {report.points} of {report.max_points} points",
        tests=str(len(report.results)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time=f"{seconds:.3f}",
    )
    suite.extend(map(_case, report.results))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(result):
    """A check. GitLab shows class, name, time and, of a failure, the text."""
    about = {"classname": result.question, "name": result.title, "time": f"{result.seconds:.3f}"}
    case = ElementTree.Element("testcase", about)
    if not result.passed:
        lost = f"0 of {plain_number(result.max_points)} points"
        failure = ElementTree.SubElement(case, "failure", type=result.kind, message=lost)
        failure.text = f"{lost}\n\n{result.message}"
    return case
