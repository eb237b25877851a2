"""Trained weights: `save` writes them, `load` puts them into a model, `load_model` makes the model too.

The format is safetensors, with the configuration and the class names in the metadata. Nothing in such a
file can run code.
"""

from minissd.weights.checkpoint import Checkpoint, load, load_model, read, require_fitting_names, save

__all__ = ["Checkpoint", "load", "load_model", "read", "require_fitting_names", "save"]
