"""Optimizers, and learning-rate schedules, which are functions of the step."""

from .optimizers import SGD, Adam, AdamW, Optimiser, clip_by_norm
from .schedules import cosine, one_cycle

__all__ = ["SGD", "Adam", "AdamW", "Optimiser", "clip_by_norm", "cosine", "one_cycle"]
