"""PyTorch's files: every number comes back, whatever stands around the state dict."""

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
    number,
    numbers,
    ordered_dict,
    python2_text,
    storage,
    tensor,
    text,
    tuple_of,
    vector,
    write_legacy,
    write_zip,
)
from memory_limit import less_memory_than
from reference_numbers import copied_numbers
from torch_files import FILES, ROW, WRITE

from minissd.weights import torch_file

# What PyTorch wrote.


@pytest.mark.parametrize("kind", FILES)
def test_every_number_that_pytorch_saved_comes_back(kind):
    expected = copied_numbers("torch")
    if kind == "legacy":
        del expected["uint16"]  # which PyTorch cannot read from there either
    arrays = torch_file.read(FILES[kind])
    assert list(arrays) == list(expected)
    for key, array in arrays.items():
        assert (array.dtype, array.shape) == (expected[key].dtype, expected[key].shape), key
        assert array.tobytes() == expected[key].tobytes(), key
        assert array.flags.c_contiguous and array.flags.writeable, key
    assert not np.shares_memory(arrays["first_of_row"], arrays["rest_of_row"])


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_known_by_its_first_bytes(kind):
    assert torch_file.is_torch_file(FILES[kind].read_bytes()[:64])


def test_other_files_are_not_pytorch_files():
    for head in (b"", b"\x89PNG\r\n", b"PK", pickle.dumps({"a": 1}), bytes(64)):
        assert not torch_file.is_torch_file(head)


# What stands around the state dict.


def test_a_state_dict_may_be_the_object_itself(write):
    arrays = torch_file.read(write(ordered_dict({"conv.weight": tensor(storage(6), [2, 3], [3, 1])})))
    assert list(arrays) == ["conv.weight"]
    np.testing.assert_array_equal(arrays["conv.weight"], ROW.reshape(2, 3), strict=True)


@pytest.mark.parametrize("entry", ["state_dict", "model", "model_state_dict", "weights", "net"])
def test_or_one_of_its_entries(write, entry):
    checkpoint = {
        "optimizer": dict_of({"state": dict_of({"momentum": vector(6)})}),
        "scheduler": dict_of(
            {"milestones": call(name("collections", "Counter"), b"}" + number(80) + b"K\x01s")}
        ),
        entry: ordered_dict({"a": vector(6)}),
        "iteration": number(120000),
        "random_state": tensor(storage(6), [6], [1]),
        "arguments": name("argparse", "Namespace") + b")\x81" + dict_of({"lr": number(1)}) + b"b",
        "classes": call(name("__builtin__", "set"), list_of(text("cat"))),
        "best": call(
            name("numpy.core.multiarray", "scalar"),
            call(name("numpy", "dtype"), text("f8"), FALSE, b"\x88") + numbers([3, 1]) + b"b",
            call(name("_codecs", "encode"), text("12345678"), text("latin1")),
        ),
        "device": call(name("torch", "device"), text("cuda")),
    }
    arrays = torch_file.read(write(dict_of(checkpoint)))
    assert list(arrays) == ["a"]
    np.testing.assert_array_equal(arrays["a"], ROW)


def test_entries_that_are_not_tensors_are_dropped(write):
    assert list(torch_file.read(write(dict_of({"a": vector(6), "epoch": number(3)})))) == ["a"]


def test_the_prefix_of_data_parallel_goes_if_all_names_have_it(write):
    part = tensor(storage(6), [1], [1])
    assert list(torch_file.read(write(dict_of({"module.a": part, "module.b": part})))) == ["a", "b"]
    assert list(torch_file.read(write(dict_of({"module.a": part, "b": part})))) == ["module.a", "b"]


def test_tensors_of_one_storage_become_arrays_apart(write):
    tied = {"a": vector(6), "b": vector(6)}
    arrays = torch_file.read(write(dict_of(tied)))
    arrays["a"][:] = 0
    np.testing.assert_array_equal(arrays["b"], ROW)


def test_a_tensor_may_be_the_beginning_of_its_storage(write):
    arrays = torch_file.read(write(dict_of({"a": tensor(storage(6), [2, 1], [1, 1])})))
    np.testing.assert_array_equal(arrays["a"], ROW[:2, None], strict=True)


def test_a_parameter_is_its_tensor(write):
    parameter = call(name("torch._utils", "_rebuild_parameter"), vector(6), b"\x88", b"}")
    np.testing.assert_array_equal(torch_file.read(write(dict_of({"a": parameter})))["a"], ROW)


def test_a_file_of_python_2_with_a_part_of_a_storage(path):
    """As PyTorch 0.1 wrote it: byte strings, pairs in a list, and a storage inside of another."""
    view = tuple_of(python2_text("99"), number(2), number(3))
    rebuild = name("torch._utils", "_rebuild_tensor")
    part = call(rebuild, storage(6, view=view), number(1), numbers([2]), numbers([1]))
    whole = call(rebuild, storage(6, view=NONE), number(0), numbers([6]), numbers([1]))
    pairs = list_of(list_of(python2_text("a"), part), list_of(python2_text("b"), whole))
    write_legacy(path, call(name("collections", "OrderedDict"), pairs), {"0": ROW.tobytes()})
    arrays = torch_file.read(path)
    np.testing.assert_array_equal(arrays["a"], ROW[3:5])
    np.testing.assert_array_equal(arrays["b"], ROW)


def test_bfloat16_becomes_float32_and_any_byte_but_0_is_true(path):
    rows = {"0": np.array([0x3F80, 0xC000], np.uint16).tobytes(), "1": bytes([0, 2])}
    entries = {
        "bfloat16": tensor(storage(2, "0", "torch BFloat16Storage"), [2], [1]),
        "bool": tensor(storage(2, "1", "torch BoolStorage"), [2], [1]),
    }
    arrays = torch_file.read(write_zip(path, dict_of(entries), rows))
    np.testing.assert_array_equal(arrays["bfloat16"], np.array([1, -2], np.float32), strict=True)
    assert arrays["bool"].view(np.uint8).tolist() == [0, 1]


@pytest.mark.parametrize("kind", WRITE)
def test_reading_takes_no_more_memory_than_the_arrays(kind, path):
    count = 2_000_000
    row = np.arange(count, dtype=np.float32).tobytes()
    WRITE[kind](path, dict_of({"a": vector(count), "b": vector(count, "1")}), {"0": row, "1": row})
    with less_memory_than(8 * count + 2**20):
        arrays = torch_file.read(path)
    assert sum(array.nbytes for array in arrays.values()) == 8 * count
