"""What all views have in common: one change is one drawing, and without ipywidgets they say what to do."""

import io
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from minissd import explore
from minissd.errors import InputError
from minissd.explore.view import View, choice, paragraphs, set_last, slider, stepper, table
from minissd.viz.page import new_page


class Square(View):
    """A number and the slider that must not exceed it."""

    def follow(self, changed=None):
        if changed in ("most", None):
            set_last(self.controls["number"], self.controls["most"].value)

    def draw(self, most, number, color):
        figure, (ax,) = new_page()
        ax.set_facecolor((number / 9, 0.5, 0.5))
        return figure, f"{number} of {most}, {color}"


@pytest.fixture
def square(widgets):
    controls = {
        "most": slider("most", 5, 1, 9),
        **stepper("number", "number"),
        "color": choice("color", [("a red", "red"), ("a blue", "blue")]),
    }
    return Square(controls)


def test_a_view_is_drawn_once_when_made_and_once_for_each_change(square):
    assert square.drawings == 1 and square.text.value == "1 of 5, red"
    square.controls["number"].value = 4
    assert square.drawings == 2 and square.text.value == "4 of 5, red"
    square.controls["color"].value = "blue"
    assert square.drawings == 3 and square.text.value == "4 of 5, blue"


def test_a_change_that_entails_another_is_still_drawn_once(square):
    square.controls["number"].value = 5
    square.controls["most"].value = 2  # which moves the other slider too
    assert (square.controls["number"].max, square.controls["number"].value) == (2, 2)
    assert square.drawings == 3 and square.text.value == "2 of 2, red"


def test_the_same_value_again_is_no_change(square):
    square.controls["number"].value = 1
    assert square.drawings == 1


def test_several_changes_at_once_are_drawn_once(square):
    square.set(most=8, number=7, color="blue")
    assert square.drawings == 2 and square.text.value == "7 of 8, blue"


def test_after_an_error_the_view_still_follows(square):
    with pytest.raises(KeyError):
        square.set(number=2, colour="blue")
    square.controls["number"].value = 3
    assert square.text.value == "3 of 5, red"


def test_the_picture_is_a_png_and_changes(square):
    first = square.image.value
    picture = Image.open(io.BytesIO(first))
    assert picture.format == "PNG" and picture.width <= 800
    square.controls["number"].value = 5
    assert square.image.value != first


def test_buttons_go_through_the_list_and_stop_at_its_ends(square):
    controls = square.controls
    controls["previous"].click()
    assert controls["number"].value == 1 and square.drawings == 1
    controls["next"].click()
    assert controls["number"].value == 2 and square.drawings == 2
    controls["number"].value = 5
    controls["next"].click()
    assert controls["number"].value == 5


def test_a_slider_without_a_choice_is_switched_off(square):
    square.controls["most"].value = 1
    assert square.controls["number"].disabled
    square.controls["most"].value = 2
    assert not square.controls["number"].disabled


def test_descriptions_are_not_cut(square, widgets):
    for control in square.controls.values():
        if not isinstance(control, widgets.Button):
            assert control.style.description_width == "initial"


def test_whole_steps_make_whole_numbers(widgets):
    assert isinstance(slider("", 1, 0, 3), widgets.IntSlider)
    assert isinstance(slider("", 1.0, 0, 3, 0.5), widgets.FloatSlider)


def test_a_notebook_shows_the_widget_and_keeps_a_word(square):
    bundle = square._repr_mimebundle_()
    assert bundle["text/plain"] == "Square(most, number, previous, next, color)"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == square.widget.model_id


class Cells(HTMLParser):
    """Collects the texts of an HTML text."""

    def __init__(self, text):
        super().__init__()
        self.texts = []
        self.feed(text)

    def handle_data(self, data):
        self.texts.append(data)


def test_names_of_strangers_are_shown_and_not_run():
    evil = "<script>alert('x')</script> & co"
    assert Cells(table(["name", evil], [[evil, 3]])).texts == ["name", evil, evil, "3"]
    assert "<script>" not in paragraphs([evil]) + table([evil], [[evil]])


VIEWS = {
    "priors": lambda image, objects, snapshots, config: explore.priors(image, config),
    "matching": lambda image, objects, snapshots, config: explore.matching(image, *objects, config),
    "mining": lambda image, objects, snapshots, config: explore.mining(image, *objects, snapshots, config),
    "nms": lambda image, objects, snapshots, config: explore.nms(image, snapshots[1], config),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_says_what_is_missing_without_ipywidgets(name, monkeypatch, image, objects, snapshots, config):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(InputError, match=r"ipywidgets.*pip install 'minissd\[notebooks\]'"):
        VIEWS[name](image, objects, snapshots, config)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_leaves_what_it_is_given(name, widgets, image, objects, snapshots, config):
    given = [image, *objects, *(array for one in snapshots for array in (one.loc, one.conf))]
    before = [array.copy() for array in given]
    view = VIEWS[name](image, objects, snapshots, config)
    for control in view.controls.values():
        if hasattr(control, "max"):
            control.value = control.max
    for old, new in zip(before, given):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_can_be_driven_to_the_end_of_every_control(name, widgets, image, objects, snapshots, config):
    view = VIEWS[name](image, objects, snapshots, config)
    for control in view.controls.values():
        ends = [control.min, control.max] if hasattr(control, "max") else []
        if isinstance(control, widgets.Dropdown | widgets.SelectionSlider):
            ends = [value for _, value in control._options_full]
        for value in ends:
            before, changes = view.drawings, control.value != value
            control.value = value
            assert view.drawings == before + changes and view.text.value


def test_importing_the_package_does_not_load_ipywidgets():
    code = "import sys, minissd.explore; print('ipywidgets' in sys.modules, 'matplotlib' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
