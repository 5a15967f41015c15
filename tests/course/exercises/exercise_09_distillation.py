"""Exercise 9: distillation.

A teacher network gives logits v, a student network gives logits z, both (N, classes) for N clips. The loss compares
their probabilities at the temperature T.

    python -m pytest tests/course/test_09_distillation.py --implementation my_distillation.py

Chapter 9: docs/09-distillation.md.
"""

import numpy as np


def softmax(logits, temperature):
    """Return the probabilities e^(z_a / T) / Σ_b e^(z_b / T) (N, classes) for `logits` z and `temperature` T.

    For large logits, the exponentials overflow. The largest logit of each clip can be subtracted first, since this does
    not change the result.
    """
    raise NotImplementedError


def kl_divergence(teacher, student):
    """Return the mean over the clips of KL(teacher || student) = Σ_a Q_a log(Q_a / P_a), a number.

    `teacher` Q and `student` P are probabilities (N, classes) above 0.
    """
    raise NotImplementedError


def distillation_loss(logits, teacher_logits, temperature):
    """Return T² KL(softmax(v / T) || softmax(z / T)), averaged over the clips, a number.

    z are the `logits` of the student and v the `teacher_logits`.
    """
    raise NotImplementedError


def distillation_gradient(logits, teacher_logits, temperature):
    """Return the gradient (N, classes) of distillation_loss with respect to the `logits` of the student.

    The derivative of KL with respect to z / T is softmax(z / T) - softmax(v / T). The derivative of z / T with respect
    to z is 1 / T. The loss has the factor T² / N.
    """
    raise NotImplementedError
