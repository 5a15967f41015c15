"""Real and quaternion networks of the CNN and ResNet families, built from a config."""

from .build import NAMES, build, config_from_dict, from_name
from .channels import ChannelGroup, num_filters, pruned_config, remaining_filters, shared_channels, with_filters
from .cnn import CNN, CNNConfig, cnn6, cnn10, cnn14, half_width, small_cnn
from .compiled import compile
from .config import Config, LayerShape
from .convert import convert
from .network import Network
from .resnet import ResNet, ResNetConfig, resnet38

__all__ = [
    "CNN", "NAMES", "CNNConfig", "ChannelGroup", "Config", "LayerShape", "Network", "ResNet", "ResNetConfig", "build",
    "cnn6", "cnn10", "cnn14", "compile", "config_from_dict", "convert", "from_name", "half_width", "num_filters",
    "pruned_config", "remaining_filters", "resnet38", "shared_channels", "small_cnn", "with_filters",
]  # fmt: skip
