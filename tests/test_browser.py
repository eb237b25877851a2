"""The playground in a real JupyterLab: a slider is moved with the keyboard, and picture and text follow.

A kernel without a browser cannot tell whether a view works: descriptions may be cut, a message lost, a
picture stretched. Traps that this file avoids: JupyterLab saves by itself, so it is given a copy; its
indicator says "idle" before there is a kernel, so the kernel is asked; a slider's number changes before the
picture does, so both are awaited.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

NEEDS = "needs the extra 'browser': pip install -e '.[browser]'"
for _module in ("jupyterlab", "ipywidgets", "ipykernel"):
    pytest.importorskip(_module, reason=NEEDS)
webdriver = pytest.importorskip("selenium.webdriver", reason=NEEDS)
Keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
WebDriverWait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
CSS = "css selector"

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs the programs chromium and chromedriver (Debian: apt install chromium chromium-driver)",
)

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "00_explore.ipynb"
TOKEN = "playground"
START, RUN, REDRAW = 180, 300, 60  # seconds to wait at most; a busy machine and first compilations take long
FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "IPYTHONDIR": "ipython",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
}
NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
BROWSER_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1280,1100"
)
LAB = "const panel = window.jupyterapp.shell.currentWidget;"
CODE_CELLS = "const cells = [...panel.content.widgets].filter(cell => cell.model.type === 'code');"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def address(folder):
    """A JupyterLab of its own, which sees nothing of the user's settings, with a copy of the notebook."""
    (folder / "root").mkdir()
    shutil.copy(NOTEBOOK, folder / "root")
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(json.dumps(NO_NEWS))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder / "root",
        "IdentityProvider.token": TOKEN,
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {name: str(folder / place) for name, place in FOLDERS.items()}
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            await_server(f"http://127.0.0.1:{port}/api?token={TOKEN}", folder / "lab.log")
            yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}?token={TOKEN}&reset"
        finally:
            server.terminate()
            server.wait(20)


def await_server(url, log):
    for _ in range(2 * START):
        try:
            return urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.5)
    pytest.fail(log.read_text())


