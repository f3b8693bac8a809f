"""The rules of the house: who imports whom, names, sizes, docstrings, pins, links."""

import ast
import builtins
import dis
import importlib.util
import inspect
import pathlib
import pkgutil
import re
import shlex
import subprocess
import sys
import types

import pytest

import segjax

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "segjax"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages(segjax.__path__, "segjax."))

LAYERS = (
    ("launch", "__main__"),
    ("cli", "commands"),
    ("study", "compare"),
    ("replay",),
    ("run",),
    ("guards", "web", "predictable"),
    ("train", "serve"),
    ("parts", "process"),
    ("evaluate",),
    ("predict", "data", "parallel", "checkpoint", "report", "config"),
    ("models",),
    ("nn", "losses", "metrics", "optim", "postprocess", "baselines"),
    ("core",),
)
"""From the top down; a room imports rooms of lower layers, and those named below."""

ALSO = {
    ("serve", "train"),
    ("cli", "commands"),
    ("commands", "cli"),
    ("predict", "parallel"),
    ("predict", "data"),
    ("checkpoint", "parallel"),
    ("data", "parallel"),
    ("report", "data"),
    ("config", "data"),
    ("config", "predict"),
    ("models", "nn"),
    ("optim", "nn"),
    ("losses", "metrics"),
}
"""Neighbours in one layer that may, or may not stand beside each other."""


def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of all that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(name: str) -> int:
    found = [i for i, rooms in enumerate(LAYERS) if name in rooms]
    assert found, f"segjax/{name}: stands in no layer of {__file__}"
    return found[0]


