"""What is measured: a module per group, each with ``works(setting)``, which lists its rows.

A row builds what it needs when its turn comes, on the device that the `Setting` names. On a GPU everything is
measured with products in float32 and in TF32, and our program on the processor too.
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

ON_GPU = ("network", "training", "boxes", "layers")  # the long list last

__all__ = ["GROUPS", "ON_GPU", "Setting"]
