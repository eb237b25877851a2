"""The team: every piece is done once, by whoever is free, whatever else goes on in the process."""

import os
import threading
import time

import numpy as np
import pytest
from numba import njit
from team_tools import run_script, team_of

from minissd.compilation import compiled
from minissd.nn.fast import team as team_module
from minissd.nn.fast.team import TAKEN, Team, share_out

NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@njit(nogil=True)
def _mark(thread, piece, done, by, work):
    """Note that a piece was done and under which number, after some work that cannot be left out."""
    number = np.uint32(piece + 1)
    for _ in range(work):
        number = np.uint32(number * np.uint32(1664525) + np.uint32(1013904223))
    done[piece] += 1 + (number == np.uint32(0) and work == -1)
    by[piece] = thread


@compiled
def _share_marks(mailbox, done, by, work):
    share_out(mailbox, len(done), _mark, (done, by, work))


def mark(mailbox, pieces, work=0):
    """Share out so many pieces: how often each was done, and by whom."""
    done, by = np.zeros(pieces, np.int64), np.full(pieces, -1, np.int64)
    _share_marks(mailbox, done, by, work)
    return done, by


@njit(nogil=True)
def _add(thread, piece, a, b, out):
    out[piece] = a[piece] + b[piece]


@compiled
def _share_sums(mailbox, a, b, out):
    share_out(mailbox, len(out), _add, (a, b, out))


@njit(nogil=True)
def _mark_row(thread, piece, mailbox, done, by, work):
    """A piece that is itself shared out."""
    share_out(mailbox, done.shape[1], _mark, (done[piece], by[piece], work))


@compiled
def _share_rows(mailbox, done, by, work):
    share_out(mailbox, len(done), _mark_row, (mailbox, done, by, work))


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("pieces", [0, 1, 2, 7, 1000, 65_535])
def test_every_piece_is_done_once(pieces, size):
    team = team_of(size)
    for work in (0, 0, 0, 100, 100):
        team.wake()
        done, by = mark(team.mailbox, pieces, work)
        np.testing.assert_array_equal(done, 1)
        assert pieces == 0 or 0 <= by.min() <= by.max() < size


def test_more_pieces_than_sixteen_bits_can_count():
    """A batch of 256 images of 256 rows has so many rows; were some lost, the caller would wait for ever."""
    run_script("""if True:
        import signal
        from test_fast_team import mark, team_of
        mark(team_of(2).mailbox, 1)
        signal.alarm(10)
        for pieces in (65_536, 70_000, 200_000):
            assert (mark(team_of(2).mailbox, pieces)[0] == 1).all()
    """)


def test_many_small_jobs_in_a_row():
    team = team_of(2)
    team.wake()
    for pieces in range(3000):
        done, _ = mark(team.mailbox, pieces % 5)
        assert (done == 1).all()


def test_a_team_of_one_works_alone():
    before = threading.active_count()
    team = Team(1)
    assert threading.active_count() == before
    done, by = mark(team.mailbox, 7)
    np.testing.assert_array_equal(done, 1)
    np.testing.assert_array_equal(by, 0)


def test_who_finds_the_mailbox_taken_does_all_himself():
    team = team_of(2)
    team.wake()
    mailbox = team.mailbox.copy()
    mailbox[TAKEN] = 1
    before = mailbox.copy()
    done, by = mark(mailbox, 7)
    np.testing.assert_array_equal(done, 1)
    np.testing.assert_array_equal(by, 0)
    np.testing.assert_array_equal(mailbox, before)  # the other's job is still in it


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_piece_that_is_shared_out_again(size):
    team = team_of(size)
    for _ in range(20):
        team.wake()
        done, by = np.zeros((9, 6), np.int64), np.full((9, 6), -1, np.int64)
        _share_rows(team.mailbox, done, by, 50)
        np.testing.assert_array_equal(done, 1)
        np.testing.assert_array_equal(by, 0)  # the mailbox is taken: whoever has the piece does all of it
    np.testing.assert_array_equal(mark(team.mailbox, 9)[0], 1)


