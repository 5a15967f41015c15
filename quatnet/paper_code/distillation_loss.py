"""Distillation loss of the paper's released code, which applies a sigmoid before the softmax."""

from .. import ops
from ..autodiff import Tensor
from ..backend import Array
from ..checks import as_array


def distillation_loss(logits: Tensor, teacher_logits: Array, *, temperature: float = 2.0) -> Tensor:
    """Return `ops.distillation_loss` of sigmoid(logits) instead of the logits, as in the released code.

    The loss is T²/N Σ KL(softmax(σ(teacher_logits) / T) || softmax(σ(logits) / T)) over N clips, where T is
    `temperature` and σ is the sigmoid. A softmax of values between 0 and 1 over many classes is nearly uniform, so the
    loss has little effect. Raises the errors of `ops.distillation_loss`.

    Source: A. Singh and others, `audio-pruning`, the code of Compressing Quaternion Convolutional Neural Networks for
    Audio Classification, 2025.
    """
    teacher = Tensor(as_array(teacher_logits).astype(logits.data.dtype, copy=False))
    return ops.distillation_loss(ops.sigmoid(logits), ops.sigmoid(teacher).data, temperature=temperature)
