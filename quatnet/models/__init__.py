"""Real and quaternion networks of the CNN and ResNet families, built from a config."""

from ..graph import compile
from .build import NAMES, build, config_from_dict, from_name, resized_config
from .cnn import CNN, CNNConfig, cnn6, cnn10, cnn14, half_width, pruned_config, small_cnn
from .config import Config, LayerShape
from .network import Network
from .resnet import ResNet, ResNetConfig, resnet38

__all__ = [
    "CNN", "NAMES", "CNNConfig", "Config", "LayerShape", "Network", "ResNet", "ResNetConfig", "build", "cnn6", "cnn10",
    "cnn14", "compile", "config_from_dict", "from_name", "half_width", "pruned_config", "resized_config",
    "resnet38", "small_cnn",
]  # fmt: skip
