"""Devices: their names, what is said where one is missing, and arrays on their way."""

import dataclasses
import sys

import numpy as np
import pytest
from two_maps import TWO_MAPS

from minissd import backend as module
from minissd.backend import (
    check_device,
    device_of,
    get_array_module,
    is_cuda,
    limit_memory,
    out_of_memory,
    tf32,
    tf32_is_allowed,
    to_cpu,
    to_device,
)
from minissd.errors import InputError
from minissd.models import SSD


@pytest.mark.parametrize("name", ["gpu", "", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cpu:0"])
def test_a_device_of_another_name(name):
    with pytest.raises(InputError, match=r"is unknown \(choose one of cpu, cuda"):
        check_device(name)


def test_without_cupy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(InputError, match=r"not installed \(pip install 'minissd\[cuda13\]'.*cuda12"):
        check_device("cuda")
    with pytest.raises(InputError, match="not installed"):
        SSD(TWO_MAPS).to("cuda")


def test_a_cupy_that_cannot_be_loaded_says_why(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart.so.13: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(InputError, match=r"CuPy cannot be loaded: libcudart.so.13"):
        module.cuda()


def test_without_a_gpu(pretend_cuda, monkeypatch):
    monkeypatch.setattr(pretend_cuda.cupy.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU, or no driver, is found"):
        check_device("cuda:0")


def test_with_fewer_gpus(pretend_cuda):
    assert check_device("cuda") == check_device("cuda:0") == "cuda:0"
    with pytest.raises(InputError, match=r"cuda:1 is not there \(known: cpu, cuda:0\)"):
        check_device("cuda:1")


def test_there_and_back(backend):
    array = np.arange(6.0).reshape(2, 3).T
    there = to_device(array, backend.device)
    assert device_of(there) == backend.device
    assert is_cuda(there) == (backend.device != "cpu")
    assert to_device(there, backend.device) is there
    assert type(there) is get_array_module(there).ndarray
    np.testing.assert_array_equal(to_cpu(there), array)
    np.testing.assert_array_equal(to_device(there, "cpu"), array)
    assert to_cpu(array) is array


class TestOutOfMemory:
    def test_the_size_and_a_smaller_batch_are_named(self, pretend_cuda):
        model = SSD(TWO_MAPS).to("cuda")
        limit_memory(gib=0.01)
        images = np.zeros((8, 3, 32, 32), np.float32)
        message = r"no room for 0\.04 GiB more, with 8 pictures.*\(take 4\)"
        with pytest.raises(MemoryError, match=message), out_of_memory(8):
            to_device(np.zeros(10 << 20, np.float32), "cuda")
        limit_memory()
        with out_of_memory(8):
            model.eval().forward(to_device(images, "cuda"))

    @pytest.mark.parametrize(
        "text", ["cudaErrorMemoryAllocation: out of memory", "CUBLAS_STATUS_ALLOC_FAILED"]
    )
    def test_errors_of_cuda_and_cublas(self, text):
        kind = type("CUDARuntimeError", (RuntimeError,), {"__module__": "cupy_backends.cuda.api.runtime"})
        message = r"no room for memory more, with 1 pictures.*smaller model"
        with pytest.raises(MemoryError, match=message), out_of_memory(1):
            raise kind(text)

    @pytest.mark.parametrize("error", [MemoryError("of NumPy"), RuntimeError("out of memory, says NumPy")])
    def test_other_errors_stay_what_they_are(self, error):
        with pytest.raises(type(error)) as raised, out_of_memory(4):
            raise error
        assert raised.value is error

    def test_a_fault_of_a_kernel_is_no_lack_of_memory(self):
        kind = type("CUDARuntimeError", (RuntimeError,), {"__module__": "cupy_backends.cuda.api.runtime"})
        with pytest.raises(RuntimeError, match="illegal memory access"), out_of_memory(4):
            raise kind("cudaErrorIllegalAddress: an illegal memory access was encountered")


def test_tf32_is_off_unless_asked_for():
    assert not tf32_is_allowed()
    with tf32():
        assert tf32_is_allowed()
        with tf32(False):
            assert not tf32_is_allowed()
        assert tf32_is_allowed()
    assert not tf32_is_allowed()


def test_a_model_says_where_it_is_and_takes_images_from_there_only(pretend_cuda):
    model = SSD(dataclasses.replace(TWO_MAPS, num_classes=4))
    images = np.zeros((1, 3, 32, 32), np.float32)
    assert model.device == "cpu"
    assert model.to("cuda").device == "cuda:0"
    assert {device_of(a) for store in (model.params, model.buffers) for a in store.values()} == {"cuda:0"}
    with pytest.raises(InputError, match="images: on cpu, but the model is on cuda:0"):
        model.forward(images)
    assert model.to("cpu").forward(images)[1].shape == (1, TWO_MAPS.num_priors, 4)
    with pytest.raises(InputError, match="images: on cuda:0, but the model is on cpu"):
        model.forward(to_device(images, "cuda"))
