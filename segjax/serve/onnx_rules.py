"""A traced network as nodes of ONNX: one rule for each operation of JAX.

A rule takes the traced operation and its operands and adds nodes to the graph. What
depends on the weights alone is computed here and becomes a constant. An operation
without a rule is refused by its name; none is left to chance.
"""

import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend import core
from onnx import helper

from segjax.core.errors import UserError
from segjax.serve.onnx_graph import Graph, Operand, constant, known, shape_of

LAZY = ("broadcast_in_dim", "dim_as_value")
"""Operations on constants that are not done now: the first only makes them larger, the
second is of the number of images."""


def run(
    graph: Graph, traced: core.ClosedJaxpr, inputs: Sequence[Operand]
) -> list[Operand]:
    """Add what was traced to a graph; returns what it gives."""
    jaxpr, found = traced.jaxpr, {}

    def read(atom: Any) -> Operand:
        if isinstance(atom, core.Literal):
            return constant(np.asarray(atom.val, atom.aval.dtype))
        return found[atom]

    found.update(zip(jaxpr.invars, inputs, strict=True))
    found.update(zip(jaxpr.constvars, map(constant, traced.consts), strict=True))
    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        shapes = [shape_of(var.aval) for var in eqn.outvars]
        given = _folded(eqn, operands, shapes)
        if all(0 in shape for shape in shapes):
            given = [Operand(shape, shape, "nothing") for shape in shapes]
        if given is None:
            rule = RULES.get(eqn.primitive.name)
            if rule is None:
                raise _none(f"the operation {eqn.primitive.name!r}")
            given = rule(graph, eqn, operands, shapes)
        found.update(zip(eqn.outvars, given, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _folded(eqn, operands, shapes) -> list[Operand] | None:
    """What an operation on constants gives, computed now; None if it cannot be."""
    free = any(o.value is None or None in o.shape for o in operands)
    if free or any(None in s for s in shapes) or eqn.primitive.name in LAZY:
        return None
    if any(_subtraced(value) for value in eqn.params.values()):
        return None  # its parts are folded one by one
    wide = [np.broadcast_to(o.value, o.shape) for o in operands]
    given = eqn.primitive.bind(*wide, **eqn.params)
    given = given if eqn.primitive.multiple_results else [given]
    return [constant(np.asarray(value)) for value in given]


def _none(what: str) -> UserError:
    return UserError(
        f"--onnx: {what} has no form in ONNX here, so this network is not converted. "
        "Use the exported model itself."
    )


def _subtraced(value: Any) -> bool:
    return isinstance(value, core.Jaxpr | core.ClosedJaxpr)


def _made(shape: tuple, name: str) -> list[Operand]:
    """What a rule gives: one tensor that is as wide as it was traced."""
    return [Operand(shape, shape, name)]


def _widest(operands: Sequence[Operand]) -> tuple[int | None, ...]:
    """The sides of what comes of operands, element by element."""
    rank = max(len(o.sides) for o in operands)
    padded = [(1,) * (rank - len(o.sides)) + o.sides for o in operands]
    return tuple(
        next((n for n in sides if n != 1), 1) for sides in zip(*padded, strict=True)
    )


def _each(kind: str) -> Callable:
    """The rule of an operation on single elements that ONNX has, too."""

    def rule(graph, eqn, operands, shapes):
        name = graph.add(kind, *map(graph.name, operands))
        return [Operand(shapes[0], _widest(operands), name)]

    return rule


def _by(build: Callable) -> Callable:
    """The same of one that is made of several."""

    def rule(graph, eqn, operands, shapes):
        name = build(graph, *map(graph.name, operands))
        return [Operand(shapes[0], _widest(operands), name)]

    return rule


def _through(graph, eqn, operands, shapes):
    return [operands[0]]


def _cast(graph, eqn, operands, shapes):
    kind = np.dtype(eqn.params["new_dtype"])
    kind = known(np.zeros((), kind)).dtype
    to = helper.np_dtype_to_tensor_dtype(kind)
    name = graph.add("Cast", graph.name(operands[0]), to=to)
    return [Operand(shapes[0], operands[0].sides, name)]


def _select(graph, eqn, operands, shapes):
    which, *cases = operands
    if len(cases) != 2 or eqn.invars[0].aval.dtype != np.bool_:
        raise UserError(
            "--onnx: a choice among more than two has no form in ONNX here."
        )
    names = [graph.name(o) for o in (which, cases[1], cases[0])]
    return [Operand(shapes[0], _widest(operands), graph.add("Where", *names))]


def _broadcast(graph, eqn, operands, shapes):
    (shape,), operand = shapes, operands[0]  # further ones are numbers of images
    places = eqn.params["broadcast_dimensions"]
    sides = [1] * len(shape)
    for place, side in zip(places, operand.sides, strict=True):
        sides[place] = side
    sides = tuple(sides)
    if operand.value is not None:
        value = operand.value.reshape([n or 1 for n in sides])
        return [Operand(shape, sides, value=value)]
    if sides == operand.sides:
        return [Operand(shape, sides, operand.name)]
    return [Operand(shape, sides, _reshaped(graph, operand.name, sides))]


def _reshape(graph, eqn, operands, shapes):
    name = graph.name(operands[0], whole=True)
    return _made(shapes[0], _reshaped(graph, name, shapes[0]))


def _reshaped(graph: Graph, name: str, shape: tuple) -> str:
    target = [-1 if n is None else n for n in shape]
    return graph.add("Reshape", name, graph.add_constant(target, np.int64))


def _transpose(graph, eqn, operands, shapes):
    name = graph.name(operands[0], whole=True)
    return _made(
        shapes[0], graph.add("Transpose", name, perm=eqn.params["permutation"])
    )


def _concatenate(graph, eqn, operands, shapes):
    names = [graph.name(o, whole=True) for o in operands if not o.empty]
    axis = int(eqn.params["dimension"])
    return _made(shapes[0], graph.add("Concat", *names, axis=axis))


def _cut(graph: Graph, name: str, begin, end, axes, steps=None) -> str:
    """A part of a tensor."""
    lists = [begin, end, axes, steps or [1] * len(axes)]
    given = (graph.add_constant(list(map(int, values)), np.int64) for values in lists)
    return graph.add("Slice", name, *given)


def _slice(graph, eqn, operands, shapes):
    operand, p = operands[0], eqn.params
    strides = p["strides"] or [1] * len(operand.shape)
    cuts = list(zip(p["start_indices"], p["limit_indices"], strides, strict=True))
    # of all images nothing is cut off; the first ones may be cut out
    axes = [i for i, cut in enumerate(cuts) if isinstance(cut[1], int | np.integer)]
    begin, end, steps = ([cuts[i][k] for i in axes] for k in range(3))
    name = graph.name(operand, whole=True)
    return _made(shapes[0], _cut(graph, name, begin, end, axes, steps))


def _rev(graph, eqn, operands, shapes):
    axes = list(eqn.params["dimensions"])
    far, name = -(2**31), graph.name(operands[0], whole=True)
    cut = _cut(graph, name, [-1] * len(axes), [far] * len(axes), axes, [-1] * len(axes))
    return _made(shapes[0], cut)


def _split(graph, eqn, operands, shapes):
    axis, begin, found = eqn.params["axis"], 0, []
    name = graph.name(operands[0], whole=True)
    for size, shape in zip(eqn.params["sizes"], shapes, strict=True):
        found += _made(shape, _cut(graph, name, [begin], [begin + size], [axis]))
        begin += size
    return found


def _pad(graph, eqn, operands, shapes):
    operand, value = operands
    config = [tuple(map(int, sides)) for sides in eqn.params["padding_config"]]
    if any(inner for _, _, inner in config) or value.value is None:
        raise _none("padding between pixels")
    name = _cropped(graph, graph.name(operand, whole=True), config)
    pads = [max(0, c[side]) for side in (0, 1) for c in config]
    if any(pads):
        fill = graph.name(value)
        name = graph.add("Pad", name, graph.add_constant(pads, np.int64), fill)
    return _made(shapes[0], name)


def _cropped(graph: Graph, name: str, config: Sequence[tuple]) -> str:
    """A tensor less what negative padding takes off its sides."""
    axes = [i for i, (low, high, *_) in enumerate(config) if min(low, high) < 0]
    if not axes:
        return name
    begin = [max(0, -config[i][0]) for i in axes]
    end = [config[i][1] if config[i][1] < 0 else 2**31 - 1 for i in axes]
    return _cut(graph, name, begin, end, axes)


def _gather(graph, eqn, operands, shapes):
    """Of places that are known now: parts of a tensor, or single places of it."""
    operand, places = operands
    numbers = eqn.params["dimension_numbers"]
    if places.value is None or numbers.operand_batching_dims:
        raise _none("reading at places that depend on the image")
    axes, lost = list(numbers.start_index_map), list(numbers.collapsed_slice_dims)
    at = np.broadcast_to(places.value, places.shape).astype(np.int64)
    size = [eqn.params["slice_sizes"][axis] for axis in axes]
    sides = np.asarray([operand.shape[axis] for axis in axes])
    if (at < 0).any() or (at + np.asarray(size) > sides).any():
        raise _none("reading beyond a tensor")
    name = graph.name(operand, whole=True)
    if at.ndim == 1:
        name = _cut(graph, name, at, at + np.asarray(size), axes)
        return _made(shapes[0], _reshaped(graph, name, shapes[0]))
    if sorted(axes) != sorted(lost) or set(size) != {1}:
        raise _none("reading windows at many places")
    rest = [i for i in range(len(operand.shape)) if i not in axes]
    front = graph.add("Transpose", name, perm=[*axes, *rest])
    found = graph.add("GatherND", front, graph.add_constant(at))
    grid = at.ndim - 1  # the places come first, what is left of the tensor behind them
    offset = list(numbers.offset_dims)
    batch = [i for i in range(len(shapes[0])) if i not in offset]
    order = [
        grid + offset.index(i) if i in offset else batch.index(i)
        for i in range(len(shapes[0]))
    ]
    return _made(shapes[0], graph.add("Transpose", found, perm=order))


def _conv(graph, eqn, operands, shapes):
    p, (image, kernel) = eqn.params, operands
    numbers = p["dimension_numbers"]
    if (
        kernel.value is None
        or set(p["lhs_dilation"]) != {1}
        or p["batch_group_count"] != 1
    ):
        raise UserError("--onnx: this kind of convolution has no form in ONNX here.")
    weights = np.broadcast_to(kernel.value, kernel.shape).transpose(numbers.rhs_spec)
    name = graph.add("Transpose", graph.name(image, whole=True), perm=numbers.lhs_spec)
    config = [(0, 0), (0, 0), *(tuple(map(int, pad)) for pad in p["padding"])]
    name = _cropped(graph, name, config)
    name = graph.add(
        "Conv",
        name,
        graph.add_constant(weights),
        strides=list(p["window_strides"]),
        dilations=list(p["rhs_dilation"]),
        group=int(p["feature_group_count"]),
        pads=[max(0, c[side]) for side in (0, 1) for c in config[2:]],
    )
    back = np.argsort(numbers.out_spec).tolist()
    return _made(shapes[0], graph.add("Transpose", name, perm=back))


def _dot(graph, eqn, operands, shapes):
    """By letters: sides that are summed, or are one and the same, have one letter."""
    (summed_a, summed_b), (same_a, same_b) = eqn.params["dimension_numbers"]
    letters = iter(string.ascii_lowercase)
    a = [next(letters) for _ in operands[0].shape]
    b = [next(letters) for _ in operands[1].shape]
    for i, j in [
        *zip(summed_a, summed_b, strict=True),
        *zip(same_a, same_b, strict=True),
    ]:
        b[j] = a[i]
    free = [a[i] for i in range(len(a)) if i not in (*summed_a, *same_a)]
    free += [b[j] for j in range(len(b)) if j not in (*summed_b, *same_b)]
    out = [a[i] for i in same_a] + free
    names = [graph.name(o, whole=True) for o in operands]
    equation = f"{''.join(a)},{''.join(b)}->{''.join(out)}"
    return _made(shapes[0], graph.add("Einsum", *names, equation=equation))


def _reduce(kind: str) -> Callable:
    def rule(graph, eqn, operands, shapes):
        axes = graph.add_constant(list(map(int, eqn.params["axes"])), np.int64)
        name = graph.name(operands[0], whole=True)
        return _made(shapes[0], graph.add(kind, name, axes, keepdims=0))

    return rule


def _call(graph, eqn, operands, shapes):
    traced = next(v for v in eqn.params.values() if _subtraced(v))
    if isinstance(traced, core.Jaxpr):
        traced = core.ClosedJaxpr(traced, ())
    return run(graph, traced, operands)


def _scan(graph, eqn, operands, shapes):
    """A loop of known length, one turn behind the other."""
    p = eqn.params
    consts, carry = p["num_consts"], p["num_carry"]
    fixed, memory = operands[:consts], operands[consts : consts + carry]
    rows, found = operands[consts + carry :], []
    turns = range(p["length"])
    for t in reversed(turns) if p["reverse"] else turns:
        now = []
        for row in rows:
            name = _cut(graph, graph.name(row, whole=True), [t], [t + 1], [0])
            shape = row.shape[1:]
            now += _made(shape, _reshaped(graph, name, shape))
        given = run(graph, p["jaxpr"], [*fixed, *memory, *now])
        memory, given = given[:carry], given[carry:]
        found.append(given)
    found = found[::-1] if p["reverse"] else found
    out = list(memory)
    for i, shape in enumerate(shapes[carry:]):
        names = []
        for given in found:
            name = graph.name(given[i], whole=True)
            names.append(_reshaped(graph, name, (1, *shape[1:])))
        name = graph.add("Concat", *names, axis=0) if names else "nothing"
        out += _made(shape, name)
    return out


def _erfc(graph, name):
    one = graph.add_constant(1, np.float32)
    return graph.add("Sub", one, graph.add("Erf", name))


RULES: dict[str, Callable] = {
    "add": _each("Add"),
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv_general_dilated": _conv,
    "convert_element_type": _cast,
    "copy": _through,
    "custom_jvp_call": _call,
    "custom_vjp_call": _call,
    "div": _each("Div"),
    "dot_general": _dot,
    "eq": _each("Equal"),
    "erfc": _by(_erfc),
    "exp": _each("Exp"),
    "gather": _gather,
    "gt": _each("Greater"),
    "jit": _call,
    "logistic": _each("Sigmoid"),
    "max": _each("Max"),
    "min": _each("Min"),
    "mul": _each("Mul"),
    "neg": _each("Neg"),
    "pad": _pad,
    "reduce_max": _reduce("ReduceMax"),
    "reduce_sum": _reduce("ReduceSum"),
    "reshape": _reshape,
    "rev": _rev,
    "rsqrt": _by(lambda g, x: g.add("Reciprocal", g.add("Sqrt", x))),
    "scan": _scan,
    "select_n": _select,
    "slice": _slice,
    "split": _split,
    "square": _by(lambda g, x: g.add("Mul", x, x)),
    "squeeze": _reshape,
    "stop_gradient": _through,
    "sub": _each("Sub"),
    "tanh": _each("Tanh"),
    "transpose": _transpose,
}
"""Name of an operation of JAX -> the rule `(graph, eqn, operands, shapes) -> given`."""
