"""Time the layers of segjax/nn beside the usual forms of the same mathematics.

    python benchmarks/blocks.py --out=blocks.json
    python benchmarks/blocks.py --only=depthwise --dtype=bfloat16 --rounds=21

Runs on whatever backend jax finds. For each block: all forms are compiled, compared
with the first of them, then timed in turn, so that a slow spell of the machine falls on
all alike. Given are medians and minima in milliseconds of the value alone, and of the
value with all its gradients, and how many times the first form's median the others'
are. Processor time, of all threads, is given too: on a busy machine it is steadier.
"""

import functools
import json
import os
import statistics
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from segjax.nn.conv import convolve
from segjax.nn.pooling import max_pool_2x2, max_pool_3x3, max_pool_indices, unpool
from segjax.nn.resample import interpolation_matrix, resize, resize_bilinear
from segjax.nn.upconv import grow, grow_depthwise

OUT = flags.DEFINE_string("out", None, "JSON file for the figures.")
ONLY = flags.DEFINE_string("only", "", "Only the blocks whose name has this in it.")
ROUNDS = flags.DEFINE_integer("rounds", 9, "Timed calls of each form.")
DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the arrays.")

LAYOUT = ("NHWC", "HWIO", "NHWC")


def by_xla(x, kernel, stride=1, rate=1, groups=1):
    """XLA's convolution with symmetrical zeros."""
    pads = [(rate * (k - 1) // 2,) * 2 for k in kernel.shape[:2]]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        pads,
        rhs_dilation=(rate, rate),
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def by_grids(x, kernel, rate):
    """An atrous convolution as a dense one on `rate * rate` sub-grids."""
    B, H, W, C = x.shape
    h, w = -(-H // rate), -(-W // rate)
    x = jnp.pad(x, ((0, 0), (0, h * rate - H), (0, w * rate - W), (0, 0)))
    x = x.reshape(B, h, rate, w, rate, C).transpose(0, 2, 4, 1, 3, 5)
    y = by_xla(x.reshape(-1, h, w, C), kernel)
    y = y.reshape(B, rate, rate, h, w, -1).transpose(0, 3, 1, 4, 2, 5)
    return y.reshape(B, h * rate, w * rate, -1)[:, :H, :W]


def by_products(x, kernel, rate):
    """An atrous convolution as nine matrix products of shifted, padded images."""
    H, W = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (rate, rate), (rate, rate), (0, 0)))
    views = (
        (x[:, i * rate : i * rate + H, j * rate : j * rate + W], kernel[i, j])
        for i, j in np.ndindex(3, 3)
    )
    return sum(jnp.einsum("bhwc,cf->bhwf", view, tap) for view, tap in views)


def by_dilation(x, kernel, stride, groups=1):
    """A transposed convolution with zeros put between the pixels."""
    side = kernel.shape[0]
    crop = max(0, -(-(side - stride) // 2))
    pads = [(side - 1 - crop, crop + stride - 1)] * 2
    kernel = kernel[::-1, ::-1]
    if groups > 1:
        kernel = kernel.swapaxes(2, 3)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        pads,
        lhs_dilation=(stride, stride),
        dimension_numbers=LAYOUT,
        feature_group_count=groups,
    )


def shared_maximum(x):
    """2x2 maximum whose ties share the gradient."""
    B, H, W, C = x.shape
    x = x.reshape(B, H // 2, 2, W // 2, 2, C)
    rows = jnp.maximum(x[:, :, 0], x[:, :, 1])
    return jnp.maximum(rows[:, :, :, 0], rows[:, :, :, 1])


def put(x, indices):
    """`unpool` by a scatter."""
    B, h, w, C = x.shape
    b, i, j, c = jnp.ogrid[:B, :h, :w, :C]
    at = b, 2 * i + indices // 2, 2 * j + indices % 2, c
    return jnp.zeros((B, 2 * h, 2 * w, C), x.dtype).at[at].set(x)


def by_matrix(x, size):
    """Bilinear resize by two dense matrices."""
    rows, columns = map(interpolation_matrix, x.shape[1:3], size)
    return resize_bilinear(x, jnp.asarray(rows, x.dtype), jnp.asarray(columns, x.dtype))


def scanned(convolution):
    """Four times the same convolution, each of what the last gave, in a loop."""

    def form(x, kernel):
        def body(x, _):
            return jnp.tanh(convolution(x, kernel)), None

        return jax.lax.scan(body, x, length=4)[0]

    return form


def blocks():
    """`name, {form: function}, shapes of the arguments`; the first form is segjax's."""

    def window(side, border):
        pads = ((border, border),) * 2
        return lambda x: nn.max_pool(x, (side, side), (2, 2), pads)

    big, deep = (4, 96, 96, 32), (2, 32, 32, 128)
    yield (
        "max pool 2x2",
        {"ours": max_pool_2x2, "shared": shared_maximum, "reduce_window": window(2, 0)},
        [big],
    )
    yield (
        "max pool 3x3 stride 2",
        {"ours": max_pool_3x3, "reduce_window": window(3, 1)},
        [big],
    )

    def both(back):
        def form(x):
            values, indices = max_pool_indices(x)
            return back(values, indices)

        return form

    yield (
        "max pool and unpool",
        {"ours": both(lambda v, i: unpool(v, i, (96, 96))), "scatter": both(put)},
        [big],
    )

    for side in (2, 3, 4):
        yield (
            f"transposed {side}x{side} stride 2",
            _with({"stride": 2}, ours=grow, lhs_dilation=by_dilation),
            [(4, 48, 48, 64), (side, side, 64, 32)],
        )
    for stride in (2, 8):
        side = 2 * stride
        yield (
            f"transposed depthwise stride {stride}",
            {
                "ours": functools.partial(grow_depthwise, stride=stride),
                "lhs_dilation": functools.partial(
                    by_dilation, stride=stride, groups=16
                ),
            },
            [(2, 32, 32, 16), (side, side, 16, 1)],
        )
    for factor in (2, 4, 8):
        size = (32 * factor, 40 * factor)
        yield (
            f"bilinear x{factor}",
            {
                "ours": functools.partial(resize, size=size),
                "matrices": functools.partial(by_matrix, size=size),
                "jax.image": lambda x, size=size: jax.image.resize(
                    x, (x.shape[0], *size, x.shape[3]), "bilinear", antialias=False
                ),
            },
            [(2, 32, 40, 16)],
        )
    yield (
        "3x3 in a scan of 4",
        {
            "ours": scanned(functools.partial(convolve, in_loop=True)),
            "xla": scanned(by_xla),
        },
        [(4, 48, 64, 16), (3, 3, 16, 16)],
    )
    for side, stride, rate in ((3, 1, 1), (3, 2, 1), (3, 1, 2), (3, 1, 4), (5, 1, 1)):
        options = {"stride": stride, "rate": rate, "groups": 128}
        yield (
            f"depthwise {side}x{side} stride {stride} rate {rate}",
            _with(options, ours=convolve, xla=by_xla),
            [deep, (side, side, 1, 128)],
        )
    for groups in (4, 32):
        yield (
            f"grouped 3x3, {groups} groups",
            _with({"groups": groups}, ours=convolve, xla=by_xla),
            [deep, (3, 3, 128 // groups, 128)],
        )
    for rate in (2, 4, 6, 12, 18, 36):
        forms = {"ours": convolve, "xla": by_xla, "products": by_products}
        if rate <= 12:
            forms["grids"] = by_grids
        yield (
            f"atrous 3x3 rate {rate}",
            _with({"rate": rate}, **forms),
            [(1, 45, 60, 128), (3, 3, 128, 64)],
        )
    for stride in (1, 2):
        yield (
            f"1x1 stride {stride}",
            _with({"stride": stride}, ours=convolve, xla=by_xla),
            [(2, 32, 32, 256), (1, 1, 256, 128)],
        )


def _with(options, **forms):
    return {name: functools.partial(form, **options) for name, form in forms.items()}


def measure(forms, shapes, dtype, rounds) -> dict:
    """Figures of each form; raises if one differs from the first."""
    keys = jax.random.split(jax.random.key(0), len(shapes) + 1)
    args = [
        jax.random.normal(k, s).astype(dtype)
        for k, s in zip(keys, shapes, strict=False)
    ]
    compiled, first = {}, None
    for name, form in forms.items():
        y = jax.eval_shape(form, *args)
        weights = jax.random.normal(keys[-1], y.shape).astype(y.dtype)

        def both(weights, *args, form=form):
            y, back = jax.vjp(form, *args)
            return y, back(weights)

        def alone(weights, *args, form=form):
            return form(*args)

        for what, run in (("value", alone), ("gradient", both)):
            compiled[name, what] = jax.jit(run).lower(weights, *args).compile()
        found = jax.tree.leaves(compiled[name, "gradient"](weights, *args))
        found = [np.asarray(a, np.float32) for a in found]
        first = first or found
        for got, expected in zip(found, first, strict=True):
            # without ties, so the gradients of all maxima agree in float32
            near = 1e-3 if dtype == "float32" else np.inf
            assert np.abs(got - expected).max() <= near * np.abs(expected).max(), name
    times = {key: [] for key in compiled}
    for _ in range(rounds + 1):
        for key, run in compiled.items():
            wall, processor = time.perf_counter(), time.process_time()
            jax.block_until_ready(run(weights, *args))
            took = time.perf_counter() - wall, time.process_time() - processor
            times[key].append([1e3 * t for t in took])
    figures = {}
    for (name, what), pairs in times.items():
        walls, processors = zip(*pairs[1:], strict=True)
        figures.setdefault(name, {})[what] = {
            "median_ms": round(statistics.median(walls), 3),
            "min_ms": round(min(walls), 3),
            "processor_ms": round(statistics.median(processors), 3),
        }
    return figures


def main(_: list[str]) -> None:
    """Measure, print a table, write a file."""
    device = jax.devices()[0]
    figures = {
        "jax": jax.__version__,
        "device": device.device_kind,
        "platform": device.platform,
        "cores": os.cpu_count(),
        "dtype": DTYPE.value,
        "rounds": ROUNDS.value,
        "blocks": {},
    }
    head = "jax {jax}, {device}, {cores} cores, {dtype}, medians of {rounds}, ms"
    print(head.format(**figures), end="\n\n")
    columns = "block, form, value, min, + gradient, min, times ours, by processor time"
    print("|", columns.replace(",", " |"), "|\n" + "|---" * 8 + "|")
    for name, forms, shapes in blocks():
        if ONLY.value not in name:
            continue
        found = measure(forms, shapes, DTYPE.value, ROUNDS.value)
        figures["blocks"][name] = {"shapes": shapes, "forms": found}
        ours = found["ours"]["gradient"]
        for form, figure in found.items():
            value, both = figure["value"], figure["gradient"]
            cells = [
                f"{name}, {'x'.join(map(str, shapes[0]))}" if form == "ours" else "",
                form,
                *(
                    f"{t[k]:.2f}"
                    for t in (value, both)
                    for k in ("median_ms", "min_ms")
                ),
                *(f"{both[k] / ours[k]:.2f}" for k in ("median_ms", "processor_ms")),
            ]
            print("|", " | ".join(cells), "|", flush=True)
    if OUT.value:
        with open(OUT.value, "w") as file:
            file.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
