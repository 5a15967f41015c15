"""Built-in data sets: synthesized sounds, music and speech, so that everything runs without a download."""

from . import toy_audioset
from .sets import load, music, voices

__all__ = ["load", "music", "toy_audioset", "voices"]
