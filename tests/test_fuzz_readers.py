"""A hundred spoiled files for every reader, of any number that `fuzz_readers` makes; and that it sees."""

import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="needs limits of the operating system")
if not Path("/proc/self/statm").is_file():
    pytest.skip("needs /proc to limit the memory of a process", allow_module_level=True)

from fuzz_readers import fuzz, mutant, report
from fuzz_subjects import READERS

COUNT = 120


@pytest.fixture(scope="module")
def results():
    found = {name: [] for name in READERS}
    for name, *result in fuzz(list(READERS), COUNT):
        found[name].append(result)
    return found


@pytest.mark.parametrize("name", READERS)
def test_a_spoiled_file_is_read_or_refused_and_nothing_else_happens(name, results):
    assert [result for result in results[name] if result[1] == "failed"] == []
    assert len(results[name]) == COUNT


@pytest.mark.parametrize("name", READERS)
def test_files_are_spoiled_neither_too_little_nor_too_much(name, results):
    verdicts = Counter(verdict for _, verdict, *_ in results[name])
    assert min(verdicts["loaded"], verdicts["refused"]) >= 3
    reasons = {why.partition(":")[2] for _, verdict, why, _ in results[name] if verdict == "refused"}
    assert len(reasons) >= 8


@pytest.mark.parametrize("name", READERS)
def test_every_mutation_spoils_valid_files(name):
    for spoil in set(READERS[name].mutations):
        files = READERS[name].valid_files * 9
        spoiled = [_spoiled(spoil, content, number) for number, content in enumerate(files)]
        assert any(new not in (None, old) for new, old in zip(spoiled, files)), spoil.__name__


def _spoiled(spoil, content, number):
    with contextlib.suppress(Exception):
        return spoil(content, random.Random(number), [content])


def test_a_number_stands_for_one_file():
    for name in READERS:
        files = [mutant(name, number) for number in (3, 4, 3)]
        assert files[0] == files[2] != files[1]


BAD = {  # readers below, and what is to be found out about them
    "raises": "ZeroDivisionError",
    "anonymous": "names no file: something is wrong",
    "writes": "open ('new', 'w'",
    "renames": "os.rename",
    "calls": "os.system (b'true',)",
    "connects": "socket.connect",
    "eats": "MemoryError",
    "sleeps": "took more than 0.5 seconds",
    "dies": "ended its process (3)",
}
BAD_READERS = """
import os, socket, sys, time
sys.path.insert(0, {tests!r})
import fuzz_readers
import mutations
from fuzz_subjects import READERS, Reader
from minissd.errors import InputError

fuzz_readers.SECONDS = 0.5

def in_bad_faith(act):
    def read(path):
        if path.read_bytes() != b"good":
            act(path)
    return Reader("file.bin", lambda: [b"good"], read, (mutations.insert_bytes,))

def anonymous(path):
    raise InputError("something is wrong")

def swallow(path):
    try:
        os.system("true")
    except BaseException:
        pass

READERS |= {{name: in_bad_faith(act) for name, act in dict(
    good=lambda path: None,
    raises=lambda path: 1 / 0,
    anonymous=anonymous,
    writes=lambda path: open("new", "w"),
    renames=lambda path: path.rename("elsewhere"),
    calls=swallow,
    connects=lambda path: socket.create_connection(("127.0.0.1", 9)),
    eats=lambda path: bytes(3 << 29),
    sleeps=lambda path: time.sleep(60),
    dies=lambda path: os._exit(3),
).items()}}
fuzz_readers.main()
"""


@pytest.fixture(scope="module")
def bad_results(tmp_path_factory):
    program = tmp_path_factory.mktemp("bad") / "bad_readers.py"
    program.write_text(BAD_READERS.format(tests=str(Path(__file__).parent)))
    names = [*BAD, "good"]
    return {name: (verdict, why) for name, _, verdict, why, _ in fuzz(names, 1, program=str(program))}


@pytest.mark.parametrize(("name", "words"), BAD.items())
def test_a_bad_reader_is_found_out(name, words, bad_results):
    verdict, why = bad_results[name]
    assert verdict == "failed"
    assert words in why


def test_the_reading_goes_on_behind_a_file_that_ended_its_process(bad_results):
    assert bad_results["good"] == ("loaded", "")


def test_failures_are_kept_to_be_made_again(tmp_path, capsys):
    found = [("voc", 5, "failed", "Traceback\nValueError: odd", ["flip_bits"]), ("voc", 6, "loaded", "", [])]
    assert report(found, tmp_path) == 1
    assert (tmp_path / "voc-5.xml").read_bytes() == mutant("voc", 5)[0]
    assert (tmp_path / "voc-5.txt").read_text() == "flip_bits\nTraceback\nValueError: odd\n"
    first, header, counts = capsys.readouterr().out.splitlines()
    assert first == "voc 5 (flip_bits): ValueError: odd"
    assert (header.split(), counts.split()) == (
        ["reader", "loaded", "refused", "failed"],
        ["voc", "1", "0", "1"],
    )