@pytest.fixture(scope="module")
def driver(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*BROWSER_OPTIONS.split(), f"--user-data-dir={folder / 'profile'}"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(START)
    yield driver
    driver.quit()
    shutil.rmtree(folder / "profile", ignore_errors=True)  # the browser may still write there


@pytest.fixture(scope="module")
def lab(driver, address):
    """The browser with the notebook, all its cells run."""
    driver.get(address)
    wait(
        driver, START, lambda: ask(driver, "return !!window.jupyterapp?.shell?.currentWidget?.sessionContext")
    )
    driver.execute_async_script(
        f"const done = arguments[0]; {LAB} (async () => {{ await panel.context.ready; "
        "await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info; done(1) })()"
    )
    ask(driver, "window.jupyterapp.commands.execute('notebook:run-all-cells')")
    wait(
        driver,
        RUN,
        lambda: ask(
            driver,
            f"{LAB} {CODE_CELLS} return panel.sessionContext.session.kernel.status === 'idle' "
            "&& cells.every(cell => cell.model.executionCount !== null)",
        ),
    )
    return driver


def ask(driver, script, *arguments):
    return driver.execute_script(script, *arguments)


def wait(driver, seconds, condition):
    return WebDriverWait(driver, seconds).until(lambda _: condition())


class OnPage:
    """A view on the page, found by the call that made it."""

    def __init__(self, driver, call):
        self.driver = driver
        made_by = "cell => cell.model.sharedModel.source.startsWith(arguments[0])"
        self.index = ask(driver, f"{LAB} return panel.content.widgets.findIndex({made_by})", call)
        assert self.index >= 0, call
        ask(driver, f"{LAB} panel.content.scrollToItem(arguments[0])", self.index)
        self.cell = wait(driver, REDRAW, self._find_cell)
        ask(driver, "arguments[0].scrollIntoView()", self.cell)

    def _find_cell(self):
        cell = ask(self.driver, f"{LAB} return panel.content.widgets[arguments[0]].node", self.index)
        return cell if cell.find_elements(CSS, "img.widget-image") else None

    @property
    def picture(self):
        return self.cell.find_element(CSS, "img.widget-image").get_attribute("src")

    @property
    def text(self):
        return self.cell.find_element(CSS, ".widget-html .widget-html-content").text

    def slider(self, description):
        """The part of a slider that the keyboard moves."""
        for slider in self.cell.find_elements(CSS, ".widget-slider"):
            if slider.find_element(CSS, ".widget-label").text == description:
                return slider
        raise AssertionError(f"no slider {description!r}")

    def press(self, description, key, times=1):
        handle = self.slider(description).find_element(CSS, ".noUi-handle")
        for _ in range(times):
            handle.send_keys(key)

    def readout(self, description):
        return self.slider(description).find_element(CSS, ".widget-readout").text

    def click(self, description):
        buttons = self.cell.find_elements(CSS, "button.widget-button")
        next(button for button in buttons if button.text == description).click()

    def await_change(self, picture, words):
        """Wait until the picture is another one and the text holds some words."""
        wait(self.driver, REDRAW, lambda: words in self.text and self.picture != picture)


CALLS = {name: f"explore.{name}(" for name in ("priors", "matching", "mining", "nms")}


def test_all_cells_run_without_an_error(lab):
    outputs = ask(lab, f"{LAB} {CODE_CELLS} return cells.flatMap(cell => cell.model.outputs.toJSON())")
    assert [output for output in outputs if output["output_type"] == "error"] == []


@pytest.mark.parametrize("name", CALLS)
def test_every_view_is_shown_whole(lab, folder, name):
    view = OnPage(lab, CALLS[name])
    size = "return [arguments[0].naturalWidth, arguments[0].clientWidth, arguments[0].clientHeight]"
    picture = view.cell.find_element(CSS, "img.widget-image")
    natural, width, height = wait(
        lab, REDRAW, lambda: (found := ask(lab, size, picture)) and found[0] and found
    )
    assert 400 <= natural <= 800 and width <= natural and height > 300
    for label in view.cell.find_elements(CSS, ".widget-label"):
        assert ask(lab, "return arguments[0].scrollWidth <= arguments[0].clientWidth", label), label.text
    lab.save_screenshot(str(folder / f"{name}.png"))


def test_the_keyboard_moves_a_cell(lab):
    view = OnPage(lab, CALLS["priors"])
    first = view.picture
    assert view.text.startswith("prior 2112: small square 1, 18.0 × 18.0 px, centre (132.0, 132.0) px")
    view.press("column", Keys.ARROW_RIGHT, 3)
    view.await_change(first, "prior 2124: small square 1, 18.0 × 18.0 px, centre (156.0, 132.0) px")
    assert view.readout("column") == "19"


def test_the_keyboard_lowers_the_threshold_and_more_boxes_are_matched(lab):
    view = OnPage(lab, CALLS["matching"])
    first, before = view.picture, matched(view)
    view.press("IoU threshold", Keys.ARROW_LEFT, 5)
    wait(lab, REDRAW, lambda: view.readout("IoU threshold") == "0.45" and matched(view) > before)
    assert view.picture != first


def matched(view):
    """The number of matched default boxes of all objects on all maps."""
    return sum(
        int(line.split()[-1]) for line in view.text.splitlines() if line[:1].isdigit() and " of " not in line
    )


def test_the_buttons_go_through_the_reasons(lab):
    view = OnPage(lab, CALLS["matching"])
    first = view.picture
    assert view.text.startswith("1 of")
    view.click("next")
    view.await_change(first, "2 of")
    assert view.readout("explained") == "2" and "forced" in view.text


def test_the_keyboard_goes_through_the_training(lab):
    view = OnPage(lab, CALLS["mining"])
    first, text = view.picture, view.text
    view.press("steps of training", Keys.ARROW_RIGHT, 5)
    wait(lab, REDRAW, lambda: view.readout("steps of training") == "60" and view.text != text)
    assert view.picture != first


def test_the_rounds_of_the_suppression(lab):
    view = OnPage(lab, CALLS["nms"])
    first = view.picture
    assert "round 1: " in view.text and " is kept and suppresses " in view.text
    view.click("next")
    view.await_change(first, "round 2: ")


def test_the_browser_had_nothing_to_complain_about(lab):
    assert [entry for entry in lab.get_log("browser") if entry["level"] == "SEVERE"] == []
