"""A submission that misbehaves costs its own question, with words that help, and no other."""

import os
import sys
import time

import numpy as np
import pytest

import minissd
from minissd.assignments.submission import StudentError, Submission

PACKAGE = os.path.dirname(minissd.__file__)

FINE = """
import numpy as np

def iou(a, b):
    return np.exp(a) * 0 + len(b)
"""

# Name: what it does, the kind of error, and words of the message.
CALLS = {
    "answer": ("from minissd.boxes import iou", "forbidden", ["imports minissd", "you are to write"]),
    "answer_by_name": ("__import__('minissd.boxes')", "forbidden", ["imports minissd"]),
    "answer_by_path": (
        f"import importlib.util as u; s = u.spec_from_file_location('b', {PACKAGE + '/boxes.py'!r});"
        "m = u.module_from_spec(s); s.loader.exec_module(m)",
        "forbidden",
        ["reads boxes.py", "handed in"],
    ),
    "reads_the_package": (f"open({PACKAGE + '/boxes.py'!r}).read()", "forbidden", ["reads boxes.py"]),
    "reads_compiled_code": (
        f"open({PACKAGE + '/__pycache__/boxes.cpython-311.pyc'!r})",
        "forbidden",
        ["reads boxes.cpython-311.pyc"],
    ),
    "reads_the_checks": (f"open({__file__!r})", "forbidden", ["reads test_hostile_submissions.py"]),
    "hides_what_it_reads": (
        f"""
    try:
        open({__file__!r})
    except OSError as error:
        raise ValueError("nothing to see") from error""",
        "forbidden",
        ["reads test_hostile"],
    ),
    "makes_a_link": (f"os.symlink({__file__!r}, 'link')", "forbidden", ["writes", "test_hostile"]),
    "lists_folders": (f"os.listdir({PACKAGE!r})", "forbidden", ["reads minissd"]),
    "opens_a_folder": (f"os.open({os.path.dirname(PACKAGE)!r}, os.O_RDONLY)", "forbidden", ["reads"]),
    "reads_the_memory_of_the_marker": ("open(f'/proc/{os.getppid()}/mem', 'rb')", "forbidden", ["reads mem"]),
    "writes_outside": ("open('../forged.json', 'w')", "forbidden", ["writes", "forged.json", "own folder"]),
    "deletes_outside": (f"os.remove({__file__!r})", "forbidden", ["deletes test_hostile"]),
    "deletes_everything": ("import shutil; shutil.rmtree('..')", "forbidden", ["reads"]),
    "moves_out": ("os.rename('fine.py', '../fine.py')", "forbidden", ["moves", "fine.py"]),
    "sys_exit": ("sys.exit(0)", "exit", ["ends the program", "sys.exit()"]),
    "quit": ("import site; raise SystemExit", "exit", ["ends the program"]),
    "os_exit": ("os._exit(0)", "exit", ["ended the program (exit code 0)"]),
    "abort": ("os.abort()", "exit", ["ended the program"]),
    "loop": ("\n    while True:\n        pass", "time", ["after 0.5 s", "hostile.py, line", "in loop"]),
    "sleep": ("time.sleep(100)", "time", ["not ready", "in sleep"]),
    "swallows_all": (
        "\n    while True:\n        try: sys.exit()\n        except SystemExit: pass",
        "time",
        ["not ready"],
    ),
    "prints_for_ever": ("\n    while True:\n        print('marks, marks')", "time", ["not ready"]),
    "stops_itself": ("signal.raise_signal(signal.SIGSTOP)", "time", ["not ready"]),
    "missing_package": ("import torchvision_ssd", "import", ["No module named 'torchvision_ssd'", "NumPy"]),
    "raises": ("raise ValueError('odd boxes')", "raised", ["ValueError: odd boxes", "hostile.py, line"]),
    "recursion": ("recursion(a, b)", "raised", ["RecursionError", "again and again"]),
    "interrupt": ("raise KeyboardInterrupt", "raised", ["KeyboardInterrupt"]),
    "exception_that_cannot_be_printed": ("raise Unprintable", "raised", ["Unprintable"]),
    "memory": ("np.ones((100000, 100000))", "memory", ["needs more memory", "hostile.py, line"]),
    "memory_of_lists": ("[[0] * 10**9 for _ in range(9)]", "memory", ["needs more memory"]),
    "fork": ("os.fork()", "forbidden", ["starts another program"]),
    "process": ("import subprocess; subprocess.run(['ls'])", "forbidden", ["starts another program"]),
    "spawned_process": (
        "from multiprocessing import get_context; get_context('spawn').Process(target=len).start()",
        "forbidden",
        ["starts another program"],
    ),
    "shell": ("os.system('true')", "forbidden", ["starts another program (os.system)"]),
    "library_of_c": ("import ctypes; ctypes.CDLL(None)", "forbidden", ["loads code", "ctypes.dlopen"]),
    "socket": ("import socket; socket.socket()", "forbidden", ["uses the network"]),
    "download": ("import urllib.request as u; u.urlopen('http://127.0.0.1:9')", "forbidden", ["network"]),
    "kills_the_marker": ("os.kill(os.getppid(), 9)", "forbidden", ["sends a signal"]),
    "lifts_the_limits": (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "forbidden",
        ["changes the limits"],
    ),
    "replaces_numpy": ("np.exp = np.log", "forbidden", ["replaces numpy.exp", "another name"]),
    "replaces_builtins": ("import builtins; builtins.len = builtins.isinstance = None", "forbidden", ["len"]),
    "deletes_from_numpy": ("del np.exp", "forbidden", ["numpy.exp"]),
    "enormous": ("return np.broadcast_to(np.zeros(1), (10**9, 9))", "reply", ["too large", "shape"]),
    "many_lists": ("return [[]] * 10**7", "reply", ["too large"]),
    "contains_itself": ("x = []; x.append(x); return x", "reply", ["contains itself"]),
    "enormous_number": ("return 10**5000", "reply", ["cannot be read"]),
    "closes_channels": ("os.closerange(0, 50)", "reply", ["did not open itself"]),
    "writes_to_channels": ("[write(i) for i in range(3, 50)]", "reply", ["did not open itself"]),
    "thread_goes_on": ("threading.Thread(target=forever, daemon=True).start()", "forbidden", ["still runs"]),
    "exits_in_a_thread": (
        "threading.Thread(target=os._exit, args=(0,)).start(); time.sleep(9)",
        "exit",
        ["ended the program"],
    ),
    "reads_input": ("input()", "raised", ["EOFError", "parameters"]),
}  # fmt: skip

