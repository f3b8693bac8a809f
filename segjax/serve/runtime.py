"""What makes the file of an exported model a program: the code that reads it.

Python runs a zip archive that holds `__main__.py`. So the modules of segjax that
`serve.standalone` imports go along as they are, and flatbuffers, with which jax reads
programs and which it does not bring.
"""

import ast
import importlib.metadata
from pathlib import Path

import flatbuffers
import jax

import segjax
from segjax.core.errors import UserError

START = "segjax.serve.standalone"

FOLDERS = ("segjax/", "flatbuffers/", "licences/")
MAIN = "__main__.py"
"""Where this code stands in the file; no loader of segjax runs it."""

_MAIN = '''\
"""Run as `python FILE`; see `python FILE --help`."""
import sys

if sys.version_info < (3, 11):
    sys.exit("error: this file needs Python 3.11 or newer")
try:
    import jax
except ModuleNotFoundError:
    sys.exit("error: this file needs jax: pip install jax=={jax}")
from segjax.serve.standalone import main

sys.exit(main())
'''


def members() -> dict[str, bytes]:
    """Name -> bytes of all that makes the file run.

    Raises:
      UserError: the text of the licence does not lie where segjax is installed.
    """
    found = {MAIN: _MAIN.format(jax=jax.__version__).encode()}
    root = Path(segjax.__file__).parents[1]
    for path in closure(START).values():
        found[path.relative_to(root).as_posix()] = path.read_bytes()
    folder = Path(flatbuffers.__file__).parent
    for path in sorted(folder.glob("*.py")):
        found[f"flatbuffers/{path.name}"] = path.read_bytes()
    licence = _licence(root)
    version = importlib.metadata.version("flatbuffers")
    head = f"flatbuffers {version}, Copyright Google Inc., under the licence below.\n\n"
    found["licences/flatbuffers.txt"] = head.encode() + licence
    found["licences/segjax.txt"] = licence
    return found


def closure(start: str) -> dict[str, Path]:
    """The modules of segjax that a module imports, also inside functions, by name."""
    root, found, waiting = Path(segjax.__file__).parents[1], {}, [start]
    while waiting:
        name = waiting.pop()
        path = _file(root, name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [name.rpartition(".")[0], *imports(path)]
    return dict(sorted(found.items()))


def imports(path: Path) -> list[str]:
    """Dotted names of all that a file imports, which may be modules or what is in them.

    Also inside functions.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            found += [node.module]
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def _file(root: Path, name: str) -> Path | None:
    """The file of a module of segjax; None for any other name."""
    if name.partition(".")[0] != "segjax":
        return None
    place = root.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _licence(root: Path) -> bytes:
    """Apache-2.0, which is that of segjax and of flatbuffers."""
    if (path := root / "LICENSE").is_file():
        return path.read_bytes()
    try:
        files = importlib.metadata.files("segjax") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "LICENSE":
            return Path(file.locate()).read_bytes()
    raise UserError(
        f"{root}: holds no LICENSE, which an exported model takes along. Install "
        "segjax whole, or export with --without-code."
    )
