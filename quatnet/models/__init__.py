"""Networks, built from a config."""

from .cnn import CNN, CNNConfig, cnn14, small_cnn, student_of

__all__ = ["CNN", "CNNConfig", "cnn14", "small_cnn", "student_of"]
