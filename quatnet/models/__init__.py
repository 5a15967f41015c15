"""Networks, built from a config."""

from .cnn import CNN, CNNConfig, cnn14, small_cnn, student_of
from .compiled import compile
from .convert import convert

__all__ = ["CNN", "CNNConfig", "cnn14", "compile", "convert", "small_cnn", "student_of"]
