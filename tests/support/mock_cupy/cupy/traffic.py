"""Records of the copies between host and device, of the kernel launches, and of the operations on arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Traffic:
    """The record of the bytes of each copy in both directions, and the names of the launched kernels of quatnet.

    `operations` are the names of the functions of CuPy that launch a kernel, or several kernels. Views launch none.
    """

    to_device: list[int] = field(default_factory=list)
    to_host: list[int] = field(default_factory=list)
    launches: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)


_active: list[Traffic] = []


@contextmanager
def record() -> Iterator[Traffic]:
    """Return a `Traffic` that records all events within the `with` block.

    >>> with record() as traffic: total = float(cupy.asarray(numpy.ones(3)).sum())
    >>> traffic.to_device, traffic.to_host
    ([24], [8])
    """
    traffic = Traffic()
    _active.append(traffic)
    try:
        yield traffic
    finally:
        _active.remove(traffic)


def log(kind: str, value: int | str) -> None:
    """Append the bytes of a copy or the name of a kernel to all active records."""
    for traffic in _active:
        getattr(traffic, kind).append(value)
