"""The machine makes what `pickle` would make of plain values, and refuses every other program."""

import io
import os
import pickle
import pickletools

import pytest
from hostile_files import (
    call,
    dict_of,
    list_of,
    name,
    noted,
    number,
    numbers,
    program,
    recalled,
    text,
    tuple_of,
)
from hypothesis import given
from hypothesis import strategies as st

from minissd.weights import pickle_machine
from minissd.weights.opening import Refused
from minissd.weights.pickle_machine import Name, run

VOCABULARY = {"a.pair": lambda left, right: (left, right), "a.word": None}
KEYS = st.text(max_size=5) | st.integers(-(2**60), 2**60)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=12,
)


def run_bytes(content, vocabulary=VOCABULARY, persistent=None):
    return run(io.BytesIO(content), vocabulary, persistent)


@given(PLAIN, st.sampled_from([4, 5]))
def test_plain_values_come_back(value, protocol):
    again = run_bytes(pickle.dumps(value, protocol))
    assert again == value
    assert repr(type(again)) == repr(type(value))


@given(st.lists(st.dictionaries(KEYS, st.integers() | st.text(), max_size=4), max_size=4))
def test_plain_values_come_back_from_protocol_2(value):
    assert run_bytes(pickle.dumps(value, 2)) == value


def test_the_file_is_left_behind_the_program():
    file = io.BytesIO(program(number(1)) + program(number(2)) + b"rest")
    assert [run(file, {}), run(file, {}), file.read()] == [1, 2, b"rest"]


def test_python_2_text_and_integers():
    assert run_bytes(b"(U\x02abI12345678901\nI01\nt.") == ("ab", 12345678901, True)


def test_a_name_of_the_vocabulary_is_a_word_and_calls_our_function():
    assert run_bytes(program(name("a", "word"))) == Name("a.word")
    assert run_bytes(b"\x80\x04\x8c\x01a\x8c\x04word\x93.") == Name("a.word")
    assert run_bytes(program(call(name("a", "pair"), number(1), number(2)))) == (1, 2)
    assert run_bytes(program(name("a", "pair") + numbers([1, 2]) + b"\x81")) == (1, 2)  # NEWOBJ


def test_a_persistent_id_goes_to_the_caller():
    assert run_bytes(program(number(3) + b"Q"), persistent=lambda value: value + 1) == 4


def test_attributes_of_a_dictionary_are_dropped():
    assert run_bytes(program(dict_of({"a": number(1)}) + dict_of({"b": number(2)}) + b"b")) == {"a": 1}


