"""What ``--help`` prints: examples that work, a word on every argument, the true defaults."""

import argparse
import re

import pytest

from minissd import demo, matching, settings
from minissd.cli import build_parser, main
from minissd.commands.train import SETTINGS
from minissd.evaluate import METRICS

COMMANDS = ["demo", "train", "evaluate", "detect", "show", "weights", "bench", "lessons", "assignment"]
STEPS = ["show priors", "show matches", "show mining", "show nms", "weights inspect", "weights convert"]
STEPS += [f"assignment {action}" for action in ("list", "new", "grade", "nbgrader", "prove")]


@pytest.mark.parametrize("command", ["", *COMMANDS, *STEPS])
def test_help_shows_examples_that_can_be_parsed(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    examples = re.findall(r"(?m)^  minissd (.*?)(?: +\(.*\)| > \S+)?$", text.partition("examples:")[2])
    assert examples and all(example.startswith(command) for example in examples)
    for example in examples:
        build_parser().parse_args(example.split())


def parsers(parser):
    """A parser and all parsers below it."""
    yield parser
    for action in parser._actions:
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            if isinstance(below, argparse.ArgumentParser):
                yield from parsers(below)


def test_help_says_something_of_every_argument():
    found = list(parsers(build_parser()))
    assert len(found) == 1 + len(COMMANDS) + len(STEPS)
    for parser in found:
        for action in parser._actions:
            steps = isinstance(action, argparse._SubParsersAction)
            assert steps or action.help, f"{parser.prog}: {action.option_strings or action.dest}"


def test_help_of_train_tells_the_true_defaults():
    defaults = settings.TrainSettings()
    assert {name: default for name, (_, _, default) in SETTINGS.items()} == {
        name: getattr(defaults, name) for name in SETTINGS
    }


def test_help_of_demo_tells_the_true_number_of_steps(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--help"])
    assert f"training steps (default: {demo.STEPS})" in capsys.readouterr().out


def test_help_names_the_rules_and_metrics_of_the_library(capsys):
    named = {"show matches": matching.RULES, "train": matching.RULES, "evaluate": METRICS}
    for command, names in named.items():
        with pytest.raises(SystemExit):
            main([*command.split(), "--help"])
        text = capsys.readouterr().out
        assert all(re.search(rf"\b{name}\b", text) for name in names)
