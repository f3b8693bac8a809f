"""Which optimiser, and how should its learning rate fall?

Source:   Chen et al. 2017, arXiv 1606.00915 (poly); Loshchilov & Hutter 2017,
          1608.03983 (cosine) and 2019, 1711.05101 (AdamW).
Command:  python launch.py --config=configs/ablations/optimizer_schedule.py --sweep
Answer:   not measured. The rates of the optimisers are usual ones, not tuned.
"""

from ml_collections import ConfigDict

from segjax.core import quick
from segjax.study import sweep


def get_config(arg: str = "") -> ConfigDict:
    config = sweep.sibling(__file__, "../streets_unet.py").get_config()
    return quick.answer(config, arg)


def get_sweep() -> sweep.Sweep:
    def of(name: str, rate: float, decay: float) -> dict:
        section = {"name": name, "learning_rate": rate, "weight_decay": decay}
        return {f"optim.{field}": value for field, value in section.items()}

    optimizers = {
        "sgd": of("sgd", 0.1, 1e-4),
        "adam": of("adam", 3e-3, 0.0),
        "adamw": of("adamw", 3e-3, 1e-3),
    }
    schedules = {k: {"optim.schedule": k} for k in ("constant", "poly", "cosine")}
    return sweep.product(sweep.seeds(3), sweep.arms(optimizers), sweep.arms(schedules))
