"""Settings of a training: which are refused, and what VGG networks are trained with."""

import pytest

from minissd.config import SSD300_VOC, TINY
from minissd.errors import InputError
from minissd.settings import SCHEDULES, TrainSettings, settings_for


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "two-cycle"}, "no schedule 'two-cycle' .choose one of one-cycle, cosine"),
        ({"augmentation": "wild"}, "no augmentation 'wild'"),
        ({"matching_rule": "best"}, "no matching rule 'best'"),
        ({"steps": 0}, "steps: 0"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"steps": 2.5}, "steps: 2.5 is not a whole number"),
        ({"max_gradient_norm": -1.0}, "max_gradient_norm: -1.0"),
        ({"bias_learning_rate_factor": float("nan")}, "bias_learning_rate_factor: nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        TrainSettings(**change)


def test_vgg_networks_train_as_in_the_paper_unless_told_otherwise():
    settings = settings_for(SSD300_VOC, steps=120, seed=3)
    assert (settings.learning_rate, settings.augmentation) == (1e-3, "ssd")
    assert (settings.bias_learning_rate_factor, settings.decay_biases) == (2.0, False)
    rate = SCHEDULES[settings.schedule](settings.learning_rate, settings.steps)
    assert [round(rate(step), 9) for step in (0, 79, 80, 99, 100)] == [1e-3, 1e-3, 1e-4, 1e-4, 1e-5]
    assert settings_for(SSD300_VOC, learning_rate=0.5).learning_rate == 0.5
    assert settings_for(TINY) == TrainSettings()
