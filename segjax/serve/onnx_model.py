"""The network of a run as an ONNX model, for programs that know no JAX.

One size of image, any number of images. Pixels go in as they are, logits come out; what
comes before and behind stands in the model's metadata as text. A network with a memory
gets a second model, whose further inputs and outputs are what it remembers of a video;
it begins with zeros.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from segjax.core.errors import EnvironmentFault, UserError
from segjax.nn.backend import portable
from segjax.parts import Parts
from segjax.serve import check
from segjax.serve.description import Description
from segjax.serve.export import Made

try:
    import onnx
    import onnxruntime
    from onnx import helper

    from segjax.serve import onnx_graph, onnx_rules
except ModuleNotFoundError:
    onnx = None

OPSET = 18
IR_VERSION = 9
"""Of the file; what onnxruntime reads since 1.15."""

CLOSE = 1e-4
"""Error of a pixel's logits, of the largest, that passes: sums are in another order.

Of `check.TIED` of the pixels it may be larger, and `check.CLOSE` of them may be of
another class.
"""

SUFFIX = ".onnx"


@dataclasses.dataclass(frozen=True)
class Compared:
    """An ONNX model beside the exported programs, of the same picture.

    Attributes:
      path: the file.
      error: of logits, the largest, relative to the largest logit.
      off: share of pixels whose error is above `CLOSE`.
      flipped: pixels that are of another class.
    """

    path: Path
    error: float
    off: float
    flipped: int


def write(
    made: Made, parts: Parts, variables: Any, path: Path, facts: Mapping[str, str]
) -> list[Compared]:
    """Write the models of a network and compare them by onnxruntime.

    Args:
      made: the exported model.
      parts: of the run.
      variables: its numbers.
      path: of the model; that with a memory is `NAME_stream.onnx`.
      facts: what the metadata say besides.

    Raises:
      UserError: the packages are not installed, an operation has no form in ONNX, or
        onnxruntime computes something else.
      EnvironmentFault: the disk refuses.
    """
    if onnx is None:
        raise UserError(
            "--onnx: needs the packages onnx and onnxruntime. Install them: pip "
            "install -r requirements-export.txt -c constraints.txt."
        )
    about, size = made.about, largest(made.about)
    model, normalize = parts.model, parts.normalize

    def image(images):
        return (model.apply(variables, normalize(images), train=False),)

    def stream(images, *memory):
        carry = jax.tree.unflatten(tree, memory)
        logits, carry = model.apply(
            variables, normalize(images), carry, method="stream"
        )
        return (logits, *jax.tree.leaves(carry))

    (batch,) = export.symbolic_shape("b")
    pixels = about.info.pixels
    images = jax.ShapeDtypeStruct((batch, *size, pixels.channels), pixels.depth)
    metadata = _metadata(about, size) | dict(facts)
    picture = check.vector(made.network, made.variables, about, size)
    found = []
    with portable():
        _save(path, convert(image, {"image": images}, ["logits"]), metadata)
        found.append(_compared(path, about, picture, {}))
        if about.takes_clips:
            start = jax.eval_shape(
                lambda x: model.apply(variables, normalize(x), None, method="stream"),
                images,
            )[1]
            shapes, tree = jax.tree.flatten(start)
            names = [f"memory_{i}" for i in range(len(shapes))]
            inputs = {"image": images} | dict(zip(names, shapes, strict=True))
            outputs = ["logits", *(f"next_{name}" for name in names)]
            beside = path.with_name(f"{path.stem}_stream{SUFFIX}")
            _save(beside, convert(stream, inputs, outputs), metadata)
            zeros = {
                name: np.zeros((1, *shape.shape[1:]), shape.dtype)
                for name, shape in zip(names, shapes, strict=True)
            }
            found.append(_compared(beside, about, picture, zeros))
    return found


def convert(
    function: Callable,
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    outputs: Sequence[str],
) -> "onnx.ModelProto":
    """The model of a traced function, whose weights become constants.

    Args:
      function: arrays -> a tuple of arrays.
      inputs: name -> shape and dtype; the first is of images, whose number is one
        symbolic side, the first of each.
      outputs: their names.

    Raises:
      UserError: an operation has no form in ONNX.
    """
    traced = jax.make_jaxpr(function)(*inputs.values())
    graph = onnx_graph.Graph(next(iter(inputs)))
    shapes = [onnx_graph.shape_of(var.aval) for var in traced.jaxpr.invars]
    given = [
        onnx_graph.Operand(shape, shape, name)
        for shape, name in zip(shapes, inputs, strict=True)
    ]
    for operand, name in zip(
        onnx_rules.run(graph, traced, given), outputs, strict=True
    ):
        graph.name_output(operand, name)
    values = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(np.dtype(var.aval.dtype)),
            onnx_graph.sides_of(onnx_graph.shape_of(var.aval)),
        )
        for name, var in zip(
            [*inputs, *outputs],
            [*traced.jaxpr.invars, *traced.jaxpr.outvars],
            strict=True,
        )
    ]
    made = helper.make_graph(
        graph.nodes,
        "network",
        values[: len(inputs)],
        values[len(inputs) :],
        graph.constants,
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(made, opset_imports=[opset], ir_version=IR_VERSION)


def largest(about: Description) -> tuple[int, int]:
    """The size of the model: the largest that there is a program for, if in doubt the
    widest.
    """
    return max(about.sizes, key=lambda size: (size[0] * size[1], size[1]))


def _metadata(about: Description, size: tuple[int, int]) -> dict[str, str]:
    info = about.info
    return {
        "title": about.title,
        "task": about.task,
        "threshold": repr(about.threshold),
        "classes": json.dumps(list(info.class_names)),
        "palette": json.dumps([list(map(int, c)) for c in info.class_colours]),
        "class_digest": info.digest(),
        "pixels": f"{info.pixels}, (batch, height, width, channels), as they are",
        "normalize": f"in the model: {json.dumps(about.normalize)}",
        "input_ops": about.input_ops,
        "size": f"{size[0]}x{size[1]}",
        "margin": str(about.margin),
        "postprocess": about.postprocess,
        "licence": about.licence,
        "output": "logits; the class is the largest, of one channel class 1 where its "
        "sigmoid is above the threshold",
    }


def _save(path: Path, model: "onnx.ModelProto", metadata: Mapping[str, str]) -> None:
    model.producer_name = "segjax"
    helper.set_model_props(model, dict(metadata))
    try:
        content = model.SerializeToString()
        onnx.checker.check_model(content)
    except ValueError as error:  # protobuf's, beyond 2 GiB
        raise UserError(
            f"--onnx: the model does not fit one file ({error}); use the exported "
            "model itself."
        ) from None
    try:
        path.write_bytes(content)
    except OSError as error:
        raise EnvironmentFault(
            f"{path}: cannot be written ({error.strerror}). Free the disk."
        ) from error


def _compared(
    path: Path,
    about: Description,
    picture: Mapping[str, np.ndarray],
    memory: Mapping[str, np.ndarray],
) -> Compared:
    two = np.stack([picture["image"], picture["image"][::-1]])
    memory = {name: np.repeat(zeros, 2, axis=0) for name, zeros in memory.items()}
    try:
        session = onnxruntime.InferenceSession(
            str(path), providers=["CPUExecutionProvider"]
        )
        logits = session.run(["logits"], {"image": two, **memory})[0][0]
    except Exception as error:  # it has many
        path.unlink(missing_ok=True)
        raise UserError(
            f"{path}: onnxruntime {onnxruntime.__version__} does not run it "
            f"({str(error).splitlines()[0]}). Use the exported model itself."
        ) from None
    errors = check.errors_of(check.kept(logits), picture["logits"])
    off = float(np.mean(errors > CLOSE))
    others = check.ids_of(logits, about) != picture["ids"]
    if off > check.TIED or others.mean() > check.CLOSE:
        path.unlink(missing_ok=True)
        raise UserError(
            f"{path}: onnxruntime {onnxruntime.__version__} computes logits that are "
            f"off by more than {CLOSE:g} of the largest in {off:.1%} of the pixels "
            f"({check.TIED:.0%} passes) and {others.mean():.2%} other classes "
            f"({check.CLOSE:.1%} passes). Use the exported model itself."
        )
    return Compared(path, float(errors.max()), off, int(np.count_nonzero(others)))
