"""Write one API page per package of quatnet before the build: the exports of the package, then those of its modules."""

import pkgutil
from importlib import import_module
from pathlib import Path

import quatnet


def write_pages(app):
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    for old_page in folder.glob("*.rst"):
        old_page.unlink()
    packages = [module.name for module in pkgutil.walk_packages(quatnet.__path__, "quatnet.") if module.ispkg]
    for package in ["quatnet", *packages]:
        (folder / f"{package}.rst").write_text(page(package), encoding="utf-8")


def page(package):
    module = import_module(package)
    exported = getattr(module, "__all__", [])
    modules = list(pkgutil.iter_modules(module.__path__, f"{package}."))
    below = [name for part in modules if part.ispkg for name in import_module(part.name).__dict__.get("__all__", [])]
    sections = [heading(package, "=") + members(package, [name for name in exported if name in below])]
    for name in (part.name for part in modules if not part.ispkg):
        hidden = name.rpartition(".")[2] in exported
        sections.append(heading(name, "-") + members(name, exported, hidden))
    return "\n".join(sections)


def heading(title, line):
    return f"{title}\n{line * len(title)}\n\n"


def members(module, excluded=(), hidden=False):
    """Return a directive for the docstring and the public members of `module`, without the `excluded` names.

    The names that a package exports are documented there, and those that a subpackage exports on its own page.
    """
    no_index = "   :no-index:\n" if hidden else ""  # an exported function with the same name is in the index
    return f".. automodule:: {module}\n   :members:\n   :exclude-members: {', '.join(excluded)}\n{no_index}"


def setup(app):
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
