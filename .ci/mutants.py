"""Generate mutants: copies of a Python file with one changed sign, operand order, or missing operation each."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OPPOSITE = {ast.Add: ast.Sub, ast.Sub: ast.Add}
UFUNCS = {"add": "subtract", "subtract": "add", "negative": "positive", "positive": "negative"}
DROPPED = {"conjugate", "unbroadcast"}  # f(x, ...) becomes x
ORDERED = {"hamilton_product", "eight_products", "multiply"}  # f(a, b, ...) becomes f(b, a, ...)


class Mutant(NamedTuple):
    file: Path
    line: int
    function: str
    before: str
    after: str
    source: str  # the complete mutated file


def mutants_in(file: Path, target: str) -> Iterator[Mutant]:
    """Yield all mutants of the definitions of `target`: a function, class or constant, or '*' for all definitions."""
    source = file.read_bytes()
    for function, node in nodes_in(ast.parse(source), target):
        for replacement in replacements(node):
            before, after = ast.unparse(node), ast.unparse(replacement)
            yield Mutant(file, node.lineno, function, before, after, replaced(source, node, replacement))


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the mutated nodes that replace `node`."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            yield ast.BinOp(left, OPPOSITE[type(sign)](), right)
            if isinstance(left, ast.Attribute | ast.Subscript):  # x.grad + grad becomes grad: no accumulation
                yield right
        case ast.BinOp(left, ast.Mult() | ast.Div(), right):
            yield right if isinstance(left, ast.Constant) else left
        case ast.BinOp(left, ast.MatMult() as product, right):
            yield ast.BinOp(right, product, left)
        case ast.AugAssign(target, ast.Add() | ast.Sub() as sign, value):
            yield ast.AugAssign(target, OPPOSITE[type(sign)](), value)
            yield ast.Assign([target], value, lineno=0)
        case (
            ast.UnaryOp(ast.USub(), operand)
            | ast.Attribute(operand, "T")
            | ast.Call(ast.Attribute(operand, "transpose"))
        ):
            yield operand
        case ast.Attribute(ast.Name("np" | "xp") as module, name) if name in UFUNCS:
            yield ast.Attribute(module, UFUNCS[name])
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name), [operand, *_]) if name in DROPPED:
            yield operand
        case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("quaternion"), name) as f, [a, b, *rest], keywords) if (
            name in ORDERED
        ):
            yield ast.Call(f, [b, a, *rest], keywords)
        case ast.List(entries) if all(ast.unparse(entry) in ("1", "-1") for entry in entries):
            for n, entry in enumerate(entries):
                opposite = entry.operand if isinstance(entry, ast.UnaryOp) else ast.UnaryOp(ast.USub(), entry)
                yield ast.List([*entries[:n], opposite, *entries[n + 1 :]])


def is_excluded(node: ast.AST) -> bool:
    """Return whether mutants of `node` cannot change a result: error messages, axes, and chunk sizes."""
    match node:
        case ast.Raise() | ast.UnaryOp(ast.USub(), ast.Constant(int())):
            return True
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name) as function):
            return name in ("chunk_slices", "image_slices") or ast.unparse(function) == "xp.multiply"
    return False


def nodes_in(node: ast.AST, target: str, path: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield (function, node) for all nodes to mutate inside the definitions of `target`."""
    for child in ast.iter_child_nodes(node):
        name = defined_name(child)
        inside = f"{path}.{name}".strip(".") if name and (path or target in (name, "*")) else path
        if not is_excluded(child):
            yield from [(inside, child)] if inside else []
            yield from nodes_in(child, target, inside)


def defined_name(node: ast.AST) -> str | None:
    """Return the name of a function, class or module-level constant, or None."""
    match node:
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return name
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)) if node.col_offset == 0:
            return name
    return None


def replaced(source: bytes, node: ast.AST, replacement: ast.AST) -> str:
    """Return the source with `node` replaced by `replacement`."""
    lines = source.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    stop = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = ast.unparse(replacement)
    text = text if isinstance(replacement, ast.stmt) else f"({text})"
    return (source[:start] + text.encode() + source[stop:]).decode()
