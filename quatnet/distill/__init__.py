"""Knowledge distillation: a small student learns the labels and a teacher's answers together.

A teacher is a network, several of them, or a file in which somebody's network has left its answers.
"""

from .features import ProjectedStudent, Student, feature_matching
from .losses import Loss, distillation, label_loss, multi_label_loss, with_answers
from .probe import linear_probe
from .recorded import Recorded, read_recorded

__all__ = [
    "Loss",
    "ProjectedStudent",
    "Recorded",
    "Student",
    "distillation",
    "feature_matching",
    "label_loss",
    "linear_probe",
    "multi_label_loss",
    "read_recorded",
    "with_answers",
]
