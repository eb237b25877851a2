"""Threads that wait for work in compiled code.

A small layer is done in fifty microseconds, and it takes as long to wake a sleeping thread. The threads of a
team therefore stay awake for a moment after each job and watch a *mailbox*, all in compiled code that holds
no lock of Python's. The caller posts a job there and sets to work on it too:

    share_out(mailbox, 8, kernel, (x, y))  # kernel(thread, piece, x, y) for the pieces 0 to 7

Whoever is free takes the next piece. A thread that is asleep, or that the operating system has put aside, is
not waited for; the others do its part. A second caller who finds the mailbox taken does all pieces himself.
So neither of two models in two threads waits for the other, and no piece is ever lost.

Which thread does a piece makes no difference to the result: the pieces depend on the sizes alone.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from minissd.compilation import compiled
from minissd.nn.threads import num_threads

# The mailbox is an array of int64; each of its words has a cache line for itself, eight numbers long.
# TICKET holds three numbers, so that they change together: job << 44 | pieces << 22 | next piece.
TAKEN, TICKET, FINISHED, FUNCTION, ARGUMENTS = 0, 8, 16, 24, 32
WORDS = 40
JOB, PIECES = 44, 22
MOST_PIECES = (1 << PIECES) - 1
MOST_JOBS = (1 << 63 - JOB) - 1  # after so many the numbers begin again

PATIENCE = 1e-3  # seconds that a thread without work watches the mailbox before it falls asleep

INT = ir.IntType(64)
POINTER = ir.IntType(8).as_pointer()
TASK = ir.FunctionType(ir.VoidType(), [INT, INT, POINTER])  # thread, piece, arguments


class Team:
    """One thread per core, the caller included.

    Attributes
    ----------
    mailbox : ndarray of int64
        For `share_out`.
    size : int
        Number of threads.

    Examples
    --------
    >>> Team(1).size
    1
    """

    def __init__(self, size):
        self.size = size
        self.mailbox = np.zeros(WORDS, np.int64)
        self._asleep = []
        for number in range(1, size):
            alarm = threading.Lock()
            arguments = (number, self.mailbox, self._asleep, alarm)
            threading.Thread(target=_work, args=arguments, name=f"minissd-{number}", daemon=True).start()

    def wake(self):
        """Wake the threads that are asleep; they come when they come."""
        while self._asleep:
            with contextlib.suppress(IndexError):  # another caller was faster
                self._asleep.pop().release()


def _work(number, mailbox, asleep, alarm):
    """What a thread of the team does all its life."""
    alarm.acquire()
    looks = _looks_within(PATIENCE)
    while True:
        watch(mailbox, number, looks)
        asleep.append(alarm)
        alarm.acquire()


def _looks_within(seconds):
    """How often a thread looks into the mailbox in that time."""
    trials, looks, nobodys = [], 10_000, np.zeros(WORDS, np.int64)
    for _ in range(5):
        start = time.perf_counter()
        watch(nobodys, 0, looks)
        trials.append(time.perf_counter() - start)
    return int(looks * seconds / min(trials))


def team():
    """The team of this process, with all threads awake or waking up."""
    global _team
    if _team is None:
        with _founding:
            _team = _team or Team(num_threads())
    _team.wake()
    return _team


def team_for(work, little):
    """The team of this process; for no more than `little` work one of the caller alone.

    To wake a sleeping thread takes longer than such work.

    Examples
    --------
    >>> team_for(work=10, little=100).size
    1
    """
    return ALONE if work <= little else team()


def _dissolve():
    """In a forked process the threads are gone."""
    global _team
    _team = None


ALONE = Team(1)  # at its mailbox nobody waits, so that the caller does all pieces himself
_team, _founding = None, threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_dissolve)


def _word(context, builder, array_type, array, index):
    """Pointer to a word of the mailbox. Emits code; for the intrinsics."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [INT(index)])


@intrinsic(prefer_literal=True)
def read(typing_context, mailbox, index):
    """A word of the mailbox, as it is now."""

    def emit(context, builder, signature, args):
        return builder.load_atomic(
            _word(context, builder, mailbox, args[0], index.literal_value), "seq_cst", 8
        )

    return types.int64(mailbox, index), emit


