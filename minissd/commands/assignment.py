"""``minissd assignment``: hand out assignments, and mark what comes back."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from textwrap import indent

from minissd.commands.arguments import add_command, positive, positive_int
from minissd.errors import InputError
from minissd.plural import counted

MARKS = "marks"
GIB = 1 << 30


def add(commands):
    """Add the command and its five actions to the parser."""
    parser = add_command(
        commands,
        "assignment",
        None,
        "hand out assignments, and mark what comes back",
        "minissd assignment list\n"
        "minissd assignment new A1 boxes-and-matching\n"
        "minissd assignment grade A1 boxes-and-matching\n"
        "minissd assignment grade A1 submissions/* --output marks",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_command(actions, "list", list_all, "print the assignments", "minissd assignment list", compiles=False)
    _add_new(actions)
    _add_grade(actions)
    _add_nbgrader(actions)
    _add_prove(actions)


def _add_new(actions):
    summary = "write the files of an assignment for a student"
    example = "minissd assignment new A1 boxes-and-matching"
    parser = _add_action(actions, "new", new, summary, example, compiles=False)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new folder")


def _add_grade(actions):
    summary = "mark one submission and print the report, or mark a class and write a table"
    examples = (
        "minissd assignment grade A1 my-answers\n"
        "minissd assignment grade A1 my-answers --question iou\n"
        "minissd assignment grade A1 submission --results results/results.json\n"
        "minissd assignment grade A1 submissions/* --output marks --jobs 4"
    )
    add = _add_action(actions, "grade", grade, summary, examples).add_argument
    handed_in = "what was handed in: a folder or a .zip file"
    add("folders", type=Path, nargs="+", metavar="DIR", help=handed_in)
    add("--results", type=Path, metavar="FILE", help="of one: .json for Gradescope, .xml (JUnit) for others")
    add("--output", type=Path, metavar="OUT", help=f"of a class: folder of its marks (default: {MARKS})")
    add("--question", action="append", metavar="NAME", help="only this one; may be repeated")
    add("--jobs", type=positive_int, metavar="N", help="processes (default: one per core)")
    add("--time-limit", type=positive, metavar="S", help="seconds for a call (default: 10)")
    add("--memory-limit", type=positive, metavar="GIB", help="of a submission (default: 2)")


def _add_nbgrader(actions):
    summary = "write an assignment as a course folder for nbgrader"
    example = "minissd assignment nbgrader A1 course"
    parser = _add_action(actions, "nbgrader", nbgrader, summary, example, compiles=False)
    parser.add_argument("folder", type=Path, metavar="OUT", help="folder of the course")


def _add_prove(actions):
    summary = "prove that an assignment of your own marks what is right as right, and finds typical mistakes"
    _add_action(actions, "prove", prove, summary, "minissd assignment prove my-assignment")


def _add_action(actions, name, run, summary, examples, compiles=True):
    parser = add_command(actions, name, run, summary, examples, compiles)
    parser.add_argument("assignment", metavar="NAME", help="one that is listed, or the folder of your own")
    return parser


def list_all(options):
    """Print the assignments: title, hours, points and questions."""
    from minissd.assignments import assignment_names, load_assignment
    from minissd.assignments.check_list import points_of

    for assignment in map(load_assignment, assignment_names()):
        points = points_of(assignment)
        total = f"{counted(assignment.hours, 'hour')}, {counted(sum(points.values()), 'point')}"
        print(f"{assignment.name}  {assignment.title} ({total})")
        print(f"    {', '.join(points)}")


def new(options):
    """Write the files of an assignment for a student."""
    from minissd.assignments import load_assignment
    from minissd.assignments.handout import write_handout

    write_handout(load_assignment(options.assignment), options.folder)
    print(f"{options.folder}: begin with README.md")


def grade(options):
    """Mark one submission, or a class."""
    from minissd.assignments.limits import MEMORY_LIMIT, TIME_LIMIT

    options.folders = [path for folder in options.folders for path in _matching(folder)]
    memory_limit = int(options.memory_limit * GIB) if options.memory_limit else MEMORY_LIMIT
    limits = {"time_limit": options.time_limit or TIME_LIMIT, "memory_limit": memory_limit}
    if len(options.folders) == 1 and not options.output:
        _grade_one(options, limits)
    elif options.results:
        raise InputError(f"--results: of one submission (for a class, see {options.output or MARKS})")
    else:
        _grade_class(options, limits)


def nbgrader(options):
    """Write an assignment for nbgrader."""
    from minissd.assignments import load_assignment
    from minissd.assignments.nbgrader import write_nbgrader

    print(f"-> {write_nbgrader(load_assignment(options.assignment), options.folder)}")


def prove(options):
    """Mark the right answers, the handout and every typical mistake, and say what is not as it must be."""
    from minissd.assignments.proof import trials

    faults = 0
    for trial in trials(options.assignment):
        points = f"{trial.report.points} of {trial.report.max_points} points"
        print(f"{points:>20}  {trial.title}", flush=True)
        if trial.fault:
            faults += 1
            print(indent(trial.fault, 22 * " "))
    if faults:
        raise InputError(f"{options.assignment}: {faults} of these are not as they must be")


def _matching(path):
    """What a path with ``*`` stands for, where the shell has not said it, as on Windows."""
    return [path] if path.exists() else [Path(name) for name in sorted(glob(str(path)))] or [path]


def _grade_one(options, limits):
    from minissd.assignments.marking import mark
    from minissd.assignments.results_file import write_results

    report = mark(options.assignment, options.folders[0], options.question, **limits)
    print(report.text())
    if options.results:
        write_results(report, options.results)
        print(f"\n-> {options.results}")


def _grade_class(options, limits):
    from minissd.assignments.class_list import TABLE, mark_class

    output, jobs = options.output or Path(MARKS), options.jobs
    reports = mark_class(options.assignment, options.folders, output, jobs, options.question, **limits)
    for name, mean, most in _means(reports):
        print(f"{name:20}  {mean:6.2f} of {most:g} on average")
    print(f"-> {output / TABLE}: {counted(len(reports), 'submission')}")


def _means(reports):
    """Name, mean and most points of each question, and of all."""
    questions = [report.by_question() for report in reports]
    for name in dict.fromkeys(name for of_one in questions for name in of_one):
        results = [result for of_one in questions for result in of_one.get(name, ())]
        most = max(sum(each.max_points for each in of_one.get(name, ())) for of_one in questions)
        yield name, sum(result.points for result in results) / len(reports), most
    mean = sum(report.points for report in reports) / len(reports)
    yield "total", mean, max(report.max_points for report in reports)
