"""The parameters of many layers seen as one dictionary."""

from __future__ import annotations

from collections.abc import MutableMapping


class NamedArrays(MutableMapping):
    """A live view of one store of several layers, under names like ``conv1.weight``.

    Reading and writing go through to the layers, so ``net.params["conv1.weight"] = array`` replaces the
    weight that the layer uses. Entries cannot be added or removed here.

    Parameters
    ----------
    children : dict of str to Layer
        The arrays of a child with the name "" keep their own names.
    store : str
        Which store of the layers: ``"params"``, ``"grads"`` or ``"buffers"``.

    Examples
    --------
    >>> from minissd.nn import L2Norm
    >>> params = NamedArrays({"norm": L2Norm(2)}, "params")
    >>> params["norm.weight"]
    array([20., 20.], dtype=float32)
    """

    def __init__(self, children, store):
        self.children, self.store = children, store

    def __iter__(self):
        for child_name, child in self.children.items():
            for name in getattr(child, self.store):
                yield f"{child_name}.{name}" if child_name else name

    def __len__(self):
        return sum(len(getattr(child, self.store)) for child in self.children.values())

    def __getitem__(self, name):
        store, key = self._find(name)
        return store[key]

    def __setitem__(self, name, array):
        store, key = self._find(name)
        store[key] = array

    def __delitem__(self, name):
        raise TypeError(f"{name} belongs to a layer and cannot be deleted")

    def __repr__(self):
        return f"{type(self).__name__}({self.store}: {', '.join(self)})"

    def _find(self, name):
        child_name, _, key = name.partition(".") if "." in name else ("", "", name)
        store = getattr(self.children.get(child_name), self.store, {})
        if key not in store:
            raise KeyError(f"no array named {name!r}")
        return store, key