@intrinsic(prefer_literal=True)
def write(typing_context, mailbox, index, value):
    """Change a word of the mailbox; all that was written before is seen by whoever reads it."""

    def emit(context, builder, signature, args):
        word = _word(context, builder, mailbox, args[0], index.literal_value)
        builder.store_atomic(args[2], word, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(mailbox, index, types.int64), emit


@intrinsic(prefer_literal=True)
def add(typing_context, mailbox, index, value):
    """Add to a word of the mailbox."""

    def emit(context, builder, signature, args):
        word = _word(context, builder, mailbox, args[0], index.literal_value)
        return builder.atomic_rmw("add", word, args[2], "seq_cst")

    return types.int64(mailbox, index, types.int64), emit


@intrinsic(prefer_literal=True)
def exchange(typing_context, mailbox, index, expected, value):
    """Change a word from `expected` to `value` unless another thread was faster; whether it was changed."""

    def emit(context, builder, signature, args):
        word = _word(context, builder, mailbox, args[0], index.literal_value)
        result = builder.cmpxchg(word, args[2], args[3], "seq_cst", "seq_cst")
        return builder.extract_value(result, 1)

    return types.boolean(mailbox, index, types.int64, types.int64), emit


@intrinsic
def run_piece(typing_context, mailbox, thread, piece):
    """Call the function in the mailbox."""

    def emit(context, builder, signature, args):
        function, arguments = (
            builder.load(_word(context, builder, mailbox, args[0], index)) for index in (FUNCTION, ARGUMENTS)
        )
        task = builder.inttoptr(function, TASK.as_pointer())
        builder.call(task, [args[1], args[2], builder.inttoptr(arguments, POINTER)])
        return context.get_dummy_value()

    return types.void(mailbox, types.int64, types.int64), emit


@njit(nogil=True)
def take_piece(mailbox):
    """The number of a piece that is now the caller's to do; -1 if all are taken."""
    while True:
        ticket = read(mailbox, TICKET)
        piece = ticket & MOST_PIECES
        if piece >= (ticket >> PIECES) & MOST_PIECES:
            return -1
        if exchange(mailbox, TICKET, ticket, ticket + 1):
            return piece


@njit(nogil=True)
def do_pieces(mailbox, thread):
    """Do pieces until all are taken; how many were done."""
    done = 0
    while True:
        piece = take_piece(mailbox)
        if piece < 0:
            return done
        run_piece(mailbox, thread, piece)
        add(mailbox, FINISHED, 1)
        done += 1


@compiled
def watch(mailbox, thread, looks):
    """Do what comes into the mailbox, until nothing has come for so many looks at it."""
    left = looks
    while left > 0:
        left -= 1
        if do_pieces(mailbox, thread):
            left = looks


@intrinsic
def write_job(typing_context, mailbox, kernel, arguments):
    """Write into the mailbox what to do: the kernel and the address of its arguments."""
    signature_of_kernel = types.void(types.int64, types.int64, *arguments.types)
    compiled_kernel = kernel.dispatcher.get_compile_result(signature_of_kernel)

    def emit(context, builder, signature, args):
        context.add_linking_libs((compiled_kernel.library,))
        values = cgutils.alloca_once_value(builder, args[2])
        task = _task(context, builder, compiled_kernel.fndesc, signature_of_kernel, values.type)
        for index, pointer in ((FUNCTION, task), (ARGUMENTS, values)):
            builder.store(builder.ptrtoint(pointer, INT), _word(context, builder, mailbox, args[0], index))
        return context.get_dummy_value()

    return types.void(mailbox, kernel, arguments), emit


@intrinsic
def keep(typing_context, arguments):
    """Nothing: but what is used here has not been freed before, as Numba does after the last use."""
    return types.void(arguments), lambda context, builder, signature, args: context.get_dummy_value()


def _task(context, builder, description, signature, pointer_type):
    """Make the function ``task(thread, piece, arguments)`` that calls the kernel. Emits code."""
    function = ir.Function(builder.module, TASK, builder.module.get_unique_name("task"))
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    thread, piece, address = function.args
    values = inside.load(inside.bitcast(address, pointer_type))
    arguments = cgutils.unpack_tuple(inside, values, len(signature.args) - 2)
    context.call_internal_no_propagate(inside, description, signature, [thread, piece, *arguments])
    inside.ret_void()
    return function


@njit(nogil=True, inline="always")
def share_out(mailbox, pieces, kernel, arguments):
    """Call ``kernel(thread, piece, *arguments)`` for ``range(pieces)``, on as many threads as have time.

    For compiled code. `thread` is below the size of the team, and no two pieces run under the same number at
    once: it says which buffers to use. The kernel must not raise.
    """
    if pieces > MOST_PIECES or not exchange(mailbox, TAKEN, 0, 1):
        for piece in range(pieces):
            kernel(0, piece, *arguments)
        return
    write_job(mailbox, kernel, arguments)
    write(mailbox, FINISHED, 0)
    job = ((read(mailbox, TICKET) >> JOB) + 1) & MOST_JOBS
    write(mailbox, TICKET, job << JOB | pieces << PIECES)
    do_pieces(mailbox, 0)
    while read(mailbox, FINISHED) < pieces:
        pass
    keep(arguments)
    write(mailbox, TAKEN, 0)