def relative(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_rooms_import_downwards_only(path):
    here = room(path)
    if here == "__init__":
        assert not [n for n in imports(path) if n.startswith("segjax")]
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "segjax" or len(parts) < 2 or parts[1].startswith("__"):
            continue
        there = parts[1]
        if there != here:
            allowed = layer(there) > layer(here) or (here, there) in ALSO
            assert allowed, f"{here} imports {there}"


@pytest.mark.parametrize("name", ["data", "report"])
def test_the_data_and_the_report_make_no_jax_array(name):
    for path in sorted((PACKAGE / name).rglob("*.py")):
        tops = {i.split(".")[0] for i in imports(path)}
        assert not tops & {"jax", "flax", "optax", "orbax"}, path


def test_post_processing_needs_numpy_scipy_and_jax_alone():
    """It travels inside exported models, with all that it imports here."""
    allowed = {"numpy", "scipy", "jax", "segjax", *sys.stdlib_module_names}
    left, seen = set((PACKAGE / "postprocess").glob("*.py")), set()
    assert left
    while left:
        path = left.pop()
        seen.add(path)
        for name in imports(path):
            top, *inner = name.split(".")
            shapes = top == "jaxtyping" and path == PACKAGE / "core" / "shapes.py"
            assert top in allowed or shapes, f"{relative(path)} imports {name}"
            places = [PACKAGE.joinpath(*inner[:n]) for n in range(1, len(inner) + 1)]
            files = [p / "__init__.py" for p in places]
            files += [p.with_suffix(".py") for p in places]
            left |= {f for f in files if top == "segjax" and f.exists()} - seen
    assert PACKAGE / "core" / "errors.py" in seen  # or the walk sees nothing


@pytest.mark.parametrize("name", ["models", "nn", "losses", "metrics", "optim"])
def test_numbers_do_not_know_the_data(name):
    for path in sorted((PACKAGE / name).rglob("*.py")):
        assert not [i for i in imports(path) if i.startswith("segjax.data")], path


def test_device_axes_are_named_in_one_file():
    for path in SOURCES:
        if path.name == "parallel.py":
            continue
        words = {
            getattr(node, field)
            for node in ast.walk(ast.parse(path.read_text()))
            for field in ("arg", "attr", "id")
            if isinstance(getattr(node, field, None), str)
        }
        named = words & {"axis_name", "pmap", "pmean", "psum", "PartitionSpec"}
        assert not named, f"{path}: {named}"


def test_files_have_a_size_and_a_name():
    for path in SOURCES:
        name = path.relative_to(ROOT)
        assert path.stem not in ("utils", "common", "misc", "helpers"), name
        assert len(path.read_text().splitlines()) <= 400, name


def test_every_module_imports_in_a_fresh_interpreter():
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n"
    code += "    importlib.import_module(name)\n"
    code += "from jax._src import xla_bridge\n"
    code += "assert not xla_bridge._backends, 'an import woke a device'\n"
    done = run([sys.executable, "-W", "error::SyntaxWarning", "-c", code, *MODULES])
    assert done.returncode == 0, done.stderr


def test_workers_of_the_data_start_without_flax():
    names = [n for n in MODULES if n.startswith(("segjax.data", "segjax.report"))]
    code = "import importlib, sys\nfor name in sys.argv[1:]:\n"
    code += "    importlib.import_module(name)\n"
    code += "assert 'flax' not in sys.modules and 'optax' not in sys.modules\n"
    done = run([sys.executable, "-c", code, *names])
    assert done.returncode == 0, done.stderr


def test_the_launcher_helps():
    done = run([sys.executable, "launch.py", "--help"])
    assert "--config" in done.stdout
    assert "143" in done.stdout  # the exit codes


def test_the_command_line_helps():
    done = run([sys.executable, "-m", "segjax", "--help"])
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_says_what_it_does(name):
    module = importlib.import_module(name)
    assert module.__doc__, name
    missing = []
    for word, value in vars(module).items():
        own = getattr(value, "__module__", None) == name
        if word.startswith("_") or not own:
            continue
        if inspect.isclass(value):
            missing += [
                f"{word}.{member}"
                for member, function in vars(value).items()
                if inspect.isfunction(function)
                and not member.startswith("_")
                and function.__module__ == name
                and not _inherited_words(value, member)
                and function.__qualname__.startswith(word)
            ]
        if (inspect.isclass(value) or inspect.isfunction(value)) and (
            not value.__doc__ or value.__doc__.startswith(f"{word}(")
        ):
            missing.append(word)
    assert not missing


def _inherited_words(owner: type, member: str) -> bool:
    return any(getattr(getattr(c, member, None), "__doc__", None) for c in owner.mro())


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_name_that_a_function_reads_exists(path):
    """The linter's own check is off, for the letters in shape annotations."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    known = vars(module).keys() | vars(builtins).keys()
    code = compile(path.read_text(), str(path), "exec")
    assert not _global_names(code) - known


def _global_names(code: types.CodeType) -> set[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    own = {
        i.argval
        for i in dis.get_instructions(code)
        if i.opname.startswith("LOAD_GLOBAL")
    }
    return own.union(*map(_global_names, inner))


def test_requirements_are_pinned_in_the_constraints():
    pinned = _pins(ROOT / "constraints.txt")
    for path in sorted(ROOT.glob("requirements*.txt")):
        for name, version in _pins(path).items():
            assert name in pinned, f"{path.name}: {name} is not in constraints.txt"
            if version:
                assert version == pinned[name], f"{path.name}: {name}"


def _pins(path: pathlib.Path) -> dict[str, str]:
    """Distribution -> its exact version, or "" where a range is given."""
    found = {}
    for line in path.read_text().splitlines():
        line = line.partition("#")[0].partition(";")[0].strip()
        if not line or line.startswith("-"):
            continue
        name = re.match(r"[A-Za-z0-9._-]+", line).group()
        exact = re.search(r"==\s*([^\s,]+)", line)
        key = re.sub(r"[-_.]+", "-", name).lower()
        found[key] = exact.group(1) if exact else ""
    return found


OURS = ("segjax", "benchmarks", "tests")
DOCUMENTS = [
    ROOT / n
    for n in ("README.md", "BUILD.md", "benchmarks/README.md", "docs/deploy.md")
]
DOCUMENTS = [path for path in DOCUMENTS if path.exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_of_the_documents_lead_somewhere(path):
    text = path.read_text()
    plain = re.sub(r"```.*?```", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"", plain):
        target = target[0] or target[1]
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        assert there.exists(), f"{path.name}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in _anchors(there.read_text()), f"{path.name}: {target}"


def _anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+\s+(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_commands_of_the_documents_exist(path):
    """Files, configs, config fields and subcommands that the shell blocks name."""
    problems = []
    for line in _commands(path.read_text()):
        problems += _command_problems(line)
    assert not problems


def _commands(text: str) -> list[str]:
    blocks = re.findall(r"```(?:bash|sh|shell|console)?\n(.*?)```", text, flags=re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines]


def _command_problems(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if not words:
        return []
    found = []
    for word in words:
        value = word.rpartition("=")[2].partition(":")[0]
        ours = re.match(r"(configs|tests|benchmarks|segjax|docs|deploy)/\S+$", value)
        real = ours and value.islower() and not any(c in value for c in "*<>{}$")
        if real and not (ROOT / value.partition("::")[0]).exists():
            found.append(f"{line}: {value} does not exist")
        if match := re.match(r"--config\.([a-z_.]+)=", word):
            found += _field_problems(match.group(1), words, line)
    if words[0] == "python" and len(words) > 1 and words[1].endswith(".py"):
        if not (ROOT / words[1]).exists():
            found.append(f"{line}: {words[1]} does not exist")
        elif words[1] == "launch.py":
            flags = {w.partition("=")[0].split(".")[0] for w in words[2:]}
            known = {"--config", "--workdir", "--debug", "--help", "--coordinator"}
            known |= {"--num_processes", "--process_id", "--sweep", "--index"}
            known |= {"--dry_run", "--nopredict", "--executor", "--jobs", "--slurm"}
            found += [f"{line}: {f}" for f in flags - known if f.startswith("--")]
    if words[:2] == ["python", "-m"] and words[2].split(".")[0] in OURS:
        module = ROOT.joinpath(*words[2].split("."))
        if not (module.is_dir() or module.with_suffix(".py").exists()):
            found.append(f"{line}: {words[2]} does not exist")
    if words[0] == "segjax" and (PACKAGE / "cli.py").exists() and len(words) > 1:
        known = run([sys.executable, "-m", "segjax", "--help"]).stdout
        if not words[1].startswith("-") and words[1] not in re.split(r"\W+", known):
            found.append(f"{line}: no such subcommand")
    if words[0] == "make" and (ROOT / "Makefile").exists():
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        found += [
            f"{line}: {w}" for w in words[1:] if w not in targets and "=" not in w
        ]
    return found


def _field_problems(field: str, words: list[str], line: str) -> list[str]:
    """Whether the config that the command names has the field that it overrides."""
    files = [w.partition("=")[2] for w in words if w.startswith("--config=")]
    path = ROOT / files[0].partition(":")[0] if files else None
    if path is None or not path.exists():
        return []
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    value = module.get_config()
    for name in field.split("."):
        if name not in value:
            return [f"{line}: the config has no field {field}"]
        value = value[name]
    return []
