"""Networks, built from a config."""

from .build import NAMES, build, config_of, named
from .channels import Channels, late_filters_cut, resized, shared_channels
from .cnn import CNN, CNNConfig, cnn6, cnn10, cnn14, small_cnn, student_of
from .compiled import compile
from .config import Config, LayerShape
from .convert import convert
from .network import Network
from .resnet import ResNet, ResNetConfig, resnet38

__all__ = [
    "CNN",
    "NAMES",
    "CNNConfig",
    "Channels",
    "Config",
    "LayerShape",
    "Network",
    "ResNet",
    "ResNetConfig",
    "build",
    "cnn6",
    "cnn10",
    "cnn14",
    "compile",
    "config_of",
    "convert",
    "late_filters_cut",
    "named",
    "resized",
    "resnet38",
    "shared_channels",
    "small_cnn",
    "student_of",
]
