"""Optimizers and learning rate schedules."""

from .optimizers import SGD, Adam, AdamW, Optimizer, clip_grad_norm
from .schedules import cosine, one_cycle

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "clip_grad_norm", "cosine", "one_cycle"]
