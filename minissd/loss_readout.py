"""Reading the losses of a training run, on a GPU only every few steps.

A GPU works behind Python, which orders many operations ahead of it. Whoever asks for a number waits until all
work before it is done, and meanwhile the GPU gets no new orders.
"""

from __future__ import annotations

import numpy as np

from minissd.backend import get_array_module, is_cuda, to_cpu
from minissd.conventions import convention_of
from minissd.errors import InputError
from minissd.loss_deviations import NORMALIZATIONS

COLUMNS = ("step", "learning_rate", "loss", "conf", "loc", "num_pos", "mAP")


class LossReadout:
    """Keeps the losses of the last steps until they are read.

    Parameters
    ----------
    config : SSDConfig
        Of the model; its convention may be what is wrong with a loss.
    every : int
        Steps from one reading to the next.
    """

    def __init__(self, config, every):
        self.config, self.every = config, every
        self._unread = []

    def add(self, step, rate, loss, names):
        """Note the loss of a step; returns the rows that can be read now.

        Parameters
        ----------
        step : int
        rate : float
            Learning rate.
        loss : MultiBoxLoss
        names : list of str
            Of the pictures.

        Returns
        -------
        list of dict
            With the keys `COLUMNS`; empty until `every` steps have come together.
        """
        self._unread.append((step, rate, (loss.value, loss.conf, loss.loc, loss.num_pos), names))
        return self.read() if step % self.every == 0 else []

    def read(self):
        """Read what there is; returns its rows.

        Raises
        ------
        InputError
            If a loss is no finite number: the message names step and pictures.
        """
        unread, self._unread = self._unread, []
        rows = []
        for (step, rate, _, names), numbers in zip(unread, _on_cpu([losses for _, _, losses, _ in unread])):
            self._require_finite(step, numbers, names)
            rows.append(dict(zip(COLUMNS, (step, rate, *numbers, None))))
        return rows

    def _require_finite(self, step, numbers, names):
        value, _, _, num_pos = numbers
        if np.isfinite(value):
            return
        fix = "look at the boxes of these pictures, or lower the learning rate"
        if num_pos == 0 and _divides_by_nothing(self.config):
            divided = f"no default box is matched, and {self.config.convention} divides by their number"
            fix = f"{divided}: take larger batches, other pictures or another convention"
        raise InputError(f"step {step}: the loss is {value} on {', '.join(names)} ({fix})")


def _divides_by_nothing(config):
    """Whether the convention's loss is NaN where no default box is matched."""
    divisors = NORMALIZATIONS[convention_of(config).loss.normalization]
    return np.isnan(divisors(np.zeros((1, 1), bool))[0])


def _on_cpu(losses):
    """The four numbers of each loss; those on a GPU come together."""
    arrays = [number for numbers in losses for number in numbers]
    xp = next((get_array_module(array) for array in arrays if is_cuda(array)), None)
    if xp is None:
        return losses
    table = to_cpu(xp.stack([xp.asarray(array, xp.float64) for array in arrays])).reshape(-1, 4)
    return [(*row[:3], int(row[3])) for row in table.tolist()]
