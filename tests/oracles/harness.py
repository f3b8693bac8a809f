"""Oracles: our networks against implementations that we did not write.

An oracle says that a network of segjax and one of PyTorch compute the same function:
the same random weights go into both, the same image, and the outputs agree. The weights
follow from the names of the arrays alone (`weights`), so a fixture need only hold
names, shapes and a sample of the output, a few kB, and the default tests need no
PyTorch. How to write one:

1. In `tests/oracles/oracles_FAMILY.py` (the family is yours: `unet`, `resnet`, ...) add
   an entry to the tuple `ORACLES`; import torch and its libraries inside functions::

       def _theirs():
           with_torchvision()          # before timm, torchvision, segmentation_models
           import timm
           return timm.create_model("resnet18", pretrained=False, features_only=True)

       def _run(module, x):            # x is NCHW; a tensor, a list or a dict of them
           return dict(zip((2, 4, 8, 16, 32), module(x)))

       ORACLES = (
           Oracle(
               "resnet18_timm",
               ours=lambda: backbones.make("resnet18"),
               theirs=_theirs,
               names=ResNet18.foreign[0],  # the class's own rules: so tested too
               against="timm",
               run=_run,
           ),
       )

2. `python -m tests.oracles.record resnet18_timm` (with `requirements-oracles.txt`) runs
   both at `shape` and at `large`, prints the errors and writes the fixture. What is not
   carried over is an error that names each array.
3. `tests/oracles/test_oracles.py` runs every fixture that is stored, and with PyTorch
   also live: `pytest -m slow tests/oracles`.
4. `python -m tests.oracles.table` prints all of them as a table.

Rules (`segjax.core.names.Names`), such as::

    Names(
        project="torchvision",
        modules=(
            (r"conv1", "stem/conv"),
            (r"bn1", "stem/norm"),
            (r"layer(\\d)\\.(\\d+)\\.conv(\\d)", r"stage\\1/block\\2/conv\\3/conv"),
        ),
        drop=(r".*\\.num_batches_tracked", r"fc\\..*"),
    )

map the name of a module there to ours; the last word and the axes follow from the
module that is met. A parameter outside any layer (`cls_token`) has a rule for its
whole name. `kinds` is for arrays whose axes do not follow from their rank, as
`(r"up\\d\\.weight", "transposed")`; `segjax.checkpoint.foreign.KINDS` has them all.

Keep `ours` slim and `shape` small (32 to 64 pixels): the default test compiles and runs
it. Patch the PyTorch side to our alignment (`align_corners=False`) where it differs, in
the function that makes it, and say so in `note`.
"""

import contextlib
import dataclasses
import importlib
import importlib.metadata
import json
import pathlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from segjax.checkpoint.foreign import carry
from segjax.checkpoint.leaves import flatten, nest
from segjax.core.names import Names

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE / "fixtures"

SAMPLES = 256
"""Numbers of each output that a fixture keeps."""


def _call(module: Any, x: Any) -> Any:
    return module(x)


def _apply(model: Any, variables: Any, x: Any) -> Any:
    return model.apply(variables, x, False)


@dataclasses.dataclass(frozen=True)
class Oracle:
    """A network of ours and one of PyTorch that must be equal.

    Attributes:
      name: of the oracle and of its fixture's file.
      ours: makes our module.
      theirs: makes the `torch.nn.Module`; it is put into eval mode here.
      names: what the arrays there are called here.
      against: whose implementation it is, as the table shows it: "timm".
      shape: of the small input, `(B, H, W, C)`.
      large: of the live comparison.
      tolerance: largest difference over the largest output, small input.
      large_tolerance: the same, large input.
      run: PyTorch's forward pass, `(module, x NCHW) -> tensor, list or dict`.
      apply: ours, `(model, variables, x NHWC) -> array, list or dict`, keyed alike.
      new: arrays of ours, as the starts of their paths, that the other side lacks.
      gain: multiplies the random kernels, where activations grow or die.
      slow: even the stored comparison takes over about five seconds.
      note: how the other side was changed to agree, for the table.
    """

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    names: Names
    against: str
    shape: tuple[int, ...] = (1, 64, 64, 3)
    large: tuple[int, ...] = (2, 96, 128, 3)
    tolerance: float = 2e-5
    large_tolerance: float = 5e-5
    run: Callable[[Any, Any], Any] = _call
    apply: Callable[[Any, Any, Any], Any] = _apply
    new: tuple[str, ...] = ()
    gain: float = 1.0
    slow: bool = False
    note: str = ""

    @property
    def fixture(self) -> pathlib.Path:
        """File of what the other side answered."""
        return FIXTURES / f"{self.name}.npz"