class Writes:
    """Unpickling an instance of this creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_of_a_pickle_runs(tmp_path, protocol):
    marker = tmp_path / "marker"
    content = pickle.dumps(Writes(marker), protocol)
    with pytest.raises(Refused):
        run_bytes(content)
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists()  # Python itself does run it, so the file would have been there


DANGEROUS = {
    "os.system": call(name("os", "system"), text("touch marker")),
    "posix.system": call(name("posix", "system"), text("touch marker")),
    "builtins.eval": call(name("builtins", "eval"), text("1")),
    "builtins.getattr": call(call(name("builtins", "getattr"), name("os", "path"), text("os")), text("x")),
    "os.sys.modules": name("os", "sys.modules"),
    "a.word.__class__": name("a", "word.__class__"),
    "model.SSD300": name("model", "SSD300") + b")\x81}b",
    "__builtin__.type": name("__builtin__", "type"),
    "functools.partial": call(name("functools", "partial"), name("os", "system")),
}


@pytest.mark.parametrize("full", DANGEROUS)
def test_every_other_name_is_refused_in_full(full):
    with pytest.raises(Refused, match=f"asks for {full},.*nothing of the file was run.*state_dict"):
        run_bytes(program(DANGEROUS[full]))


def test_a_long_or_tricky_name_is_shown_in_short():
    with pytest.raises(Refused) as refused:
        run_bytes(program(name("o", "\x1b[2J" + "s" * 100_000)))
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


BROKEN = {
    "nothing at all": (b"", "before seeing STOP"),
    "no STOP": (b"\x80\x02N", "before seeing STOP"),
    "an unknown instruction": (b"\xff.", "unknown"),
    "empty at STOP": (b"\x80\x02.", "damaged"),
    "two values at STOP": (b"\x80\x02NN.", "damaged"),
    "an open MARK": (b"\x80\x02(N.", "MARK"),
    "no MARK": (b"\x80\x02Nt.", "damaged"),
    "protocol 6": (b"\x80\x06N.", "protocol 6"),
    "too few for a tuple": (b"N\x87.", "more values than there are"),
    "too few below a MARK": (b"N(\x85.", "more values than there are"),
    "an unknown note": (b"h\x07.", "damaged"),
    "a note of nothing": (b"q\x00N.", "damaged"),
    "APPEND to a tuple": (b")Na.", "tuple as if it were a list"),
    "APPEND to a dict": (b"}Na.", "dict as if it were a list"),
    "SETITEM of a list": (b"]NNs.", "list as if it were a dict"),
    "SETITEMS of a key without value": (b"}(Nu.", "damaged"),
    "ADDITEMS to a list": (b"](N\x90.", "list as if it were a set"),
    "BUILD of a list": (b"]}b.", "list as if it were a dict"),
    "a call of a number": (call(number(1)) + b".", "calls something of type int"),
    "a call of a text": (call(text("os.system")) + b".", "calls something of type str"),
    "a call of a mere word": (call(name("a", "word")) + b".", "calls a.word"),
    "a call without a tuple": (name("a", "pair") + b"]R.", "calls"),
    "a call with too few arguments": (call(name("a", "pair")) + b".", "damaged"),
    "a name that is a number": (number(1) + text("x") + b"\x93.", "not a text"),
    "a persistent id without a keeper": (b"NQ.", "outside"),
    "key of type None": (b"}NNs.", "key of type NoneType"),
    "a tuple as a key": (b"}))s.", "key of type tuple"),
    "a list in a set": (b"\x8f(]\x90.", "key of type list"),
    "a float in a frozenset": (b"(G" + bytes(8) + b"\x91.", "key of type float"),
    "a huge number as a key": (b"}" + number(2**61) + b"Ns.", "key of type int"),
    "a long text as a key": (b"}" + text("x" * 1001) + b"Ns.", "key of type str"),
    "text longer than the file": (b"X\xff\xff\xff\xffab.", "damaged"),
    "bytes longer than any file": (b"\x8e" + b"\xff" * 7 + b"\x7fab.", "damaged"),
    "a number of too many digits": (b"I" + b"9" * 100_000 + b"\n.", "damaged"),
    "text that is not UTF-8": (b"X\x01\x00\x00\x00\xff.", "damaged"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_program_is_refused(case):
    content, reason = BROKEN[case]
    with pytest.raises(Refused, match=reason) as refused:
        run_bytes(content)
    assert len(str(refused.value)) < 400


ARGUMENTS = {"INST": b"os\nsystem\n", "LONG4": b"\x01\x00\x00\x00\x07", "PERSID": b"x\n", "STRING": b"'x'\n"}
ARGUMENTS |= {"GET": b"0\n", "PUT": b"0\n", "LONG": b"1L\n", "FLOAT": b"1\n", "UNICODE": b"x\n"}
ARGUMENTS |= {"EXT1": b"\x01", "EXT2": b"\x01\x00", "EXT4": b"\x01\x00\x00\x00", "BYTEARRAY8": bytes(8)}
OTHERS = [op for op in pickletools.opcodes if op.name not in pickle_machine.ACTIONS]


@pytest.mark.parametrize("opcode", OTHERS, ids=lambda opcode: opcode.name)
def test_other_instructions_are_refused_by_name(opcode):
    content = b"N(N" + opcode.code.encode("latin-1") + ARGUMENTS.get(opcode.name, b"") + b"."
    with pytest.raises(Refused, match=f"instruction {opcode.name},"):
        run_bytes(content)
    assert {"INST", "OBJ", "NEWOBJ_EX", "EXT1", "DUP", "PERSID"} <= {other.name for other in OTHERS}


def test_an_endless_program_is_stopped(monkeypatch):
    monkeypatch.setattr(pickle_machine, "MAX_STEPS", 1000)
    assert run_bytes(list_of(*[b"N"] * 900) + b".") == [None] * 900
    with pytest.raises(Refused, match="1,000 instructions"):
        run_bytes(list_of(*[b"N"] * 1000) + b".")


def test_the_highest_note_costs_no_more_than_the_first():
    assert run_bytes(b"Nr\xff\xff\xff\xff.") is None


def laughs(container):
    """Sixty containers, each of which holds the one before it ten times."""
    joke = noted(b")", 0)
    for level in range(60):
        joke = noted(container(joke, *[recalled(level)] * 9), level + 1)
    return joke


def test_a_billion_laughs_are_not_walked():
    assert len(run_bytes(program(laughs(list_of)))) == 10
    assert len(run_bytes(program(laughs(tuple_of)))) == 10
    with pytest.raises(Refused, match="key of type tuple"):
        run_bytes(program(b"}" + laughs(tuple_of) + b"Ns"))  # its hash would take for ever


def test_a_list_that_holds_itself_and_one_that_is_deep():
    loop = run_bytes(program(noted(b"]", 0) + recalled(0) + b"a"))
    assert loop[0] is loop
    deep = run_bytes(b"]" * 100_000 + b"a" * 99_999 + b".")
    assert len(deep) == 1
    with pytest.raises(Refused):
        run_bytes(b")" + b"\x85" * 100_000 + b"Q.")


PIECES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
PIECES += [
    text("x"),
    number(3),
    name("a", "pair"),
    name("a", "word"),
    b"K\x01",
    b"q\x00",
    b"h\x00",
    b"(",
    b"}",
]


@given(st.binary(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_any_bytes_make_a_value_or_are_refused(content):
    try:
        run_bytes(content + b".", persistent=lambda value: value)
    except Refused as refused:
        assert str(refused).isprintable()
