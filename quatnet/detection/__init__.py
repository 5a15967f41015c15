"""Detection of events in recordings: confidences of windows, events with start and end, and their file formats."""

from .events import Event, Result, best_classes, detect
from .formats import FORMATS

__all__ = ["FORMATS", "Event", "Result", "best_classes", "detect"]