def test_callers_in_several_threads_with_different_work():
    team, wrong, start = team_of(2), [], threading.Barrier(4)

    def marks(work):
        for turn in range(300):
            team.wake()
            if not (mark(team.mailbox, turn % 40, work)[0] == 1).all():
                wrong.append(turn)

    def sums(seed):
        rng = np.random.default_rng(seed)
        for turn in range(300):
            a, b = rng.standard_normal((2, 50))
            out = np.full(50, np.nan)
            team.wake()
            _share_sums(team.mailbox, a, b, out)
            if not np.array_equal(out, a + b):
                wrong.append(turn)

    def run(function, argument):
        start.wait()
        function(argument)

    jobs = [(marks, 0), (marks, 200), (sums, 1), (sums, 2)]
    callers = [threading.Thread(target=run, args=job) for job in jobs]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=120)
    assert not any(caller.is_alive() for caller in callers)
    assert not wrong


def test_a_thread_that_sleeps_is_not_waited_for():
    team = Team(3)
    deadline = time.monotonic() + 60
    while len(team._asleep) < 2:  # they come, look around, and go to sleep
        time.sleep(0.001)
        assert time.monotonic() < deadline
    for _ in range(5):
        done, by = mark(team.mailbox, 50, 100)
        np.testing.assert_array_equal(done, 1)
        np.testing.assert_array_equal(by, 0)


def test_threads_wake_up_after_every_sleep():
    """After a pause the first job finds them asleep, and is right; soon they take part again."""
    team = team_of(2)
    for _ in range(3):
        time.sleep(0.02)
        workers, deadline = set(), time.monotonic() + 60
        while workers != {0, 1}:
            team.wake()
            done, by = mark(team.mailbox, 64, 5000)
            np.testing.assert_array_equal(done, 1)
            workers |= set(by.tolist())
            assert time.monotonic() < deadline, f"only {workers} did anything"


def test_two_callers_may_wake_the_same_thread():
    """Between the look at the list of sleepers and the grab, somebody else may have woken the last one."""

    class Raced(list):
        def __bool__(self):
            someone = len(self) > 0
            self.clear()
            return someone

    team, alarm = Team(1), threading.Lock()
    alarm.acquire()
    team._asleep = Raced([alarm])
    team.wake()


def test_there_is_one_team_per_process():
    teams = []
    callers = [threading.Thread(target=lambda: teams.append(team_module.team())) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len({id(team) for team in teams}) == 1
    assert teams[0] is team_module.team()


CALLS = {
    "convolution": "Conv2d(16, 16, 3, padding=1).forward(x)",
    "im2col": "Conv2d(16, 16, 3, padding=1, algorithm='im2col').forward(x)",
    "l2norm": "L2Norm(16).forward(x)",
    "batchnorm": "BatchNorm2d(16).forward(x)",
}


@NEEDS_FORK
@pytest.mark.parametrize("call", CALLS)
def test_a_forked_process_has_threads_of_its_own(call):
    """Threads do not survive a fork; a child that counted on its parent's would wait for ever."""
    code = f"""if True:
        import os, signal, warnings
        import numpy as np
        from minissd.nn import *
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        x = np.random.default_rng(0).standard_normal((4, 16, 19, 19)).astype(np.float32)
        call = lambda: {CALLS[call]}
        expected = call()
        child = os.fork()
        if not child:
            signal.alarm(10)
            os._exit(0 if all(np.array_equal(call(), expected) for _ in range(3)) else 1)
        status = os.waitpid(child, 0)[1]
        assert np.array_equal(call(), expected)
        raise SystemExit(f"child ended with status {{status}}" if status else 0)
    """
    run_script(code)


def test_a_process_may_end_while_the_team_is_awake():
    run_script(
        "import numpy as np; from minissd.nn import Conv2d; from minissd.nn.fast.team import team; "
        "Conv2d(16, 16, 3, padding=1).forward(np.ones((1, 16, 9, 9), np.float32)); team()",
        threads=3,
    )
