"""Exercise 9: a plain solution, typical mistakes and hints."""

import numpy as np


def softmax(logits, temperature):
    z = logits / temperature
    exponentials = np.exp(z - z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def kl_divergence(teacher, student):
    return (teacher * np.log(teacher / student)).sum() / len(teacher)


def distillation_loss(logits, teacher_logits, temperature):
    t, s = softmax(teacher_logits, temperature), softmax(logits, temperature)
    return temperature**2 * kl_divergence(t, s)


def distillation_gradient(logits, teacher_logits, temperature):
    difference = softmax(logits, temperature) - softmax(teacher_logits, temperature)
    return temperature * difference / len(logits)


MISTAKES = [
    ("the temperature is missing in the softmax", "z = logits / temperature", "z = logits"),
    ("the logits are multiplied by the temperature; expected z / T", "z = logits / temperature", "z = logits * temperature"),
    ("the softmax is over the clips (axis 0); expected the classes (axis 1)", "exponentials / exponentials.sum(axis=1, keepdims=True)", "exponentials / exponentials.sum(axis=0, keepdims=True)"),
    ("keepdims=True is missing in the sum over the classes", "exponentials.sum(axis=1, keepdims=True)", "exponentials.sum(axis=1)"),
    ("keepdims=True is missing in the maximum over the classes", "z.max(axis=1, keepdims=True)", "z.max(axis=1)"),
    ("the softmax is over all entries; expected a sum of 1 for each clip", "exponentials / exponentials.sum(axis=1, keepdims=True)", "exponentials / exponentials.sum()"),
    ("the largest logit of the batch is subtracted; it underflows for other clips. Subtract the largest of each clip", "z.max(axis=1, keepdims=True)", "z.max()"),
    ("large logits overflow: subtract the largest logit of each clip before np.exp", "np.exp(z - z.max(axis=1, keepdims=True))", "np.exp(z)"),
    ("teacher and student are exchanged: this is KL(student || teacher)", "(teacher * np.log(teacher / student))", "(student * np.log(student / teacher))"),
    ("the sign of the logarithm is wrong: expected log(Q / P)", "np.log(teacher / student)", "np.log(student / teacher)"),
    ("this is the cross entropy, -Σ Q log P, without the entropy of the teacher", "(teacher * np.log(teacher / student))", "-(teacher * np.log(student))"),
    ("the mean is over clips and classes; expected the sum over the classes", ".sum() / len(teacher)", ".mean()"),
    ("the sum is over all clips; expected the mean over the clips", ".sum() / len(teacher)", ".sum()"),
    ("the factor is T; expected T²", "temperature**2 *", "temperature *"),
    ("the factor T² is missing", "temperature**2 * kl_divergence(t, s)", "kl_divergence(t, s)"),
    ("the arguments of kl_divergence are exchanged; the teacher is first", "kl_divergence(t, s)", "kl_divergence(s, t)"),
    ("the softmax of the teacher has no temperature", "softmax(teacher_logits, temperature), softmax(logits", "softmax(teacher_logits, 1), softmax(logits"),
    ("the sign of the gradient is wrong: expected student minus teacher", "temperature * difference", "-temperature * difference"),
    ("the gradient has the factor T²; one T is canceled by the derivative 1/T of z / T", "temperature * difference", "temperature**2 * difference"),
    ("the factor T is missing in the gradient", "temperature * difference", "difference"),
    ("the gradient is not divided by the number of clips", "difference / len(logits)", "difference"),
    ("the gradient is divided by the number of entries; expected the number of clips", "difference / len(logits)", "difference / logits.size"),
]  # fmt: skip

_Z, _V = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3)[:, ::-1] % 4
PROBES = {"softmax": [(np.array([[0.0, 1], [2, 5]]), 2.0)], "distillation_gradient": [(_Z, _V, 3.0)]}

HINTS = {
    "softmax": [
        "divide by the temperature, subtract z.max(axis=1, keepdims=True), and use np.exp",
        "divide by the sum over axis 1, with keepdims=True",
    ],
    "kl_divergence": ["(teacher * np.log(teacher / student)).sum(axis=1) has one number for each clip"],
    "distillation_loss": [
        "compute both softmax outputs with the temperature, then temperature**2 * kl_divergence(...)"
    ],
    "distillation_gradient": ["T² / N · (1 / T) · (softmax(z / T) - softmax(v / T))"],
}
