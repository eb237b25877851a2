"""Nothing of a PyTorch file runs, and a wrong tensor, storage or state dict is refused and named."""

import os
import pickle

import numpy as np
import pytest
from hostile_files import (
    FALSE,
    NONE,
    call,
    dict_of,
    list_of,
    name,
    noted,
    number,
    numbers,
    program,
    recalled,
    storage,
    tensor,
    text,
    tuple_of,
    vector,
    write_zip,
)
from torch_files import ROW

from minissd.weights import torch_file, torch_tensors


def test_nothing_of_a_file_runs(write, tmp_path, refuse):
    marker = tmp_path / "marker"
    dangerous = call(name("os", "mkdir"), text(str(marker)))
    write(dict_of({"a": vector(6), "b": dangerous}))
    refuse("asks for os.mkdir.*nothing of the file was run")
    assert not marker.exists()
    pickle.loads(program(dangerous))
    assert marker.is_dir()
    os.rmdir(marker)


def test_a_whole_model_is_named(write, refuse):
    write(dict_of({"epoch": number(3), "model": name("model", "SSD300") + b")\x81}b"}))
    refuse(r"asks for model.SSD300.*save model.state_dict\(\)")


TENSOR = "holds a tensor"
WRONG_TENSORS = {
    "beyond the storage": (tensor(storage(6), [7], [1]), TENSOR),
    "beyond by its offset": (tensor(storage(6), [2], [1], offset=5), TENSOR),
    "beyond by its stride": (tensor(storage(6), [2, 2], [5, 1]), TENSOR),
    "repeated by stride 0": (tensor(storage(6), [7], [0]), TENSOR),
    "repeated for ever": (tensor(storage(6), [2**39, 2**39], [0, 0]), TENSOR),
    "empty of impossible shape": (tensor(storage(6), [0, 2**39, 2**39], [1, 1, 1]), TENSOR),
    "negative size": (tensor(storage(6), [-1], [1]), "negative or impossible"),
    "negative stride": (tensor(storage(6), [2], [-1]), "negative or impossible"),
    "negative offset": (tensor(storage(6), [2], [1], offset=-1), "negative or impossible"),
    "size of 100 bits": (tensor(storage(6), [2**100], [1]), "negative or impossible"),
    "size that is a text": (
        call(name("torch._utils", "_rebuild_tensor_v2"), storage(6), number(0), text("a"), text("b")),
        "no list of numbers",
    ),
    "33 dimensions": (tensor(storage(6), [1] * 33, [1] * 33), "33 dimensions"),
    "a stride too few": (tensor(storage(6), [1, 1], [1]), "2 dimensions with 1"),
    "no storage": (tensor(number(6), [1], [1]), "not a storage"),
    "a conjugate view": (
        tensor(storage(6), [1], [1], beside=(FALSE, NONE, dict_of({"conj": b"\x88"}))),
        "negated or conjugated",
    ),
    "a name for a dtype": (
        call(
            name("torch._utils", "_rebuild_tensor_v3"),
            *(storage(6), number(0), numbers([1]), numbers([1]), FALSE, NONE, name("torch", "FloatStorage")),
        ),
        "no type of numbers",
    ),
    "complex": (tensor(storage(3, kind="torch ComplexFloatStorage"), [3], [1]), "ComplexFloatStorage"),
    "a storage of -1": (vector(-1), "impossible type or size"),
    "a storage of 2^60": (vector(2**60), "impossible type or size"),
    "a storage of no type": (tensor(storage(6, kind="torch float32"), [6], [1]), "impossible type or size"),
    "a part that is not in its storage": (
        tensor(storage(6, view=tuple_of(text("1"), number(4), number(3))), [1], [1]),
        "not in it",
    ),
    "a description that is a number": (number(0) + b"Q", "in an unknown way"),
    "one storage in two types": (
        list_of(storage(6), storage(6, kind="torch IntStorage")),
        "in two ways",
    ),
    "a called storage": (call(name("torch", "FloatStorage"), number(6)), "mere name"),
}


@pytest.mark.parametrize("case", WRONG_TENSORS)
def test_a_wrong_tensor_is_refused(case, write, refuse):
    value, reason = WRONG_TENSORS[case]
    write(dict_of({"a": value}))
    refuse(reason)


def test_many_tensors_in_one_storage_must_not_be_larger_than_the_file(path, refuse):
    first = noted(tensor(storage(10_000), [10_000], [1]), 9)
    entries = {"0": first} | {str(n): recalled(9) for n in range(1, 10)}
    write_zip(path, dict_of(entries), {"0": bytes(40_000)})
    refuse("far larger than the file")


@pytest.mark.parametrize("row", [ROW[:5], np.zeros(7, np.float32)])
def test_a_storage_has_the_size_that_the_file_says(row, write, refuse):
    write(dict_of({"a": vector(6)}), row)
    refuse("(bytes|numbers) for storage 0 of 6|cut off")


def test_strange_names_are_refused(write, refuse):
    write(dict_of({"a\x1b[2J": vector(6)}))
    refuse("a tensor of the name")


def test_a_number_as_the_name_of_a_tensor_is_refused(write, refuse):
    write(b"}" + number(1) + vector(6) + b"s")
    refuse("a tensor of the name 1")


NO_STATE_DICT = {
    "a number": (number(3), "type int"),
    "a tensor": (vector(6), "type Tensor"),
    "a list of tensors": (list_of(vector(6)), "type list"),
    "no tensors": (
        dict_of({key: number(1) for key in "abcdefgh"}),
        r"8 entries \(a, b, c, d, e, \.\.\.\)",
    ),
    "tensors too deep": (dict_of({"other": dict_of({"a": vector(6)})}), r"1 entries \(other\)"),
    "long names": (dict_of({"x" * 900: NONE, "\x07" * 900: NONE}), "2 entries"),
    "pairs that are a text": (
        call(name("collections", "OrderedDict"), text("ab")),
        "damaged",
    ),
}


@pytest.mark.parametrize("case", NO_STATE_DICT)
def test_without_tensors_it_says_what_there_is(case, path, refuse):
    value, reason = NO_STATE_DICT[case]
    write_zip(path, value, {"0": ROW.tobytes()})
    refuse(reason)


def test_an_ordered_dict_costs_no_more_for_being_made_again_and_again(path):
    """Its list of pairs is used up, so that a million calls on one long list find no work."""
    pairs = noted(list_of(list_of(text("a"), vector(6))), 9)
    ordered = name("collections", "OrderedDict")
    value = dict_of({"model": call(ordered, pairs), "weights": call(ordered, recalled(9))})
    assert list(torch_file.read(write_zip(path, value, {"0": ROW.tobytes()}))) == ["a"]
    found = torch_tensors.VOCABULARY["collections.OrderedDict"](used := [["a", 1]])
    assert (found, used) == ({"a": 1}, [])