def oracles() -> dict[str, Oracle]:
    """All oracles of the files `oracles_*.py`, by name."""
    found: dict[str, Oracle] = {}
    for path in sorted(HERE.glob("oracles_*.py")):
        for oracle in importlib.import_module(f"tests.oracles.{path.stem}").ORACLES:
            assert oracle.name not in found, f"{oracle.name}: two oracles of this name"
            found[oracle.name] = oracle
    return found


def image(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Standard normal pixels, float32."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def weights(
    shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0
) -> dict[str, np.ndarray]:
    """Numbers for the arrays of a state dict, from their names and shapes alone."""
    return {name: _numbers(name, tuple(shape), gain) for name, shape in shapes.items()}


def _numbers(name: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """Uniform: kernels with He's variance, scales and variances around 1."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    unit = rng.random(shape, dtype=np.float32)
    word = name.rpartition(".")[2]
    if word == "num_batches_tracked":
        return np.zeros(shape, np.float32)
    if word == "running_var" or (word in ("weight", "gamma") and len(shape) < 2):
        return unit + np.float32(0.5)
    if len(shape) < 2:
        return np.float32(0.2) * (unit - np.float32(0.5))
    bound = gain * (6 / np.prod(shape[1:])) ** 0.5
    return np.float32(bound) * (2 * unit - 1)


def ours(
    oracle: Oracle, shapes: Mapping[str, tuple[int, ...]], x: np.ndarray
) -> dict[str, np.ndarray]:
    """Our outputs at `x`, with the numbers of the arrays carried over.

    Raises:
      AssertionError: an array has no place, or a place no array.
    """
    model = oracle.ours()

    def init(x):
        return model.init(jax.random.key(0), x)

    variables = jax.eval_shape(init, x)
    kept = {k: v for k, v in variables.items() if k in ("params", "batch_stats")}
    target = flatten(kept)
    carried = carry(weights(shapes, oracle.gain), oracle.names, target)
    new = [p for p in target if p not in carried.values and p.startswith(oracle.new)]
    unfilled = [p for p in target if p not in carried.values and p not in new]
    problems = [f"{name}: {why}" for name, why in carried.unmatched.items()]
    problems += [f"{path}: gets nothing" for path in unfilled]
    assert not problems, "\n".join([f"{oracle.name}: is not carried over", *problems])
    values = carried.values | {p: _numbers(p, target[p].shape, 0.1) for p in new}

    def forward(variables, x):
        return oracle.apply(model, variables, x)

    compiled = (
        jax.jit(forward)
        .lower(nest(values), jnp.asarray(x))
        .compile({"xla_backend_optimization_level": 0})
    )
    return _named(jax.device_get(compiled(nest(values), jnp.asarray(x))))


def theirs(
    oracle: Oracle, x: np.ndarray
) -> tuple[dict[str, tuple[int, ...]], dict[str, np.ndarray]]:
    """Shapes of the arrays of the PyTorch network, and its outputs at `x`."""
    import torch

    module = oracle.theirs().eval()
    state = module.state_dict()
    shapes = {name: tuple(array.shape) for name, array in state.items()}
    numbers = weights(shapes, oracle.gain)
    module.load_state_dict(
        {
            name: torch.from_numpy(numbers[name])
            if array.is_floating_point()
            else array
            for name, array in state.items()
        }
    )
    pixels = torch.from_numpy(x)
    if pixels.ndim >= 4:
        pixels = pixels.movedim(-1, -3).contiguous()
    with torch.no_grad():
        return shapes, _named(_channels_last(oracle.run(module, pixels)))


def error(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> float:
    """Largest difference over the largest magnitude, the worst of all outputs."""
    assert found.keys() == wanted.keys(), (sorted(found), sorted(wanted))
    worst = 0.0
    for key, value in wanted.items():
        ours = found[key]
        assert ours.shape == value.shape, (key, ours.shape, value.shape)
        scale = np.abs(value).max()
        assert np.isfinite(value).all() and scale > 0, (
            f"{key}: the oracle is degenerate"
        )
        worst = max(worst, float(np.abs(ours - value).max() / scale))
    return worst


def record(oracle: Oracle) -> dict[str, Any]:
    """Compare live at both sizes and store the fixture; returns what the table shows.

    Raises:
      AssertionError: the two differ by more than the oracle's tolerances.
    """
    x = image(oracle.shape)
    shapes, wanted = theirs(oracle, x)
    small = error(ours(oracle, shapes, x), wanted)
    assert small <= oracle.tolerance, f"{oracle.name}: differs by {small:.2e}"
    facts = {
        "against": f"{oracle.against}{_version(oracle.against)}",
        "arrays": len(shapes),
        "parameters": _parameters(oracle, shapes),
        "small_error": small,
        "large_error": live(oracle),
        "large_shape": list(oracle.large),
        "note": oracle.note,
    }
    samples = {f"sample:{k}": _sample(v) for k, v in wanted.items()}
    scales = {f"scale:{k}": np.float32(np.abs(v).max()) for k, v in wanted.items()}
    sizes = {f"shape:{k}": np.array(v.shape) for k, v in wanted.items()}
    text = {
        "shapes": json.dumps(shapes),
        "facts": json.dumps(facts),
        "input": json.dumps(oracle.shape),
    }
    packed = {k: np.frombuffer(v.encode(), np.uint8) for k, v in text.items()}
    FIXTURES.mkdir(exist_ok=True)
    np.savez_compressed(oracle.fixture, **packed, **samples, **scales, **sizes)
    return facts


def live(oracle: Oracle) -> float:
    """Error at the large input, both sides computed now.

    Raises:
      AssertionError: it is over the oracle's tolerance.
    """
    x = image(oracle.large, seed=1)
    shapes, wanted = theirs(oracle, x)
    found = error(ours(oracle, shapes, x), wanted)
    assert found <= oracle.large_tolerance, f"{oracle.name}: differs by {found:.2e}"
    return found


def stored(oracle: Oracle) -> float:
    """Error of our outputs against the fixture; needs no PyTorch.

    Raises:
      AssertionError: shapes differ, or arrays are not carried over.
    """
    with np.load(oracle.fixture) as file:
        fixture = dict(file)
    shape = tuple(_json(fixture["input"]))
    assert shape == oracle.shape, f"{oracle.name}: record it again, its input changed"
    found = ours(oracle, _json(fixture["shapes"]), image(shape))
    keys = [k.removeprefix("shape:") for k in fixture if k.startswith("shape:")]
    assert sorted(found) == sorted(keys)
    worst = 0.0
    for key in keys:
        assert found[key].shape == tuple(fixture[f"shape:{key}"]), key
        difference = np.abs(_sample(found[key]) - fixture[f"sample:{key}"]).max()
        worst = max(worst, float(difference / fixture[f"scale:{key}"]))
    return worst


def facts(oracle: Oracle) -> dict[str, Any]:
    """What `record` found."""
    with np.load(oracle.fixture) as file:
        return _json(file["facts"])


def _parameters(oracle: Oracle, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Trainable scalars that were carried over."""
    statistics = ("running_mean", "running_var")
    return sum(
        int(np.prod(shape))
        for name, shape in shapes.items()
        if not oracle.names.drops(name) and name.rpartition(".")[2] not in statistics
    )


def _sample(value: np.ndarray) -> np.ndarray:
    """Numbers at fixed places, spread over the whole array."""
    places = np.random.default_rng(0).integers(value.size, size=SAMPLES)
    return value.reshape(-1)[places].astype(np.float32)


def _named(outputs: Any) -> dict[str, np.ndarray]:
    """Outputs by key as text; a lone array is "out"."""
    if isinstance(outputs, Mapping):
        pairs = outputs.items()
    elif isinstance(outputs, (list, tuple)):
        pairs = enumerate(outputs)
    else:
        pairs = [("out", outputs)]
    return {str(key): np.asarray(value) for key, value in pairs}


def _channels_last(outputs: Any) -> Any:
    if isinstance(outputs, Mapping):
        return {k: _channels_last(v) for k, v in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        return [_channels_last(v) for v in outputs]
    array = outputs.detach().numpy()
    return np.moveaxis(array, -3, -1) if array.ndim >= 4 else array


def _version(package: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return f" {importlib.metadata.version(package)}"
    return ""


def _json(packed: np.ndarray) -> Any:
    return json.loads(packed.tobytes().decode())
