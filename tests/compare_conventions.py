"""Each convention beside the numbers of the implementation whose rules it holds, step by step.

A check is a function of the numbers of one reference file and of a convention; it yields a `Comparison` for
every quantity of that implementation which the file holds. The files are those of
../shared/reference/numbers or their copies in tests/reference, which leave out some arrays and rows.
"""

from compare_inference import check_ap, check_nms
from compare_training import check_encode, check_layers, check_matching, check_multibox_loss, check_priors

CHECKS = {  # file: the check, the conventions whose implementation has numbers in it
    "layers": (check_layers, "caffe amdegroot torchvision"),
    "priors": (check_priors, "caffe caffe_integer amdegroot torchvision lufficc sgrvinod d2l chainercv"),
    "matching": (check_matching, "caffe amdegroot torchvision lufficc d2l chainercv"),
    "encode": (check_encode, "caffe amdegroot torchvision lufficc d2l"),
    "multibox_loss": (check_multibox_loss, "caffe amdegroot torchvision lufficc chainercv"),
    "nms": (check_nms, "caffe amdegroot torchvision chainercv"),
    "ap": (check_ap, "caffe torchvision chainercv"),
}
CHECKS = {file: (check, names.split()) for file, (check, names) in CHECKS.items()}
