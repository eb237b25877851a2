"""Work that is too little to be shared out."""

from __future__ import annotations

from minissd.nn.fast.team import Team, team

ALONE = Team(1)  # at its mailbox nobody waits, so that the caller does all pieces himself


def team_for(work, little):
    """The team of this process; for no more than `little` work one of the caller alone.

    To wake a sleeping thread takes as long as to add a hundred thousand numbers.

    Examples
    --------
    >>> team_for(work=10, little=100).size
    1
    """
    return ALONE if work <= little else team()
