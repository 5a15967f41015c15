"""One wrong sign at a time: the mistakes that can be made in a piece of Python, each alone in a copy of its file."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OTHER = {ast.Add: ast.Sub, ast.Sub: ast.Add}
UFUNCS = {"add": "subtract", "subtract": "add", "negative": "positive", "positive": "negative"}
DROPPED = {"conjugate", "unbroadcast"}  # f(x, ...) becomes x
ORDERED = {"hamilton_product", "eight_products", "multiply"}  # f(a, b, ...) becomes f(b, a, ...)


class Fault(NamedTuple):
    file: Path
    line: int
    function: str
    before: str
    after: str
    source: str  # the whole file with the fault in it


def faults_in(file: Path, wanted: str) -> Iterator[Fault]:
    """Yield every fault in the definitions of `wanted`, a function, class or constant; '*' is the whole file."""
    source = file.read_bytes()
    for function, node in parts(ast.parse(source), wanted):
        for mistake in mistakes(node):
            before, after = ast.unparse(node), ast.unparse(mistake)
            yield Fault(file, node.lineno, function, before, after, planted(source, node, mistake))


def mistakes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of `node` by mistake."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            yield ast.BinOp(left, OTHER[type(sign)](), right)
            if isinstance(left, ast.Attribute | ast.Subscript):  # x.grad + g becomes g: what was there is forgotten
                yield right
        case ast.BinOp(left, ast.Mult() | ast.Div(), right):
            yield right if isinstance(left, ast.Constant) else left
        case ast.BinOp(left, ast.MatMult() as product, right):
            yield ast.BinOp(right, product, left)
        case ast.AugAssign(target, ast.Add() | ast.Sub() as sign, value):
            yield ast.AugAssign(target, OTHER[type(sign)](), value)
            yield ast.Assign([target], value, lineno=0)
        case ast.UnaryOp(ast.USub(), kept) | ast.Attribute(kept, "T") | ast.Call(ast.Attribute(kept, "transpose")):
            yield kept
        case ast.Attribute(ast.Name("np" | "xp") as module, name) if name in UFUNCS:
            yield ast.Attribute(module, UFUNCS[name])
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name), [kept, *_]) if name in DROPPED:
            yield kept
        case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("quaternion"), name) as f, [a, b, *rest], keywords) if (
            name in ORDERED
        ):
            yield ast.Call(f, [b, a, *rest], keywords)
        case ast.List(entries) if all(ast.unparse(entry) in ("1", "-1") for entry in entries):
            for n, entry in enumerate(entries):
                opposite = entry.operand if isinstance(entry, ast.UnaryOp) else ast.UnaryOp(ast.USub(), entry)
                yield ast.List([*entries[:n], opposite, *entries[n + 1 :]])


def harmless(node: ast.AST) -> bool:
    """Return whether a mistake in `node` is no wrong number: in a message, an axis, or the size of a piece of work."""
    match node:
        case ast.Raise() | ast.UnaryOp(ast.USub(), ast.Constant(int())):
            return True
        case ast.Call(ast.Name(name) | ast.Attribute(attr=name) as function):
            return name.endswith(("pieces", "chunk_slices")) or ast.unparse(function) == "xp.multiply"
    return False


def parts(node: ast.AST, wanted: str, path: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield (function, node) for everything inside the definitions of `wanted` where a mistake would matter."""
    for child in ast.iter_child_nodes(node):
        name = defined(child)
        inside = f"{path}.{name}".strip(".") if name and (path or wanted in (name, "*")) else path
        if not harmless(child):
            yield from [(inside, child)] if inside else []
            yield from parts(child, wanted, inside)


def defined(node: ast.AST) -> str | None:
    """Return the name of a function, a class, or a constant of the module."""
    match node:
        case ast.FunctionDef(name) | ast.ClassDef(name):
            return name
        case ast.Assign([ast.Name(name)]) | ast.AnnAssign(ast.Name(name)) if node.col_offset == 0:
            return name
    return None


def planted(source: bytes, node: ast.AST, mistake: ast.AST) -> str:
    """Return the file with `mistake` in the place of `node`."""
    lines = source.splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    stop = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    text = ast.unparse(mistake)
    text = text if isinstance(mistake, ast.stmt) else f"({text})"
    return (source[:start] + text.encode() + source[stop:]).decode()
