"""The project's own files agree with one another."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_names_the_same_packages_as_pyproject():
    listed = (ROOT / "environment.yml").read_text().split("dependencies:")[1]
    conda = dict(re.findall(r"(?m)^  - ([\w.-]+)\s*([<>=!~][^#\s]*)?\s*(?:#.*)?$", listed))
    extras = PROJECT["optional-dependencies"]
    wanted = PROJECT["dependencies"] + extras["test"] + extras["notebooks"]
    assert re.fullmatch(r"=\d+\.\d+", conda.pop("python"))  # Binder reads only this form
    del conda["pip"]
    assert {name + bound for name, bound in conda.items()} == set(wanted)


def test_ci_does_what_the_readme_says():
    command = (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1]
    assert command in (ROOT / "README.md").read_text()


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_loads_neither_matplotlib_nor_cupy():
    code = "import sys, minissd, minissd.models, minissd.data, minissd.detect; print(*sys.modules)"
    modules = run_python(code).split()
    assert "minissd.models" in modules
    assert "matplotlib" not in modules
    assert "cupy" not in modules


def test_help_needs_neither_numpy_nor_numba():
    code = "import sys, minissd.cli; minissd.cli.build_parser(); print(*sys.modules)"
    assert not {"numpy", "numba", "matplotlib"} & set(run_python(code).split())


def test_method_files_import_nothing_from_the_engine_or_the_pictures():
    method = ("boxes", "priors", "codec", "matching", "mining", "loss", "nms", "detect", "evaluate")
    for name in method:
        text = (ROOT / "minissd" / f"{name}.py").read_text()
        imports = "\n".join(line for line in text.splitlines() if re.match(r"\s*(from|import) ", line))
        assert not re.search(r"minissd\.(nn|models|data|viz|train)|matplotlib", imports), name
