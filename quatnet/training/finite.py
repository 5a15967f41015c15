"""Errors for losses and parameters of a training that are not finite."""

from pathlib import Path

from ..backend import xp
from ..errors import NonFiniteError
from ..nn import Module


def loss_error(step: str, path: Path | None) -> NonFiniteError:
    """Return the error for a loss that is not finite in a `step`, which is described by its number and its clips."""
    return NonFiniteError(
        f"the loss is not finite in {step}; {_kept(path)}check the inputs of this step for NaN and infinity, or "
        "use a lower learning rate"
    )


def check_finite_parameters(model: Module, epoch: int, path: Path | None) -> None:
    """Raise NonFiniteError if a parameter contains NaN or infinity, as after a gradient that is not finite."""
    finite = {name: xp.isfinite(tensor.data).all() for name, tensor in model.named_parameters()}
    if not xp.stack(list(finite.values())).all():
        names = ", ".join(name for name, is_finite in finite.items() if not is_finite)
        raise NonFiniteError(
            f"parameters are not finite after epoch {epoch}: {names}; {_kept(path)}use a lower learning rate"
        )


def _kept(path: Path | None) -> str:
    return f"the last checkpoint is kept in {path}; " if path and path.exists() else ""