if sys.platform != "linux":  # no limit of memory there, but all of it would be used
    del CALLS["memory"], CALLS["memory_of_lists"]

HEAD = """
import os, signal, sys, threading, time
import numpy as np

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError

def write(channel):
    try:
        os.write(channel, b"these are no marks " * 9)
    except OSError:
        pass

def forever():
    while True:
        time.sleep(0.01)

def fills_the_output(a, b):
    for i in range(20000):
        print("line", i)
    return 7

def changes_its_arguments(a, b):
    a += 1
    b.append(3)
    return 7

def catches(a, b):
    try:
        import torchvision_ssd
    except ImportError:
        return 7
"""

IMPORTS = {
    "syntax": ("def f(a:\n    pass", "syntax", ["syntax.py, line 1: def f(a:", "the one before"]),
    "indentation": ("def f(a):\nreturn a", "syntax", ["IndentationError", "indentation.py, line 2"]),
    "latin": ("x = 'caf\udce9'", "syntax", ["latin.py", "utf-8"]),
    "missing": ("import tensorflow_models\n", "import", ["tensorflow_models", "missing.py, line 1"]),
    "library": ("from minissd.boxes import iou as f", "forbidden", ["library.py imports minissd"]),
    "raising": ("f = 1 / 0", "import", ["cannot be imported", "ZeroDivisionError", "raising.py, line 1"]),
    "endless": ("while True: pass", "time", ["endless.py was not ready", "endless.py, line 1"]),
    "exiting": ("import sys\nsys.exit('done')", "exit", ["exiting.py ends the program", "line 2"]),
    "leaving": ("import os\nos._exit(3)", "exit", ["exit code 3"]),
    "replacing": ("import numpy as np\nnp.zeros = None\ndef f(a): pass", "forbidden", ["numpy.zeros"]),
    "absent": (None, "missing_file", ["absent.py is missing"]),
    "nameless": ("def g(a): pass", "missing_name", ["nameless.py has no nameless"]),
    "misnamed": ("def misnmed(a): pass", "missing_name", ["there is misnmed"]),
    "number": ("number = 3", "missing_name", ["number in number.py is no function or class, but 3"]),
    "huge": ("# " + "x" * (1 << 20), "missing_file", ["larger than 1 MB"]),
    "unwritten": ("def unwritten(a): raise NotImplementedError", "not_implemented", ["not written yet"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submission")
    (folder / "fine.py").write_text(FINE)
    functions = [f"def {name}(a, b):\n    {body}\n" for name, (body, *_) in CALLS.items()]
    (folder / "hostile.py").write_text(HEAD + "\n".join(functions))
    for name, (text, *_) in IMPORTS.items():
        if text is not None:
            (folder / f"{name}.py").write_text(text, errors="surrogateescape")
    return folder


@pytest.fixture(scope="module")
def submission(folder):
    files = {f"{name}.py": (name,) for name in IMPORTS}
    files["hostile.py"] = (*CALLS, "fills_the_output", "changes_its_arguments", "catches")
    with Submission(folder, {**files, "fine.py": ("iou",)}, time_limit=0.5) as submission:
        yield submission


def assert_goes_on(submission):
    """The next question is answered, by the right function and within its time."""
    value, changed = submission.call("iou", [np.zeros(2), [1, 2]])
    np.testing.assert_array_equal(value, [2, 2])
    assert changed == []


def assert_says(error, kind, words):
    assert error.kind == kind, str(error)
    for word in words:
        assert word in str(error)
    for word in ("minissd-marking", "Traceback", "frozen"):  # nothing of the marker, nor of Python itself
        assert word not in str(error)


@pytest.mark.parametrize("name", CALLS)
def test_a_hostile_function_costs_its_own_question(submission, name):
    _, kind, words = CALLS[name]
    started = time.monotonic()
    with pytest.raises(StudentError) as caught:
        submission.call(name, [np.zeros(2), [1, 2]])
    assert time.monotonic() - started < 20  # it was stopped, and not waited for
    assert_says(caught.value, kind, words)
    assert_goes_on(submission)


@pytest.mark.parametrize("name", IMPORTS)
def test_a_file_that_cannot_be_imported_costs_its_own_questions(submission, name):
    _, kind, words = IMPORTS[name]
    for _ in range(2):  # the second time without trying again
        with pytest.raises(StudentError) as caught:
            submission.call(name, [1])
        assert_says(caught.value, kind, words)
    assert_goes_on(submission)


def test_many_lines_are_printed_and_forgotten(submission):
    assert submission.call("fills_the_output", [1, 2]) == (7, [])
    time.sleep(0.05)  # the output has a way of its own
    assert submission.output.endswith("line 19999\n")
    assert len(submission.output) <= 4096


def test_changed_arguments_are_told_and_stay_as_they_were(submission):
    a, b = np.zeros(2), [1]
    assert submission.call("changes_its_arguments", [a], {"b": b}) == (7, [0, "b"])
    assert a.sum() == 0 and b == [1]


def test_an_optional_package_may_be_absent(submission):
    assert submission.call("catches", [1, 2]) == (7, [])


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "boxes.py").symlink_to(os.path.join(PACKAGE, "boxes.py"))
    submission = Submission(tmp_path, {"boxes.py": ("iou",)})
    with pytest.raises(StudentError, match="is a link") as caught:
        submission.call("iou", [1, 2])
    assert caught.value.kind == "missing_file"


def test_unguarded_it_may_use_the_library(tmp_path):
    (tmp_path / "boxes.py").write_text("from minissd.boxes import iou\n")
    with Submission(tmp_path, {"boxes.py": ("iou",)}, guarded=False) as submission:
        value, _ = submission.call("iou", [np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3]])])
    np.testing.assert_allclose(value, [[1 / 7]])
