"""Loading of published weights from PyTorch and safetensors files, without PyTorch."""

from .names import load_network, network_from_state_dict
from .safetensors import read_safetensors, write_safetensors
from .torch_file import read_torch

__all__ = ["load_network", "network_from_state_dict", "read_safetensors", "read_torch", "write_safetensors"]
