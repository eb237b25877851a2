r"""A pickle is a program; here is the whole machine that runs it.

A pickle does not describe an object, it says how to make one: a row of instructions for a machine with a
stack and a memo (its numbered notes). The list ``[1, 2]`` is this program::

    bytes    instruction   the stack afterwards
    \x80\x02 PROTO 2       (empty)
    ]        EMPTY_LIST    []
    q\x00    BINPUT 0      []                    and note 0 is this list
    (        MARK          (empty)               the other stack waits
    K\x01    BININT1 1     1
    K\x02    BININT1 2     1  2
    e        APPENDS       [1, 2]                the waiting stack again, its list with two values more
    .        STOP          [1, 2]                the answer

Two instructions make pickles dangerous: GLOBAL fetches anything that Python can import, ``os.system``
included, and REDUCE calls it. A file of weights made by a stranger may then do what it likes with the
computer of whoever loads it. In the machine below GLOBAL looks a name up in a *vocabulary* that the caller
gives; the name stays a mere word, and REDUCE calls the function of ours that the vocabulary has for it. What
is not in the vocabulary is refused, so no code of the file, nor any code that it chooses, ever runs.

The standard library's `pickletools` cuts the bytes into instructions; what each one does stands in `ACTIONS`.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass

from minissd.weights.opening import LARGEST_PIECE, Refused, shown

MAX_STEPS = 1_000_000  # a network and its optimizer take some ten thousand
MAX_BYTES = LARGEST_PIECE  # of one program; the weights themselves are not part of it
LAST_PROTOCOL = 5
MAX_KEY_LENGTH = 1000  # of a text; to compare long ones again and again takes long
MAX_KEY_NUMBER = 1 << 60  # larger ones can share a hash, which makes a dictionary of them slow

SAVE_STATE_DICT = "if you trust it, load it in PyTorch and save model.state_dict() alone"


@dataclass(frozen=True)
class Name:
    """A name of the vocabulary, such as ``torch.FloatStorage``: a word, not what Python has under it."""

    full: str


class Machine:
    """The state of a running program.

    Attributes
    ----------
    stack : list
        Plain values: None, bool, int, float, str, bytes, list, tuple, dict, set, `Name`, and what the
        functions of the vocabulary return.
    waiting : list of list
        The stacks that MARK set aside, innermost last.
    memo : dict of int to object
        Values noted by number. A dictionary, so that note number 4 billion costs no more than note 0.
    """

    def __init__(self, vocabulary, persistent):
        self.vocabulary = vocabulary
        self.persistent = persistent
        self.stack = []
        self.waiting = []
        self.memo = {}

    def push(self, value):
        self.stack.append(value)

    def take(self, count=None):
        """Take the last `count` values off the stack; without a count, all since the last MARK."""
        if count is None:
            values, self.stack = self.stack, self.waiting.pop()
            return values
        if count > len(self.stack):
            raise Refused("its pickle takes more values than there are")
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    def top(self, kind):
        """The value on top, which must be a list, dict or set of exactly this kind."""
        value = self.stack[-1]
        if type(value) is not kind:
            raise Refused(f"its pickle treats a {type(value).__name__} as if it were a {kind.__name__}")
        return value

    def word(self, full):
        """The `Name` for a name of the vocabulary."""
        if full not in self.vocabulary:
            problem = f"asks for {shown(full)}, which no state dict is made of; nothing of the file was run"
            raise Refused(problem, "if it is a whole model that you trust, save model.state_dict() instead")
        return Name(full)


def run(file, vocabulary, persistent=None):
    r"""Run one pickle and return the value it makes.

    Parameters
    ----------
    file : binary file
        Open at the start of the program; stands behind its STOP afterwards. Reads of more than the file
        has must be cheap, as those of `io.BytesIO` are.
    vocabulary : dict of str to callable or None
        The names that the program may use, as in ``collections.OrderedDict``, and the function that stands
        for each when it is called. None: the name may be mentioned but not called.
    persistent : callable, optional
        Gives the value for the description of an object that lies outside of the pickle (BINPERSID).

    Returns
    -------
    object

    Raises
    ------
    Refused
        If the program is damaged or asks for anything that is not here. No other exception leaves.

    Examples
    --------
    >>> from io import BytesIO
    >>> run(BytesIO(b"\x80\x02]q\x00(K\x01K\x02e."), vocabulary={})
    [1, 2]
    >>> run(BytesIO(b"cos\nsystem\n(X\x04\x00\x00\x00exittR."), vocabulary={})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    minissd.weights.opening.Refused: asks for os.system, which ...
    """
    machine = Machine(vocabulary, persistent)
    step = 0
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if step >= MAX_STEPS:
                raise Refused(f"its pickle has more than {MAX_STEPS:,} instructions", SAVE_STATE_DICT)
            _action(opcode.name)(machine, argument)
        (answer,) = machine.stack
    except Refused:
        raise
    except Exception as error:  # the many ways in which wrong bytes trip `pickletools` or an action
        raise Refused(f"its pickle is damaged at instruction {step}: {shown(error)}") from error
    if machine.waiting:
        raise Refused("its pickle stops before its last MARK is used")
    return answer


def _action(instruction):
    if instruction not in ACTIONS:
        raise Refused(f"its pickle uses the instruction {instruction}, which no file of weights needs")
    return ACTIONS[instruction]


# The instructions. Each is a function of the machine and of the argument that follows it in the file.


def _nothing(machine, _):
    pass


def _protocol(machine, number):
    if number > LAST_PROTOCOL:
        raise Refused(f"its pickle is of protocol {number}, newer than {LAST_PROTOCOL}", SAVE_STATE_DICT)


def _new(make):
    """The action that pushes what `make` returns."""
    return lambda machine, _: machine.push(make())


def _mark(machine, _):
    machine.waiting.append(machine.stack)
    machine.stack = []


def _made_of_values(make, count=None):
    """The action that makes one value of the last `count`, or of all since the MARK."""
    return lambda machine, _: machine.push(make(machine.take(count)))


def _add_values(kind, add, count=None):
    """The action that adds the last `count` values, or all since the MARK, to the container below them."""

    def action(machine, _):
        values = machine.take(count)
        add(machine.top(kind), values)

    return action


def _set_items(entries, keys_and_values):
    for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
        entries[key_of(key)] = value


def _add_members(members, values):
    members.update(map(key_of, values))


def _frozenset(values):
    return frozenset(map(key_of, values))


def key_of(value):
    """A key of a dictionary or member of a set: only what is quick to hash and to compare."""
    if isinstance(value, str) and len(value) <= MAX_KEY_LENGTH:
        return value
    if isinstance(value, int) and abs(value) <= MAX_KEY_NUMBER:
        return value
    problem = f"its pickle uses a key of type {type(value).__name__}, not a short text or number"
    raise Refused(problem, SAVE_STATE_DICT)


def _note(machine, number):
    machine.memo[number] = machine.stack[-1]


def _note_next(machine, _):
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _recall(machine, number):
    machine.push(machine.memo[number])


def _global(machine, module_and_name):
    machine.push(machine.word(module_and_name.replace(" ", ".")))


def _stack_global(machine, _):
    module, name = machine.take(2)
    if not (isinstance(module, str) and isinstance(name, str)):
        raise Refused("its pickle asks for a name that is not a text")
    machine.push(machine.word(f"{module}.{name}"))


def _call(machine, _):
    """REDUCE and NEWOBJ. In Python they call anything; here, the function that the vocabulary has."""
    name, arguments = machine.take(2)
    if not (isinstance(name, Name) and isinstance(arguments, tuple)):
        raise Refused(f"its pickle calls something of type {type(name).__name__}")
    function = machine.vocabulary[name.full]
    if function is None:
        raise Refused(f"its pickle calls {name.full}, which is a mere name")
    machine.push(function(*arguments))


def _build(machine, _):
    """BUILD gives an object attributes. Ours have none: those of an OrderedDict (_metadata) are dropped."""
    machine.take(1)
    machine.top(dict)


def _from_outside(machine, _):
    (description,) = machine.take(1)
    if machine.persistent is None:
        raise Refused("its pickle asks for data from outside where there are none")
    machine.push(machine.persistent(description))


LITERALS = (
    *("INT", "LONG1", "BININT", "BININT1", "BININT2", "BINFLOAT"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
ACTIONS = {
    "PROTO": _protocol,
    "FRAME": _nothing,  # tells how much to read ahead
    "STOP": _nothing,
    **dict.fromkeys(LITERALS, Machine.push),
    "NONE": _new(lambda: None),
    "NEWTRUE": _new(lambda: True),
    "NEWFALSE": _new(lambda: False),
    "EMPTY_TUPLE": _new(tuple),
    "EMPTY_LIST": _new(list),
    "EMPTY_DICT": _new(dict),
    "EMPTY_SET": _new(set),
    "MARK": _mark,
    "TUPLE1": _made_of_values(tuple, 1),
    "TUPLE2": _made_of_values(tuple, 2),
    "TUPLE3": _made_of_values(tuple, 3),
    "TUPLE": _made_of_values(tuple),
    "FROZENSET": _made_of_values(_frozenset),
    "APPEND": _add_values(list, list.extend, 1),
    "APPENDS": _add_values(list, list.extend),
    "SETITEM": _add_values(dict, _set_items, 2),
    "SETITEMS": _add_values(dict, _set_items),
    "ADDITEMS": _add_values(set, _add_members),
    "BINPUT": _note,
    "LONG_BINPUT": _note,
    "MEMOIZE": _note_next,
    "BINGET": _recall,
    "LONG_BINGET": _recall,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "BINPERSID": _from_outside,
}
