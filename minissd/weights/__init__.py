"""Trained weights: `save` writes them, `load` puts them into a model, `load_model` makes the model too.

minissd's format is safetensors, with the configuration and the class names in the metadata. The weights of
other implementations of SSD300 and SSD512 are read too, without their libraries: `formats` are the kinds of
files, `layouts` say whose names the arrays have. Nothing in any of these files can run code.
"""

from minissd.weights.base_network import load_base
from minissd.weights.checkpoint import Checkpoint, require_fitting_names, save
from minissd.weights.loading import load, load_model, read

__all__ = ["Checkpoint", "load", "load_base", "load_model", "read", "require_fitting_names", "save"]
