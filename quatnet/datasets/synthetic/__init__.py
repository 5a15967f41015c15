"""Synthesized data sets of sounds, music and speech."""

from . import toy_audioset
from .sets import load, music, voices

__all__ = ["load", "music", "toy_audioset", "voices"]
