"""Peak memory of a training step of SSD300, each program in a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from minissd.bench import peers
from minissd.bench.blueprint import blueprint
from minissd.bench.child import Child, Task
from minissd.bench.contest import Work
from minissd.bench.row import Row
from minissd.bench.timing import Spread
from minissd.bench.workloads.setting import model_name
from minissd.config import SSD300_VOC
from minissd.models import SSD
from minissd.nn.threads import num_threads
from minissd.settings import settings_for

USUAL = (8,)
STEPS = 2  # the second one may need more than the first: the optimiser has its velocities by then


def works(setting):
    """List the rows."""
    for batch_size in setting.sizes(*USUAL):
        name = f"{model_name(SSD300_VOC)} training step, batch {batch_size}: peak memory"
        yield Work("memory", name, partial(measure, config=SSD300_VOC, batch_size=batch_size))


def measure(work, plan, config, batch_size):
    """Train for `STEPS` steps in one process after the other, and compare their largest memory."""
    used = {task.engine: _memory(task) for task in _tasks(config, batch_size)}
    peaks = {engine: peak for engine, (_, peak) in used.items()}
    best = min((engine for engine in peaks if engine != "minissd"), key=peaks.get, default=None)
    starts = [f"{engine} {used[engine][0]:.0f} MB" for engine in ("minissd", best) if engine]
    row = Row(
        work.group,
        work.name,
        ours=Spread.of([peaks["minissd"]]),
        peer=Spread.of([peaks[best]]) if best else None,
        peer_name=best or "",
        unit="MB",
        medians=peaks,
        note=f"of it after the imports: {', '.join(starts)}",
    )
    return [row]


def _tasks(config, batch_size):
    yield Task("minissd", "training", config.name, batch_size)
    if peers.find("torch"):
        from minissd.bench.torch_ssd import LAYOUTS

        plan, settings = blueprint(SSD(config)), asdict(settings_for(config))
        for layout in LAYOUTS:
            yield Task(layout, "training", config.name, batch_size, plan, settings)


def _memory(task):
    """MB after the imports, and at the peak."""
    with Child(task, num_threads()) as child:
        peak = max(child.run()["megabytes"] for _ in range(STEPS))
        return child.megabytes_at_start, peak
