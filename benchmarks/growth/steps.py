"""Train steps of many forms in one process, timed in turns."""

import math
from collections.abc import Hashable

import jax
import jax.numpy as jnp

from benchmarks import clock, ours
from benchmarks.forms import Form
from segjax.core.state import TrainState
from segjax.nn.backend import portable


class Steps:
    """Forms under a key each, made ready one behind the other."""

    def __init__(self):
        self.jobs: dict[Hashable, ours.Train] = {}
        self.fresh: dict[tuple, TrainState] = {}

    def prepare(self, key: Hashable, form: Form, count: bool) -> dict[str, float]:
        """Compile the step of a form.

        Args:
          key: under which it is measured.
          form: the network and its batch.
          count: whether operations are wanted.

        Returns:
          `memory`: bytes of temporary arrays, by XLA's plan of the program that runs;
          `operations`: XLA's count of the portable program before the backend's
          rewriting. There the body of a loop counts once.
        """
        network = form.model, repr(form.options), form.classes
        job = ours.Train(form, state=self.fresh.get(network))
        self.jobs[key], self.fresh[network] = job, job.state
        job.state = jax.tree.map(jnp.copy, job.state)  # for a step eats its state
        compiled = job.step.lower(job.state, job.batch).compile()
        job.compiled["step"] = compiled
        facts = {"memory": compiled.memory_analysis().temp_size_in_bytes}
        if count:
            with portable():
                counted = job.step.lower(job.state, job.batch).cost_analysis()
            facts["operations"] = counted["flops"]
        return facts

    def measure(self, rounds: int, seconds: float) -> dict[Hashable, list[list[float]]]:
        """Key -> seconds a step, one list a round.

        Args:
          rounds: turns of each form.
          seconds: that a turn should take; it is at least one step.

        Raises:
          ValueError: a loss is not finite.
        """
        turns = {}
        for key, job in self.jobs.items():
            once = [job.turn("step", 1)[0] for _ in range(2)][-1]
            calls = max(1, math.ceil(seconds / once))
            turns[key] = lambda job=job, calls=calls: job.turn("step", calls)
        taken = clock.alternate(turns, rounds)
        losses = {key: job.value() for key, job in self.jobs.items()}
        if not all(map(math.isfinite, losses.values())):
            raise ValueError(f"losses must be finite to be measured: {losses}")
        return taken
