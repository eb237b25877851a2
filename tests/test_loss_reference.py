"""The loss beside other implementations' values and gradients."""

import numpy as np
import pytest
from backends import every_backend
from reference_numbers import LossCase, copied_numbers

from minissd.loss import NORMALIZATIONS, multibox_loss

pytestmark = every_backend("multibox_loss")
NUMBERS = copied_numbers("loss")
every_case = pytest.mark.parametrize("case", range(int(NUMBERS["n_cases"])), ids=NUMBERS["case_name"])

# Options of the matching and of the loss by which other implementations' numbers are met.
PEERS = {
    "caffe": ({}, {}),
    "ccv": ({}, {}),
    "tv": ({"rule": "torchvision"}, {"mining_overflow": True}),
    "amd": ({"rule": "argmax"}, {"normalization": "positives_or_nan"}),
    "luf": ({"rule": "argmax", "union_epsilon": 1e-5}, {"normalization": "positives_or_nan"}),
}


class TestOtherImplementations:
    @every_case
    def test_the_drawn_inputs_are_the_stored_ones(self, case):
        batch = LossCase(NUMBERS, case)
        loc_check = [batch.loc.sum(), *batch.loc[0, 0, :4]]
        conf_check = [batch.conf.sum(), *batch.conf[0, 0, :5]]
        np.testing.assert_allclose(loc_check, batch.expected["loc_check"], rtol=1e-12)
        np.testing.assert_allclose(conf_check, batch.expected["conf_check"], rtol=1e-12)
        np.testing.assert_array_equal(batch.matched_gt, batch.expected["match"])

    @every_case
    def test_values(self, case):
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets)
        assert result.num_pos == batch.expected["num_pos"].sum()
        np.testing.assert_array_equal(result.hard_negatives.sum(axis=1), batch.expected["num_neg"])
        assert result.loc == pytest.approx(float(batch.expected["loss_loc"]), rel=1e-12)
        assert result.conf == pytest.approx(float(batch.expected["loss_conf"]), rel=1e-12)
        assert result.value == pytest.approx(float(batch.expected["caffe_total"]), rel=1e-6)  # float32 boxes

    @every_case
    def test_gradients(self, case):
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets)
        for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
            sums = gradient.sum(), np.abs(gradient).sum(), (gradient**2).sum()
            expected_sums = [batch.expected[f"{name}_{kind}"] for kind in ("sum", "abssum", "sqsum")]
            np.testing.assert_allclose(sums, expected_sums, rtol=1e-12, atol=1e-12)
            entries = gradient.ravel()[batch.expected[f"{name}_idx"]]
            np.testing.assert_allclose(entries, batch.expected[f"{name}_val"], rtol=1e-12, atol=1e-12)

    @every_case
    @pytest.mark.parametrize("peer", PEERS)
    def test_every_peers_loss_by_its_options(self, case, peer):
        """Among them is NaN for a batch without objects."""
        matching_options, loss_options = PEERS[peer]
        batch = LossCase(NUMBERS, case, **matching_options)
        result = multibox_loss(*batch.predictions_and_targets, **loss_options)
        assert result.num_pos == batch.expected.get(f"{peer}_num_pos", batch.expected["num_pos"]).sum()
        if peer == "caffe":  # its own are sums
            expected = [
                batch.expected[f"caffe_loss_{part}_sum"] / max(result.num_pos, 1) for part in ("loc", "conf")
            ]
        else:
            expected = [batch.expected[f"{peer}_loss_{part}"] for part in ("loc", "conf")]
        tolerance = 1e-6 if peer == "caffe" else 1e-12  # Caffe's boxes are float32
        np.testing.assert_allclose([result.loc, result.conf], expected, rtol=tolerance)

    @every_case
    @pytest.mark.parametrize("peer", ["ccv", "tv", "amd"])
    def test_every_peers_gradient_by_its_options(self, case, peer):
        matching_options, loss_options = PEERS[peer]
        batch = LossCase(NUMBERS, case, **matching_options)
        result = multibox_loss(*batch.predictions_and_targets, **loss_options)
        for name, gradient in (("gloc", result.dloc), ("gconf", result.dconf)):
            sums = gradient.sum(), np.abs(gradient).sum(), (gradient**2).sum()
            names = [f"{peer}_{name}_{kind}" for kind in ("sum", "abssum", "sqsum")]
            expected = [batch.expected.get(key, 0) for key in names]  # of the empty batch it is not stored
            np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12)

    def test_the_losers_of_a_conflict_change_the_loss(self):
        case = NUMBERS["case_name"].tolist().index("conflict")
        losses = [
            multibox_loss(*LossCase(NUMBERS, case, rule=rule).predictions_and_targets).loc
            for rule in ("bipartite", "argmax")
        ]
        assert losses[0] != pytest.approx(losses[1], rel=1e-4)

    def test_no_prior_is_counted_twice_when_the_negatives_run_out(self):
        """torchvision lets positives slip into its negatives there, and counts them again."""
        case = NUMBERS["case_name"].tolist().index("few_negatives")
        batch = LossCase(NUMBERS, case)
        once = multibox_loss(*batch.predictions_and_targets)
        assert (once.hard_negatives | (batch.conf_target > 0))[0].all()
        assert not (once.hard_negatives & (batch.conf_target > 0)).any()
        twice = multibox_loss(*batch.predictions_and_targets, mining_overflow=True)
        assert twice.hard_negatives[0].all()
        assert once.conf < twice.conf * 0.8

    @pytest.mark.parametrize("normalization", NORMALIZATIONS)
    def test_no_objects(self, normalization):
        """0 and not NaN, but where the division is by N as it is; the gradients are 0 all the same."""
        case = NUMBERS["case_name"].tolist().index("empty")
        batch = LossCase(NUMBERS, case)
        result = multibox_loss(*batch.predictions_and_targets, normalization=normalization)
        expected = np.nan if normalization in ("positives_or_nan", "coordinates") else 0
        np.testing.assert_array_equal([result.value, result.conf, result.loc], expected)
        assert result.num_pos == 0
        assert not result.dloc.any()
        assert not result.dconf.any()
