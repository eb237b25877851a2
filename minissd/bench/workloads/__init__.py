"""What is measured: a module per group, each with ``works(setting)``, which lists its rows.

A row builds what it needs when its turn comes. A device other than the processor would be a further field of
`Setting`, from which each group makes its contenders, with a clock that waits for the device.
"""

from minissd.bench.workloads import boxes, evaluation, layers, memory, network, scaling, training
from minissd.bench.workloads.setting import Setting

GROUPS = {
    "layers": layers.works,
    "network": network.works,
    "training": training.works,
    "boxes": boxes.works,
    "evaluation": evaluation.works,
    "memory": memory.works,
    "scaling": scaling.works,
}

__all__ = ["GROUPS", "Setting"]
