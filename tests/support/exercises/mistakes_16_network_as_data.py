"""Exercise 16: a plain solution, typical mistakes and hints."""

import numpy as np

OPERATIONS = {
    "matmul": lambda a, b: a @ b,
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "relu": lambda a: np.maximum(a, 0),
}


def run(nodes, arrays, x):
    values = {**arrays, "x": x}
    for name, op, inputs in nodes:
        values[name] = OPERATIONS[op](*(values[i] for i in inputs))
    return values[nodes[-1][0]]


def consumers(nodes):
    users = {}
    for name, _, inputs in nodes:
        for value in inputs:
            users.setdefault(value, []).append(name)
    return users


def live_nodes(nodes):
    needed, kept = {nodes[-1][0]}, []
    for node in reversed(nodes):
        name, _, inputs = node
        if name in needed:
            kept.append(node)
            needed.update(inputs)
    return kept[::-1]


def count_parameters(nodes, arrays):
    used = {name for _, _, inputs in nodes for name in inputs}
    return sum(array.size for name, array in arrays.items() if name in used)


def fold_batch_norm(weight, bias, gamma, beta, mean, variance, eps):
    scale = gamma / np.sqrt(variance + eps)
    return weight * scale, (bias - mean) * scale + beta


MISTAKES = [
    ("the first node is returned; the output is the last node", "values[nodes[-1][0]]", "values[nodes[0][0]]"),
    ("the inputs of a node are in reversed order", "(values[i] for i in inputs)", "(values[i] for i in inputs[::-1])"),
    ("the results of nodes overwrite each other; keep every value by its name", "        values[name] = OPERATIONS[op](*(values[i] for i in inputs))\n    return values[nodes[-1][0]]", "        values['x'] = OPERATIONS[op](*(values.get(i, values['x']) for i in inputs))\n    return values['x']"),
    ("all operations are additions: look the operation up by its name", "OPERATIONS[op](*", "sum("),
    ("the result of the last node is not computed", "for name, op, inputs in nodes:", "for name, op, inputs in [*nodes[:-1], (nodes[-1][0], 'add', (nodes[-1][2][0], nodes[-1][2][0]))]:"),
    ("the map is from nodes to their inputs; expected from values to the nodes that use them", "users.setdefault(value, []).append(name)", "users.setdefault(name, []).append(value)"),
    ("only the first node that uses a value is listed", "users.setdefault(value, []).append(name)", "users.setdefault(value, [name])"),
    ("only the last node that uses a value is listed", "users.setdefault(value, []).append(name)", "users[value] = [name]"),
    ("only the first input of each node is considered", "for value in inputs:\n            users", "for value in inputs[:1]:\n            users"),
    ("a node that uses a value twice is listed once", "for value in inputs:\n            users", "for value in dict.fromkeys(inputs):\n            users"),
    ("the nodes are in reversed order", "return kept[::-1]", "return kept"),
    ("only the direct inputs of the last node are kept", "            needed.update(inputs)", "            needed.update(inputs if node is nodes[-1] else ())"),
    ("the last node is missing", "return kept[::-1]", "return kept[:0:-1]"),
    ("every node with a consumer is kept; a consumer may be dead itself", "        if name in needed:", "        if name in needed or any(name in other[2] for other in nodes):"),
    ("only the first input of each node is followed", "            needed.update(inputs)", "            needed.update(inputs[:1])"),
    ("the names are returned; expected the nodes", "            kept.append(node)", "            kept.append(name)"),
    ("an array that is used twice counts twice", "    used = {name for _, _, inputs in nodes for name in inputs}\n    return sum(array.size for name, array in arrays.items() if name in used)", "    return sum(arrays[name].size for _, _, inputs in nodes for name in inputs if name in arrays)"),
    ("arrays that no node uses are counted", " if name in used)", ")"),
    ("the arrays are counted; expected their entries", "array.size", "1"),
    ("the rows of the arrays are counted; expected all entries", "array.size", "len(array)"),
    ("the mean is not scaled: the batch norm subtracts it before the scale", "(bias - mean) * scale + beta", "bias * scale - mean + beta"),
    ("the bias of the layer is not scaled", "(bias - mean) * scale + beta", "bias - mean * scale + beta"),
    ("beta is scaled; the batch norm adds it after the scale", "(bias - mean) * scale + beta", "(bias - mean + beta) * scale"),
    ("the mean has the wrong sign", "(bias - mean)", "(bias + mean)"),
    ("the square root of the variance is missing", "np.sqrt(variance + eps)", "(variance + eps)"),
    ("eps is missing", "np.sqrt(variance + eps)", "np.sqrt(variance)"),
    ("the weight is not scaled", "return weight * scale,", "return weight,"),
    ("the rows of the weight are scaled; the output channels are its columns", "weight * scale,", "weight * np.resize(scale, len(weight))[:, None],"),
    ("beta is missing", "* scale + beta", "* scale"),
]  # fmt: skip

HINTS = {
    "run": [
        "start with the values {**arrays, 'x': x}",
        "for each node, call OPERATIONS[op] with the values of its inputs, and store the result under its name",
    ],
    "consumers": ["users.setdefault(value, []).append(name) for every input of every node"],
    "live_nodes": [
        "go through the nodes from the last to the first, with a set of needed names",
        "a node whose name is needed is kept, and its inputs become needed",
    ],
    "count_parameters": ["collect the names of all inputs in a set; add array.size of the arrays in this set"],
    "fold_batch_norm": [
        "with scale = gamma / sqrt(variance + eps), the batch norm is scale · (x @ weight + bias - mean) + beta",
        "weight * scale scales the columns (output channels)",
    ],
}
