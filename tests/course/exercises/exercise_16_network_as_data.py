"""Exercise 16: the network as data.

A network is a list of nodes (name, operation, inputs) in the order of execution, and a dict of arrays by name. The
inputs of a node are the names of arrays, of earlier nodes, or "x", the input of the network. The last node is the
output. Functions on this list count, clean and simplify any network, without the class that built it.

    python -m pytest tests/course/test_16_network_as_data.py --implementation my_graph.py

Chapter 16: docs/16-network-as-data.md.
"""

import numpy as np

OPERATIONS = {
    "matmul": lambda a, b: a @ b,
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "relu": lambda a: np.maximum(a, 0),
}


def run(nodes, arrays, x):
    """Return the value of the last node for the input `x`."""
    raise NotImplementedError


def consumers(nodes):
    """Return a dict from the name of each used value to the list of the names of the nodes that use it, in order.

    A node that uses a value twice is listed twice.
    """
    raise NotImplementedError


def live_nodes(nodes):
    """Return the nodes that the last node needs, directly or through other nodes, in their order."""
    raise NotImplementedError


def count_parameters(nodes, arrays):
    """Return the number of entries of all arrays that the nodes use. An array that is used twice counts once."""
    raise NotImplementedError


def fold_batch_norm(weight, bias, gamma, beta, mean, variance, eps):
    """Return (weight, bias) of one linear layer with the outputs of a linear layer and the batch norm after this layer.

    The layer is y = x @ weight + bias, with `weight` (C, O) and `bias` (O,). The batch norm in evaluation is
    gamma (y - mean) / sqrt(variance + eps) + beta. The arrays of the batch norm are (O,).
    """
    raise NotImplementedError
