"""A view: controls, a picture that follows them, and a text that says what is on it."""

from __future__ import annotations

import io
from functools import partial
from html import escape

from minissd.errors import InputError

DPI = 100  # a page is 800 pixels wide


def widget_library():
    """Return the module ipywidgets. Raise InputError, which says how to get it, where it is missing."""
    try:
        import ipywidgets
    except ModuleNotFoundError as error:
        message = "ipywidgets: is not installed, and views need it (pip install 'minissd[notebooks]')"
        raise InputError(message) from error
    return ipywidgets


class View:
    """The base of all views.

    A subclass says in `draw` what is to be seen for the values of the controls, and in `follow` which
    controls or results depend on others. Whatever happens, one change is one drawing.

    Parameters
    ----------
    controls : dict of str to ipywidgets.Widget
        In the order in which they stand above the picture. Those that have a value are what `draw` is given.

    Attributes
    ----------
    controls : dict of str to ipywidgets.Widget
        ``view.controls["threshold"].value = 0.3`` does what moving the slider does.
    image : ipywidgets.Image
        The picture, as PNG.
    text : ipywidgets.HTML
    widget : ipywidgets.VBox
        All of it, to be put into other widgets.
    drawings : int
        How often the view was drawn.

    Raises
    ------
    InputError
        If ipywidgets is not installed.
    """

    def __init__(self, controls):
        widgets = widget_library()
        self.controls, self.drawings = controls, 0
        whole = widgets.Layout(max_width="100%", height="auto", align_self="flex-start")  # not stretched
        self.image = widgets.Image(format="png", layout=whole)
        self.text = widgets.HTML()
        wrapped = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        board = widgets.Box(list(controls.values()), layout=wrapped)
        self.widget = widgets.VBox([board, self.image, self.text])
        self._changing = False
        for name in self.values:
            controls[name].observe(partial(self._on_change, name), "value")
        self._change()

    def draw(self, **values):
        """Return a figure and a text in HTML for the values of the controls."""
        raise NotImplementedError

    def follow(self, changed=None):
        """Bring up to date what depends on the control of this name, or on any; here nothing."""

    @property
    def values(self):
        """The values of all controls that have one, by name."""
        return {name: control.value for name, control in self.controls.items() if hasattr(control, "value")}

    def set(self, **values):
        """Change several controls, one after the other, and draw once."""
        self._changing = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
                self.follow(name)
        finally:
            self._changing = False
        self._show()

    def _on_change(self, name, _):
        if not self._changing:  # else it is a consequence of another change
            self._change(name)

    def _change(self, name=None):
        self._changing = True
        try:
            self.follow(name)
        finally:
            self._changing = False
        self._show()

    def _show(self):
        figure, text = self.draw(**self.values)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        self.image.value, self.text.value = buffer.getvalue(), text
        self.drawings += 1

    def _repr_mimebundle_(self, **kwargs):
        """How a notebook shows the view: as a widget, or in a word where it cannot."""
        return self.widget._repr_mimebundle_(**kwargs) | {"text/plain": repr(self)}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(self.controls)})"


def slider(description, value, least, most, step=1, readout_format=None):
    """Return a slider for whole numbers, or for fractions where the step is one."""
    widgets = widget_library()
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    options = {"readout_format": readout_format} if readout_format else {}
    return kind(value, min=least, max=most, step=step, description=description, **_look(), **options)


def choice(description, options):
    """Return a menu: a list of values or of pairs (what one reads, value); the first is chosen."""
    return widget_library().Dropdown(options=options, description=description, **_look())


def value_slider(description, options):
    """Return a slider over a list of values; the first is chosen."""
    return widget_library().SelectionSlider(options=options, description=description, **_look())


def stepper(name, description):
    """Return the controls that go through a list, from 1: a slider and two buttons, by their names."""
    widgets = widget_library()
    numbers = slider(description, 1, 1, 1)
    numbers.layout.width = "220px"  # so that the buttons stand beside it
    buttons = {}
    for text, way in (("previous", -1), ("next", 1)):
        buttons[text] = widgets.Button(description=text, layout=widgets.Layout(width="6em"))
        buttons[text].on_click(partial(_step, numbers, way))
    return {name: numbers, **buttons}


def _step(numbers, way, _):
    numbers.value = min(max(numbers.value + way, numbers.min), numbers.max)


def set_last(numbers, last):
    """Let a slider end at another number, and switch it off where nothing is left to choose."""
    numbers.max = max(last, numbers.min)
    numbers.disabled = numbers.max == numbers.min


def _look():
    return {"style": {"description_width": "initial"}, "layout": {"width": "340px", "margin": "2px 14px"}}


def paragraphs(lines):
    """Return lines of plain text as HTML.

    Examples
    --------
    >>> paragraphs(["IoU < 0.5", "none"])
    'IoU &lt; 0.5<br>none'
    """
    return "<br>".join(map(escape, lines))


def table(header, rows):
    """Return a table as HTML: its first column names the rows, numbers stand at the right.

    Examples
    --------
    >>> table(["object", "matched"], [["0 cat", 3]]).count("<td")
    2
    """
    lines = [_row("th", header), *(_row("td", row) for row in rows)]
    return f"<table style='border-spacing:14px 0'>{''.join(lines)}</table>"


def _row(tag, cells):
    sides = ["left", *["right"] * (len(cells) - 1)]
    sides = (f"text-align:{side}" for side in sides)
    texts = (f"<{tag} style='{side}'>{escape(str(cell))}</{tag}>" for side, cell in zip(sides, cells))
    return f"<tr>{''.join(texts)}</tr>"
