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
    code = "import sys, minissd.models, minissd.data, minissd.detect, minissd.train; print(*sys.modules)"
    modules = run_python(code).split()
    assert "minissd.models" in modules
    assert "matplotlib" not in modules
    assert "cupy" not in modules


def test_help_needs_neither_numpy_nor_numba():
    code = "import sys, minissd.cli; minissd.cli.build_parser(); print(*sys.modules)"
    assert not {"numpy", "numba", "matplotlib"} & set(run_python(code).split())


METHOD = ("boxes", "priors", "codec", "matching", "targets", "mining", "loss", "nms", "detect", "evaluate")
METHOD += ("ground_truth", "coco_ap", "coco_boxes", "coco_result")


def test_method_files_import_nothing_from_the_engine_or_the_pictures():
    for name in METHOD:
        text = (ROOT / "minissd" / f"{name}.py").read_text()
        imports = "\n".join(line for line in text.splitlines() if re.match(r"\s*(from|import) ", line))
        assert not re.search(r"minissd\.(nn|models|data|viz|train)|matplotlib", imports), name


def test_every_kernel_is_compiled_by_the_decorator_that_keeps_it():
    """Numba's own cache does not see when the parts of a kernel in other files change."""
    for path in (ROOT / "minissd").rglob("*.py"):
        if path.name != "compilation.py":
            assert not re.search(r"cache\s*=\s*True", path.read_text()), path


def test_the_reading_order_of_the_engine_names_every_module():
    folder = ROOT / "minissd" / "nn" / "fast"
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names == set(re.findall(r"(?<!`)`(\w+)`(?!`)", (folder / "__init__.py").read_text()))


def test_importing_the_package_is_quiet():
    code = "import minissd, minissd.train, minissd.commands.train"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("", "")
