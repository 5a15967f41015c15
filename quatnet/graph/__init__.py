"""A network as data: one traced graph for counting, pruning, compiling, saving and ONNX."""

from .compiled import Compiled, compile
from .count import Cost, GraphCost, count
from .files import load, save
from .fold import fold
from .groups import ChannelGroup, ChannelGroups, channel_groups, mask_graph, prune_graph
from .module import GraphModule
from .nodes import Batch, Graph, Node, Ref, Runtime
from .onnx import to_onnx
from .trace import trace

__all__ = [
    "Batch", "ChannelGroup", "ChannelGroups", "Compiled", "Cost", "Graph", "GraphCost", "GraphModule", "Node", "Ref",
    "Runtime", "channel_groups", "compile", "count", "fold", "load", "mask_graph", "prune_graph", "save", "to_onnx",
    "trace",
]  # fmt: skip
