"""Handling of Ctrl-C during training: the training loop stops at the end of the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """Yield an event that is set by the first Ctrl-C.

    The previous signal handler is restored after the first Ctrl-C and at the end of the context. Outside of the main
    thread, the event is never set, because only the main thread receives signals.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    previous_handler = signal.getsignal(signal.SIGINT)

    def set_flag(*_: object) -> None:
        flag.set()
        signal.signal(signal.SIGINT, previous_handler)

    signal.signal(signal.SIGINT, set_flag)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, previous_handler)
