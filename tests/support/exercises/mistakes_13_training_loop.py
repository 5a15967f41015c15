"""Exercise 13: a plain solution, typical mistakes and hints."""

import numpy as np


def sgd_step(parameter, grad, velocity, lr, momentum):
    velocity = momentum * velocity + grad
    return parameter - lr * velocity, velocity


def adamw_step(parameter, grad, mean, mean_square, step, lr, beta1, beta2, eps, weight_decay):
    mean = beta1 * mean + (1 - beta1) * grad
    mean_square = beta2 * mean_square + (1 - beta2) * grad**2
    m, v = mean / (1 - beta1**step), mean_square / (1 - beta2**step)
    direction = m / (np.sqrt(v) + eps) + weight_decay * parameter
    return parameter - lr * direction, mean, mean_square


def clip_gradients(gradients, max_norm):
    norm = np.sqrt(sum((grad**2).sum() for grad in gradients))
    return tuple(grad * min(1, max_norm / norm) for grad in gradients)


def cosine_lr(step, total_steps, max_lr):
    return max_lr * (1 + np.cos(np.pi * step / total_steps)) / 2


def train(x, targets, weight, lr, steps):
    for _ in range(steps):
        grad = 2 / len(x) * x.T @ (x @ weight - targets)
        weight = weight - lr * grad
    return weight


MISTAKES = [
    ("the step goes uphill: subtract the velocity", "return parameter - lr * velocity, velocity", "return parameter + lr * velocity, velocity"),
    ("the momentum is missing", "velocity = momentum * velocity + grad", "velocity = grad"),
    ("the gradient has the factor 1 - momentum; expected v = momentum · v + grad", "momentum * velocity + grad", "momentum * velocity + (1 - momentum) * grad"),
    ("the parameter moves by the gradient; expected the velocity", "return parameter - lr * velocity, velocity", "return parameter - lr * grad, velocity"),
    ("the old velocity is returned, so the momentum is lost", "    velocity = momentum * velocity + grad\n    return parameter - lr * velocity, velocity", "    new = momentum * velocity + grad\n    return parameter - lr * new, velocity"),
    ("the bias corrections are missing", "m, v = mean / (1 - beta1**step), mean_square / (1 - beta2**step)", "m, v = mean, mean_square"),
    ("the bias correction is that of the first step: the exponent `step` is missing", "m, v = mean / (1 - beta1**step), mean_square / (1 - beta2**step)", "m, v = mean / (1 - beta1), mean_square / (1 - beta2)"),
    ("the corrected means are returned; the running means without correction are the state", "return parameter - lr * direction, mean, mean_square", "return parameter - lr * direction, m, v"),
    ("the bias correction counts the steps from 0; the first step is 1", "m, v = mean / (1 - beta1**step), mean_square / (1 - beta2**step)", "m, v = mean / (1 - beta1 ** max(step - 1, 1e-9)), mean_square / (1 - beta2 ** max(step - 1, 1e-9))"),
    ("the gradient is not squared in the second mean", "(1 - beta2) * grad**2", "(1 - beta2) * grad"),
    ("the square root of the mean square is missing", "m / (np.sqrt(v) + eps)", "m / (v + eps)"),
    ("eps is inside of the square root", "(np.sqrt(v) + eps)", "np.sqrt(v + eps)"),
    ("β₁ and β₂ are exchanged", "    mean = beta1 * mean", "    beta1, beta2 = beta2, beta1\n    mean = beta1 * mean"),
    ("the factor 1 - β₁ of the gradient is missing", "beta1 * mean + (1 - beta1) * grad", "beta1 * mean + grad"),
    ("the weight decay is added to the gradient, as in Adam with an L2 penalty; expected decoupled weight decay", "    mean = beta1 * mean", "    grad, weight_decay = grad + weight_decay * parameter, 0\n    mean = beta1 * mean"),
    ("the weight decay is missing", " + weight_decay * parameter", ""),
    ("the weight decay has the wrong sign: weights grow", "+ weight_decay * parameter", "- weight_decay * parameter"),
    ("every array has its own norm; expected one factor for all arrays", "    return tuple(grad * min(1, max_norm / norm) for grad in gradients)", "    norms = [np.sqrt((grad**2).sum()) for grad in gradients]\n    return tuple(grad * min(1, max_norm / n) for grad, n in zip(gradients, norms))"),
    ("short gradients are lengthened; they should not change", "min(1, max_norm / norm)", "(max_norm / norm)"),
    ("every entry is limited; expected a factor that keeps the direction", "grad * min(1, max_norm / norm)", "np.clip(grad, -max_norm, max_norm)"),
    ("the norm lacks the square root", "np.sqrt(sum((grad**2).sum() for grad in gradients))", "sum((grad**2).sum() for grad in gradients)"),
    ("the learning rate rises from 0: the sign of the cosine is wrong", "(1 + np.cos(", "(1 - np.cos("),
    ("the cosine has a whole period: the argument is π step / total_steps, not 2π", "np.pi * step", "2 * np.pi * step"),
    ("the division by 2 is missing: the first learning rate is 2 max_lr", "/ total_steps)) / 2", "/ total_steps))"),
    ("the gradient is not divided by N; the loss is a mean", "2 / len(x) * x.T", "2 * x.T"),
    ("the factor 2 of the derivative of a square is missing", "2 / len(x) * x.T", "1 / len(x) * x.T"),
    ("the sign of the error is wrong: prediction minus target", "(x @ weight - targets)", "(targets - x @ weight)"),
    ("one step too few", "range(steps)", "range(steps - 1)"),
    ("the gradient is computed once, for the first weight", "    for _ in range(steps):\n        grad = 2 / len(x) * x.T @ (x @ weight - targets)\n", "    grad = 2 / len(x) * x.T @ (x @ weight - targets)\n    for _ in range(steps):\n"),
]  # fmt: skip

HINTS = {
    "sgd_step": ["velocity = momentum * velocity + grad makes a new array"],
    "adamw_step": [
        "first the two running means, then the two corrected means",
        "direction = corrected mean / (np.sqrt(corrected mean_square) + eps) + weight_decay * parameter",
        "return the running means without correction",
    ],
    "clip_gradients": [
        "norm = np.sqrt(sum((grad**2).sum() for grad in gradients)); the factor is min(1, max_norm / norm)"
    ],
    "cosine_lr": ["max_lr * (1 + np.cos(np.pi * step / total_steps)) / 2"],
    "train": ["in a loop, compute the gradient for the present weight, then subtract lr times the gradient"],
}
