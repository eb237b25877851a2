"""PyTorch's DataLoader over the very samples that minissd's `BatchLoader` gives."""

from __future__ import annotations

from minissd.bench import peers
from minissd.data import network_input

torch = peers.require("torch")

WORKERS = (0, 1, 2)  # all of them are tried; two cores are kept busy by two


class AugmentedSamples(torch.utils.data.Dataset):
    """The samples of a `minissd.data.BatchLoader` by their position: augmented, matched and encoded.

    Parameters
    ----------
    make_loader : callable
        Makes the loader whose data set, augmentation, seed and targets are used; its background threads are
        not. Each worker process calls it for itself, because threads and locks cannot be sent to it.
    length : int
        More than will be asked for.
    """

    def __init__(self, make_loader, length=1 << 20):
        self.make_loader, self.length = make_loader, length
        self._loader = None

    def __len__(self):
        return self.length

    def __getitem__(self, position):
        loader = self._loader = self._loader or self.make_loader()
        sample = loader.sample(position)
        loc_target, conf_target = loader.target_fn([sample.gt_xyxy], [sample.labels])
        image = network_input([sample.image], loader.config)
        return tuple(torch.from_numpy(of_one[0]) for of_one in (image, loc_target, conf_target))


def batches(make_loader, batch_size, workers):
    """Iterate over batches as tensors: images, loc_target, conf_target.

    Parameters
    ----------
    make_loader : callable
        See `AugmentedSamples`; it can be pickled.
    batch_size : int
    workers : int
        Processes; 0 prepares every batch when it is asked for. They are started afresh, because a copy of
        this process would hold threads that do not run.

    Returns
    -------
    iterator
        Letting go of it ends the processes.
    """
    context = {"multiprocessing_context": "spawn"} if workers else {}
    dataset = AugmentedSamples(make_loader)
    return iter(torch.utils.data.DataLoader(dataset, batch_size, num_workers=workers, **context))
