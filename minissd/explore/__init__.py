"""Views for notebooks: a picture of one step of SSD with sliders, which is drawn anew when one is moved.

Each function returns a `View`; as the last line of a cell it shows itself. `priors`, `matching`, `mining` and
`nms` follow the steps of SSD. The pictures are those of `minissd.viz`, which need no widgets. ipywidgets is
imported when the first view is made; it comes with the extra ``notebooks``.
"""

from minissd.explore.matching import matching
from minissd.explore.mining import mining
from minissd.explore.nms import nms
from minissd.explore.priors import priors
from minissd.explore.snapshots import Snapshot, record_training, snapshot
from minissd.explore.view import View

__all__ = ["Snapshot", "View", "matching", "mining", "nms", "priors", "record_training", "snapshot"]
