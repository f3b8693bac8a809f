"""What a step becomes when devices share its batch."""

from collections import Counter

import jax

from benchmarks import batches, ours
from benchmarks.forms import Form
from benchmarks.growth import collectives
from segjax.core.keys import IMAGE, LABEL
from segjax.nn.backend import portable

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""How it is compiled: what is counted here is settled before the code is written."""


class Split:
    """Compiles steps for all devices of this process, and runs none."""

    def __init__(self, count: int):
        if jax.device_count() != count:
            raise ValueError(f"{jax.device_count()} devices, {count} were asked for")
        self.job: ours.Train | None = None

    def facts(self, form: Form) -> dict:
        """Of one step of a form, whose network is that of the first.

        Returns:
          `operations` and `memory` (bytes of temporary arrays) of one device; `bytes`
          in collectives, `looped` those of them in loops, `kinds` how many
          instructions of each kind; `parameters` and running `statistics`.
        """
        if self.job is None:
            self.job = ours.Train(form, devices=jax.device_count())
        job = self.job
        batch = {
            IMAGE: jax.ShapeDtypeStruct(form.shape, batches.pixels(form).dtype),
            LABEL: jax.ShapeDtypeStruct(
                (form.batch, *form.size), batches.labels(form).dtype
            ),
        }
        with portable():  # one device alone would call another library
            compiled = job.step.lower(job.state, batch).compile(QUICK)
        found = collectives.read(compiled.as_text())
        count = {
            "parameters": job.state.params,
            "statistics": job.state.batch_stats,
        }
        return {
            "operations": compiled.cost_analysis()["flops"],
            "memory": compiled.memory_analysis().temp_size_in_bytes,
            "bytes": sum(one.bytes for one in found),
            "looped": sum(one.bytes for one in found if one.times > 1),
            "kinds": dict(Counter(one.kind for one in found)),
            **{name: ours.init.count_parameters(tree) for name, tree in count.items()},
        }
