"""Knowledge distillation: training of a student network with the labels and the outputs of a teacher.

The teacher is one network, several networks, or a file of teacher outputs.
"""

from .cached import CachedOutputs, read_cached_outputs
from .features import ProjectedStudent, Student, feature_matching
from .losses import Loss, append_soft_targets, binary_cross_entropy_loss, cross_entropy_loss, distillation
from .probe import linear_probe

__all__ = [
    "CachedOutputs", "Loss", "ProjectedStudent", "Student", "append_soft_targets", "binary_cross_entropy_loss",
    "cross_entropy_loss", "distillation", "feature_matching", "linear_probe", "read_cached_outputs",
]  # fmt: skip
