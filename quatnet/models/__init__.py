"""Networks, built from a config."""

from .cnn import CNN, CNNConfig, cnn14, small_cnn, student_of
from .convert import convert

__all__ = ["CNN", "CNNConfig", "cnn14", "convert", "small_cnn", "student_of"]
