"""A network as data: one traced graph for counting, pruning, compiling, saving and ONNX."""

from .count import Cost, GraphCost, count
from .module import GraphModule
from .nodes import Batch, Graph, Node, Ref, Runtime
from .trace import trace

__all__ = ["Batch", "Cost", "Graph", "GraphCost", "GraphModule", "Node", "Ref", "Runtime", "count", "trace"]
