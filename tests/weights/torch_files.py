"""PyTorch's files for the tests: two that it wrote itself, and how to write others."""

import numpy as np
from hostile_files import write_legacy, write_zip
from reference_numbers import REFERENCE

FILES = {"zip": REFERENCE / "torch_zip.pth", "legacy": REFERENCE / "torch_legacy.pth"}
WRITE = {"zip": write_zip, "legacy": write_legacy}
ROW = np.array([1.5, -2.0, 3.25, 0.0, 5.0, -6.5], dtype=np.float32)
