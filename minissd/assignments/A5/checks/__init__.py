"""Checks of A5: assemble and train; and what several of them ask about."""

from minissd.assignments.asking import RemoteObject

TWO_MAPS = ((4, 6), (6,)), (2, 3), 3  # of 8 x 8 and 4 x 4 cells, if the images have 32 x 32 pixels
ROWS = 8 * 8 * 2, 4 * 4 * 3
ONE_MAP = ((5,),), (2,), 3


def schedule_of(answer):
    """The function that came."""
    hint = "Define a function of the step within this one, and return it without calling it."
    return answer.satisfies(lambda it: isinstance(it, RemoteObject), "a function of the step", hint).value
