"""One page for each package of quatnet, written before the build: what it exports, then what its modules add."""

import pkgutil
from importlib import import_module
from pathlib import Path

import quatnet


def write_pages(app):
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    packages = [module.name for module in pkgutil.walk_packages(quatnet.__path__, "quatnet.") if module.ispkg]
    for package in ["quatnet", *packages]:
        (folder / f"{package}.rst").write_text(page(package), encoding="utf-8")


def page(package):
    module = import_module(package)
    exported = getattr(module, "__all__", [])
    modules = [part.name for part in pkgutil.iter_modules(module.__path__) if not part.ispkg]
    sections = [heading(package, "=") + members(package)]
    for name in modules:
        sections.append(heading(f"{package}.{name}", "-") + members(f"{package}.{name}", exported, name in exported))
    return "\n".join(sections)


def heading(title, line):
    return f"{title}\n{line * len(title)}\n\n"


def members(module, elsewhere=(), hidden=False):
    """The docstring of `module` and its public members, without those that its package exports."""
    no_index = "   :no-index:\n" if hidden else ""  # a function of the same name has the entry in the index
    return f".. automodule:: {module}\n   :members:\n   :exclude-members: {', '.join(elsewhere)}\n{no_index}"


def setup(app):
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
