"""Functions that reproduce defects of the paper's released code, for comparison only."""

from .distillation_loss import distillation_loss
from .filter_scores import l1_scores
from .front_end import PaperCodeFrontEnd
from .torchinfo import torchinfo_mult_adds

__all__ = ["PaperCodeFrontEnd", "distillation_loss", "l1_scores", "torchinfo_mult_adds"]
