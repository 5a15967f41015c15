"""Exercise 13: training loop and optimizers.

A step computes the gradients of the loss, limits their norm, and changes the parameters. The state of an optimizer (the
velocity, the running means) is an argument and a result here. Return new arrays; do not change the arguments.

    python -m pytest tests/course/test_13_training_loop.py --implementation my_training.py

Chapter 13: docs/13-training-loop.md.
"""

import numpy as np


def sgd_step(parameter, grad, velocity, lr, momentum):
    """Return (parameter, velocity) after a step: v = momentum · v + grad, parameter = parameter - lr · v."""
    raise NotImplementedError


def adamw_step(parameter, grad, mean, mean_square, step, lr, beta1, beta2, eps, weight_decay):
    """Return (parameter, mean, mean_square) after step number `step` = 1, 2, ... of AdamW.

    The running means are mean = β₁ mean + (1 - β₁) grad and mean_square = β₂ mean_square + (1 - β₂) grad². The means
    start at 0, so they are too small in the first steps. The corrected means are mean / (1 - β₁^step) and mean_square /
    (1 - β₂^step). The step is

        parameter - lr (corrected mean / (sqrt(corrected mean_square) + eps) + weight_decay · parameter)
    """
    raise NotImplementedError


def clip_gradients(gradients, max_norm):
    """Return the tuple of arrays `gradients`, scaled by one factor so that their total norm is at most `max_norm`.

    The total norm is the root of the sum of the squares of all entries of all arrays. Shorter gradients do not change.
    """
    raise NotImplementedError


def cosine_lr(step, total_steps, max_lr):
    """Return max_lr (1 + cos(π step / total_steps)) / 2, the learning rate of `step` = 0, 1, ..., total_steps - 1."""
    raise NotImplementedError


def train(x, targets, weight, lr, steps):
    """Return the weight after `steps` steps of gradient descent on the mean squared error of x @ weight.

    The loss is the mean of (x @ weight - targets)² over the N entries of `targets` (N,). The gradient of the loss is
    2/N xᵀ (x @ weight - targets). `x` is (N, C) and `weight` is (C,).
    """
    raise NotImplementedError
