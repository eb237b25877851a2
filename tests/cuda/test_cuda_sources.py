"""The kernels compile for a GPU: as CuPy will compile them, and with all warnings of nvcc as errors."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

import minissd
from minissd.nn.cuda import direct, source, update

SOURCES = sorted(Path(minissd.__file__).parent.rglob("*.cu"))
DEFINES = {
    "winograd": [{"OUTPUT_SIDE": 4}, {"OUTPUT_SIDE": 6}],
    "direct": [{"OUTPUTS": direct.OUTPUTS, "PLACES": direct.PLACES}],
    "update": [{"NUMBERS": update.NUMBERS}],
    "pool": [{"KERNEL": 2, "STRIDE": 2, "PADDING": 0}, {"KERNEL": 3, "STRIDE": 1, "PADDING": 1}],
}
VARIANTS = [(path, defines) for path in SOURCES for defines in DEFINES.get(path.stem, [{}])]


def options(defines):
    return ["-std=c++17", *(f"-D{name}={value}" for name, value in defines.items())]


@pytest.mark.parametrize(("path", "defines"), VARIANTS, ids=[path.stem for path, _ in VARIANTS])
def test_nvcc_has_nothing_to_complain_about(path, defines, tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    cubin = tmp_path / "kernels.cubin"
    command = ["nvcc", "-cubin", "-arch=sm_75", "-Werror=all-warnings", *options(defines), str(path)]
    done = subprocess.run([*command, "-o", str(cubin)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compiles_as_cupy_will_compile_it():
    """CuPy's compiler has no files to include, and knows fewer names than nvcc."""
    try:
        nvrtc = ctypes.CDLL("libnvrtc.so")
    except OSError:
        pytest.skip("needs libnvrtc.so where the system looks for libraries")
    for path, defines in VARIANTS:
        failed, log = compile_at_run_time(nvrtc, source.text(path), options(defines))
        assert not failed, f"{path}: {log}"


def compile_at_run_time(nvrtc, text, flags):
    """Whether the compiler that CuPy uses failed, and what it said."""
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), None, 0, None, None)
    flags = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
    failed = nvrtc.nvrtcCompileProgram(program, len(flags), flags)
    log = ctypes.create_string_buffer(1 << 16)
    nvrtc.nvrtcGetProgramLog(program, log)
    return failed, log.value.decode()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_python_file_lies_beside_it(path):
    assert path.with_suffix(".py").is_file()


def test_included_files_become_part_of_the_text(tmp_path):
    (tmp_path / "a.cuh").write_text("int a;\n")
    (tmp_path / "b.cu").write_text('#include "a.cuh"\nint b;\n')
    assert source.text(tmp_path / "b.py") == "int a;\n\nint b;\n"


def test_a_kernel_is_compiled_once(pretend_cuda):
    first = source.kernel(update.__file__, "descend", NUMBERS=4)
    assert source.kernel(update.__file__, "descend", NUMBERS=4) is first
    assert source.kernel(update.__file__, "descend", NUMBERS=8) is not first
