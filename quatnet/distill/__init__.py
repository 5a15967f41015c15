"""Knowledge distillation: a small student learns the labels and a teacher's answers together.

A teacher is a network, several of them, or a file in which somebody's network has left its answers.
"""

from .features import ProjectedStudent, Student, feature_matching
from .losses import Loss, append_soft_targets, binary_cross_entropy_loss, cross_entropy_loss, distillation
from .probe import linear_probe
from .recorded import CachedOutputs, read_cached_outputs

__all__ = [
    "CachedOutputs",
    "Loss",
    "ProjectedStudent",
    "Student",
    "append_soft_targets",
    "binary_cross_entropy_loss",
    "cross_entropy_loss",
    "distillation",
    "feature_matching",
    "linear_probe",
    "read_cached_outputs",
]
