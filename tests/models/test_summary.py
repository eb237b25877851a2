"""The summary of a network: by hand, against what really runs, and what it does not know."""

import dataclasses

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd.errors import InputError
from minissd.models import SSD, Stage
from minissd.models.ssd import BASES
from minissd.models.summary import Row, after, summary
from minissd.nn import BatchNorm2d, Conv2d, ConvBlock, Layer, MaxPool2d, ReLU, Sequential


@pytest.fixture(scope="module")
def model():
    return SSD(TWO_MAPS)


def test_first_layer_by_hand(model):
    """3 -> 16 channels, 3x3, stride 2: 16 * 27 weights and 2 * 16 of the normalisation; 16x16 places."""
    expected = Row("conv1", (16, 16, 16), 16 * 27 + 2 * 16, 16 * 27 * 16 * 16, receptive_field=3, stride=2)
    assert summary(model)["conv1"] == expected


def test_rows_are_all_layers_in_order_and_their_parameters_all_parameters(model):
    table = summary(model)
    assert [row.name for row in table.rows] == list(model.layers)
    assert table.params == sum(array.size for array in model.params.values())
    with pytest.raises(KeyError):
        table["conv99"]


def test_shapes_are_those_of_a_forward_pass(model, rng):
    trace = {}
    model.forward(rng.standard_normal((1, 3, 32, 32)).astype(np.float32), trace)
    for row in summary(model).rows:
        if row.name.endswith("_head"):
            numbers = trace[f"{row.name}.loc"].size + trace[f"{row.name}.conf"].size
            assert np.prod(row.output_shape) == numbers
        else:
            assert trace[row.name].shape == (1, *row.output_shape), row.name


def test_a_head_looks_at_the_normalised_map_and_the_next_stage_at_the_map(model):
    table = summary(model)
    assert table["conv4_2_head"].receptive_field == table["conv4_2"].receptive_field + 2 * 8
    assert table["pool4"].receptive_field == table["conv4_2"].receptive_field + 8


def test_the_table_can_be_read(model):
    header, first, *_, total = str(summary(model)).splitlines()
    assert header.split() == ["layer", "output", "parameters", "MMAC", "field", "stride"]
    assert first.split() == ["conv1", "16x16x16", "464", "0.1", "3", "2"]
    assert total.split() == ["total", f"{summary(model).params:,}", f"{summary(model).macs / 1e6:.1f}"]


def test_the_receptive_field_is_how_far_the_gradient_of_one_place_reaches():
    """With positive weights nothing cancels. On rising values every pool passes on to its last place, on
    falling ones to its first, so that the two together show the whole field."""
    chain = Sequential(
        [
            Conv2d(1, 2, 3, padding=1),
            MaxPool2d(2, ceil_mode=True),
            Conv2d(2, 1, 3, padding=3, dilation=3),
            MaxPool2d(3, stride=1, padding=1),
            Conv2d(1, 1, 3, stride=2, padding=1),
        ]
    )
    for name, array in chain.params.items():
        chain.params[name] = np.ones(array.shape)
    rising = np.add.outer(np.arange(61.0), np.arange(61.0))[None, None]
    reached = np.zeros((61, 61), bool)
    for x in (rising, 200 - rising):
        y = chain.forward(x)
        dy = np.zeros_like(y)
        dy[0, 0, 8, 8] = 1
        reached |= chain.backward(dy)[0, 0] != 0
    row = after(chain, Row("images", (1, 61, 61)))
    assert row.output_shape == (1, *y.shape[2:]) == (1, 16, 16)
    for axis in (0, 1):
        (places,) = np.nonzero(reached.any(axis=axis))
        assert places[-1] - places[0] + 1 == row.receptive_field == 3 + 1 + 6 * 2 + 2 * 2 + 2 * 2
    assert row.stride == 4


def test_costs_of_parts_add_up():
    """Normalisation and ReLU cost nothing, as is usual: at inference the convolution does them too."""
    place = Row("images", (3, 8, 8))
    block = ConvBlock(3, 5, 3, padding=1, batch_norm=True)
    apart = Sequential([Conv2d(3, 5, 3, padding=1), BatchNorm2d(5), ReLU()])
    assert after(block, place) == after(apart, place)
    assert after(Sequential([block, Conv2d(5, 2, 1)]), place).macs == (5 * 27 + 2 * 5) * 64


class Blur(Layer):
    """A layer that the summary has never heard of."""


def test_a_layer_of_an_unknown_kind_is_named(monkeypatch):
    def stages(config, rng):
        return [Stage([("conv", ConvBlock(3, 4, 3)), ("blur", Blur())], 4)]

    monkeypatch.setitem(BASES, "blurred", stages)
    one_map = {
        name: getattr(TWO_MAPS, name)[:1] for name in ("feature_maps", "steps", "min_sizes", "max_sizes")
    }
    config = dataclasses.replace(TWO_MAPS, base="blurred", aspect_ratios=((2,),), **one_map)
    with pytest.raises(InputError, match=r"behind conv: Blur is not known \(teach it with minissd"):
        summary(SSD(config))
