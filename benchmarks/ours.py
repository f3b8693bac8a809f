"""segjax's side of a contest: the house's own train step, and its prediction."""

import time
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import batches, contestant, forms, rivals
from segjax import losses, optim, parallel, process
from segjax.checkpoint.foreign import carry
from segjax.checkpoint.leaves import flatten, nest
from segjax.core.keys import IMAGE, LABEL
from segjax.core.state import TrainState
from segjax.models import MODELS
from segjax.nn.backend import portable
from segjax.predict.decide import decide, last_frame
from segjax.train import init, memory
from segjax.train.step import compile_step, make_step


def normalize(images: jax.Array) -> jax.Array:
    """`(image / 255 - mean) / std`, in float32."""
    scale = np.float32(1 / 255) / np.asarray(forms.STD, np.float32)
    shift = np.asarray(forms.MEAN, np.float32) / np.asarray(forms.STD, np.float32)
    return images * scale - shift


class Job:
    """What training and prediction share; on the first `devices` of the process."""

    def __init__(self, form: forms.Form, devices: int = 1):
        process.prepare()  # as a run does
        self.form = form
        self.mesh = parallel.make_mesh(jax.devices()[:devices])
        self.model = self._model(form.dtype)
        self.compiled: dict[str, Any] = {}
        self.traced: dict[str, tuple[Any, Any]] = {}

    def _model(self, dtype: str):
        return MODELS[self.form.model](
            num_outputs=self.form.classes, dtype=dtype, **self.form.options
        )

    def _variables(self) -> dict[str, Any]:
        """The numbers as they are now: `params` and `batch_stats`."""
        raise NotImplementedError

    def kinds_of_turns(self) -> tuple[str, ...]:
        """What `turn` can be asked for."""
        return self.kinds

    def facts(self) -> dict[str, Any]:
        """Parameters, versions, and what XLA says of the compiled programs."""
        found = {}
        for kind, compiled in self.compiled.items():
            memory = compiled.memory_analysis()
            found[kind] = {
                "xla_mib": memory
                and (
                    memory.argument_size_in_bytes
                    + memory.output_size_in_bytes
                    + memory.temp_size_in_bytes
                    - memory.alias_size_in_bytes
                )
                // 2**20,
            }
        return {
            "parameters": init.count_parameters(self._variables()["params"]),
            "version": f"jax {jax.__version__}",
            "device": parallel.visible_devices()[0],
            "programs": found,
        }

    def compile(self, kind: str, function: Any, *arguments: Any) -> float:
        """Compile `function` for turns of `kind`; returns the seconds it took."""
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
            arguments,
        )
        self.traced[kind] = function, shapes
        begin = time.perf_counter()
        self.compiled[kind] = function.lower(*arguments).compile()
        return time.perf_counter() - begin

    def flops(self) -> dict[str, float | None]:
        """Operations of a call of each kind, as XLA counts those of its own forms.

        It cannot count within another library's calls, so the portable program is
        compiled for it. It counts twice: before the backend's rewriting, where a loop's
        body counts once, and behind it, where a library's convolution may not count.
        The larger of the two is given.
        """
        found = {}
        for kind, (function, shapes) in self.traced.items():
            with portable():
                lowered = function.lower(*shapes)
                stages = lowered, lowered.compile()
            counts = [(s.cost_analysis() or {}).get("flops", 0.0) for s in stages]
            found[kind] = max(counts) or None
        return found

    def memory(self) -> dict[str, int | None]:
        """Peaks so far, in MiB: of the process, and of the device's own memory."""
        stats = jax.devices()[0].memory_stats() or {}
        peak = stats.get("peak_bytes_in_use")
        return {
            "process_mib": contestant.peak_mib(),
            "device_mib": peak and round(peak / 2**20),
        }

    def peaks(self, side: int, mib: int) -> dict[str, float]:
        """Operations a second of a matrix product, bytes a second of a copy.

        Args:
          side: of the square matrices, which are of the form's dtype.
          mib: size of the array that is read and written once.
        """
        matrix = jax.random.normal(jax.random.key(0), (side, side), self.form.dtype)
        array = jnp.zeros(mib * 2**18, jnp.float32)
        product = jax.jit(lambda a: a @ a)
        copy = jax.jit(lambda x: x + 1)
        flops = 2 * side**3 / _best(product, matrix)
        return {"flops": flops, "bytes": 2 * array.nbytes / _best(copy, array)}

    def agrees(self, arrays: Mapping[str, np.ndarray], image, wanted) -> float:
        """How much the logits `differ` with the other side's numbers.

        Args:
          arrays: the other side's state dict.
          image: `(B, [T,] H, W, 3)` float32.
          wanted: the other side's logits, channels last.

        Raises:
          ValueError: an array has no place here, or a place no array.
        """
        target = flatten(jax.eval_shape(lambda: self._variables()))
        names = rivals.names(self.form.model, self.form.options)
        carried = carry(arrays, names, target)
        if carried.unmatched or carried.unfilled:
            raise ValueError(f"{carried.unmatched} {carried.unfilled}")
        model = self._model("float32")
        answer = jax.jit(lambda v, x: last_frame(model.apply(v, x, train=False)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rates, for the image is small
            found = np.asarray(answer(nest(carried.values), jnp.asarray(image)))
        return differ(found, wanted)


class Train(Job):
    """The train step on one batch that lies on the device, state donated.

    Args:
      form: what is measured.
      devices: that share the batch.
      state: to begin with, of the same network; a fresh one if None.
    """

    kinds = ("step",)

    def __init__(
        self, form: forms.Form, devices: int = 1, state: TrainState | None = None
    ):
        super().__init__(form, devices)
        tx, _ = optim.make(
            name="adamw",
            schedule="constant",
            num_steps=1_000_000,
            clip_norm=forms.CLIP_NORM,
            **forms.OPTIMISER,
        )
        step = make_step(
            self.model,
            losses.make({"cross_entropy": {}}, "multiclass"),
            tx,
            normalize=normalize,
            num_classes=form.classes,
            task="multiclass",
            seed=0,
            aux_weight=forms.AUX_WEIGHT,
        )
        self.state = state or init.make_state(self.model, tx, seed=0, mesh=self.mesh)
        image, label = batches.pixels(form), batches.labels(form)
        self.batch = parallel.put_batch(self.mesh, {IMAGE: image, LABEL: label})
        self.step = compile_step(step, self.mesh)
        self.watched, self.loss = None, None

    def _variables(self):
        return {"params": self.state.params, "batch_stats": self.state.batch_stats}

    def ready(self) -> dict[str, float]:
        """Seconds until the first step is done, and those of the compiler in it."""
        seconds = self.compile("step", self.step, self.state, self.batch)
        first = self.turn("step", 1)[0]
        return {"compile_seconds": seconds, "first_seconds": seconds + first}

    def turn(self, kind: str, steps: int) -> list[float]:
        """Seconds a step, waiting only behind the last of them."""
        if self.watched is None:
            self.watched = memory.watched(self.compiled[kind])  # as a run does
        begin = time.perf_counter()
        for _ in range(steps):
            self.state, scalars = self.watched(self.state, self.batch)
        jax.block_until_ready((self.state, scalars))
        seconds = time.perf_counter() - begin
        self.loss = scalars["loss"]
        return [seconds / steps]

    def value(self) -> float:
        """The last loss."""
        return float(self.loss)


class Predict(Job):
    """Pixels on the device to class ids: the forward pass and the largest logit."""

    kinds = ("latency", "throughput")

    def __init__(self, form: forms.Form):
        super().__init__(form)
        side = self.model.input_side(1)
        blank = jnp.zeros((1, side, side, 3))
        self.variables = jax.jit(self.model.init)(jax.random.key(0), blank)
        self.images = {
            "latency": jax.device_put(batches.pixels(form)[:1]),
            "throughput": jax.device_put(batches.pixels(form)),
        }
        self.ids = None

    def _variables(self):
        return {k: self.variables.get(k, {}) for k in ("params", "batch_stats")}

    def ready(self) -> dict[str, float]:
        """Seconds until the first image is done, and those of the compiler in all."""

        def forward(variables, images):
            logits = self.model.apply(variables, normalize(images), train=False)
            return decide(last_frame(logits), "multiclass")

        forward, seconds, first = jax.jit(forward), 0.0, None
        for kind in self.kinds:
            images = self.images[kind]
            seconds += self.compile(kind, forward, self.variables, images)
            first = first or seconds + self.turn(kind, 1)[0]
        return {"compile_seconds": seconds, "first_seconds": first}

    def turn(self, kind: str, calls: int) -> list[float]:
        """Seconds of each call; for throughput of all, waiting behind the last."""
        compiled, images = self.compiled[kind], self.images[kind]
        seconds, begin = [], time.perf_counter()
        for _ in range(calls):
            self.ids = compiled(self.variables, images)
            if kind == "latency":
                self.ids.block_until_ready()
                end = time.perf_counter()
                seconds.append(end - begin)
                begin = end
        if kind == "latency":
            return seconds
        self.ids.block_until_ready()
        return [(time.perf_counter() - begin) / calls]

    def value(self) -> float:
        """The mean class id."""
        return float(self.ids.mean())


def differ(found: np.ndarray, wanted: np.ndarray) -> float:
    """The median over images of the largest difference, over the largest logit.

    Not the largest of all: where two pixels of a window are equal but for rounding, the
    indices of SegNet's pooling may differ, and its logits by a hundredth: in one image
    of some 40, the others in the sixth digit.

    Args:
      found: `(B, ...)`.
      wanted: `(B, ...)`.
    """
    each = np.abs(found - wanted).reshape(len(found), -1).max(1)
    return float(np.median(each) / np.abs(wanted).max())


def _best(function, argument, calls: int = 5) -> float:
    """The least seconds of some calls, after one that compiles."""
    jax.block_until_ready(function(argument))
    seconds = []
    for _ in range(calls):
        begin = time.perf_counter()
        jax.block_until_ready(function(argument))
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
