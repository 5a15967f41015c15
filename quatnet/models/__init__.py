"""Networks, built from a config."""

from .build import NAMES, build, config_of, named
from .channels import Channels, filters_left, filters_of, late_filters_cut, shared_channels, with_filters
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
    "filters_left",
    "filters_of",
    "late_filters_cut",
    "named",
    "resnet38",
    "shared_channels",
    "small_cnn",
    "student_of",
    "with_filters",
]
