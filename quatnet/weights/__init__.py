"""Weights from elsewhere: PyTorch files and safetensors, read without PyTorch, and the names of published networks."""

from .names import load_network, network_of
from .safetensors import read_safetensors, write_safetensors
from .torch_file import read_torch

__all__ = ["load_network", "network_of", "read_safetensors", "read_torch", "write_safetensors"]
