"""A deep-learning framework on NumPy and CuPy for quaternion convolutional networks on audio.

`import quatnet as qn` gives `qn.Tensor`, `qn.nn`, `qn.ops`, `qn.optim` and the other packages, which are imported when
they are first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import ops
    from .autodiff import Tensor, gradcheck, no_grad
    from .threads import thread_count

if os.environ.get("QUATNET_BACKEND", "numpy") != "numpy":
    import_module(".processes", __name__)  # selects the GPU of this process before the first array

__version__ = "0.1.0"
PACKAGES = (
    "audio", "datasets", "detection", "distill", "graph", "models", "nn", "ops", "optim", "plots", "profile", "prune",
    "quaternion", "training", "weights",
)  # fmt: skip
MODULES = {
    "Classifier": "classifier", "Tensor": "autodiff", "compile": "graph", "gradcheck": "autodiff",
    "no_grad": "autodiff", "thread_count": "threads",
}  # fmt: skip
__all__ = ["Tensor", "gradcheck", "no_grad", "ops", "thread_count"]


def __getattr__(name: str) -> Any:
    if name in MODULES:
        return getattr(import_module(f".{MODULES[name]}", __name__), name)
    if name in PACKAGES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PACKAGES, *MODULES})
