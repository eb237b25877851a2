"""Results of COCO's evaluation in the form in which pycocotools gives them."""

import numpy as np


def with_all_classes(table, labels, num_classes, axis):
    """A table with the classes 1, 2, ... along `axis`, and pycocotools' -1 where there is nothing."""
    shape = list(table.shape)
    shape[axis] = num_classes
    full = np.full(shape, -1.0)
    np.moveaxis(full, axis, 0)[labels - 1] = np.moveaxis(np.nan_to_num(table, nan=-1.0), axis, 0)
    return full


def twelve(result):
    """The twelve numbers, with -1 where there is nothing."""
    return np.nan_to_num(list(result.numbers.values()), nan=-1.0)
