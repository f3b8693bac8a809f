"""The order of what happens in a run, with an update that costs nothing."""

import dataclasses
import json
import signal

import jax.numpy as jnp
import numpy as np
import pytest

from segjax import parallel
from segjax.core.errors import DivergedError, EnvironmentFault, Stopped
from segjax.core.keys import IMAGE, INDEX, LABEL
from segjax.core.state import TrainState
from segjax.train import loop
from segjax.train.window import Window

B = 8


@dataclasses.dataclass
class World:
    """Stands for all that the loop is given; remembers what happened, in order."""

    bad: tuple[int, ...] = ()  # steps whose loss is not finite
    stop_at: int = 0
    signum: int = signal.SIGTERM
    events: list = dataclasses.field(default_factory=list)
    lines: list = dataclasses.field(default_factory=list)
    saved: dict = dataclasses.field(default_factory=dict)
    broken_disk_at: int = 0
    at: int = 0
    closed: bool = False

    def step(self, state, batch):
        at = int(state.step) + 1
        assert batch[INDEX].tolist() == list(range(B * (at - 1), B * at))
        finite = at not in self.bad
        scalars = {
            "loss": jnp.float32(1 / at) if finite else jnp.float32(np.nan),
            "grad_norm": jnp.float32(at),
            "finite": jnp.bool_(finite),
            "counts": jnp.full((2, 2), at, jnp.int32),
        }
        return state.replace(step=state.step + 1), scalars

    def batches(self, start: int):
        try:
            at = start
            while True:
                index = np.arange(B * at, B * (at + 1))
                at += 1
                yield {
                    IMAGE: np.zeros((B, 1, 1, 3), np.uint8),
                    LABEL: np.zeros((B, 1, 1), np.uint8),
                    INDEX: index,
                }
        finally:
            self.closed = True

    def evaluate(self, state, at):
        assert int(state.step) == at
        self.events.append(("evaluate", at))
        return {"miou": at / 100}

    def save(self, at, state, scores, notes):
        assert int(state.step) == at
        self.events.append(("save", at))
        self.saved[at] = (scores, json.loads(json.dumps(notes)))

    def poll(self):
        if self.broken_disk_at and self.at >= self.broken_disk_at:
            raise EnvironmentFault("disk: is full.")

    def train(self, step, scalars, images_per_s, wait_share):
        self.events.append(("log", step))
        self.lines.append((step, scalars))

    def advance(self, step):
        self.at = step

    def stop_requested(self):
        return int(self.signum) if self.stop_at and self.at >= self.stop_at else 0

    def run(self, start: int = 0, notes: dict | None = None, in_row=0, **settings):
        window = Window(2)
        if notes:
            window.from_json(notes["window"])
        zero = jnp.zeros((), jnp.int32)
        settings = {
            "num_steps": 12,
            "log_every": 4,
            "eval_every": 6,
            "save_every": 3,
            "max_skipped_steps": 3,
            **settings,
        }
        return loop.run(
            TrainState(zero + start, {}, {}, (), {}, zero, zero + in_row),
            step=self.step,
            batches=self.batches,
            evaluate=self.evaluate,
            save=self.save,
            poll=self.poll,
            journal=self,
            learning_rate=lambda step: 0.1 * step,
            stop_requested=self.stop_requested,
            name=lambda i: f"image{i}",
            window=window,
            mesh=parallel.make_mesh(),
            batch_size=B,
            **settings,
        )


def test_everything_happens_in_its_order():
    world = World()
    assert int(world.run().step) == 12
    assert world.events == [
        ("save", 3),
        ("log", 4),
        ("evaluate", 6),
        ("save", 6),
        ("log", 8),
        ("save", 9),
        ("log", 12),
        ("evaluate", 12),
        ("save", 12),
    ]
    assert world.closed
    assert world.saved[6][0] == {"miou": 0.06}
    assert world.saved[3][0] == {}


def test_a_log_line_is_the_mean_since_the_last_one():
    world = World()
    world.run()
    step, line = world.lines[1]
    assert step == 8
    mean = np.mean(np.float32(1) / np.float32([5, 6, 7, 8]), dtype=np.float64)
    assert line["loss"] == pytest.approx(mean, rel=1e-7)
    assert line["grad_norm"] == 6.5
    assert line["learning_rate"] == pytest.approx(0.7)  # of the update of step 8
    assert line["miou"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("num_steps", [1, 5])
def test_the_last_step_is_logged_evaluated_and_saved(num_steps):
    world = World()
    world.run(num_steps=num_steps)
    assert world.events[-3:] == [(k, num_steps) for k in ("log", "evaluate", "save")]


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_saves_then_stops(signum, code):
    world = World(stop_at=5, signum=signum)
    with pytest.raises(Stopped, match="step 5 of 12") as caught:
        world.run()
    assert caught.value.exit_code == code
    assert world.events == [("save", 3), ("log", 4), ("save", 5)]
    assert world.closed


def test_a_signal_at_the_last_step_finds_the_run_done():
    assert int(World(stop_at=12).run().step) == 12


@pytest.mark.parametrize("stop_at", range(1, 12))
def test_lines_after_a_stop_are_those_of_a_run_never_stopped(stop_at):
    alone = World(bad=(6,))
    alone.run()
    first = World(bad=(6,), stop_at=stop_at)
    with pytest.raises(Stopped):
        first.run()
    second = World(bad=(6,))
    second.run(stop_at, first.saved[stop_at][1])
    assert first.lines + second.lines == alone.lines


def test_divergence_names_steps_and_samples():
    world = World(bad=(3, 5, 6, 7))
    with pytest.raises(DivergedError) as caught:
        world.run()
    assert caught.value.exit_code == 3
    message = str(caught.value)
    assert "steps 5 to 7 (3 in a row" in message
    assert "image32, image33" in message  # the first samples of step 5
    assert "image16" not in message  # of step 3
    assert "learning_rate" in message
    assert ("save", 9) not in world.events
    assert world.closed


def test_a_row_of_bad_steps_goes_on_over_a_resume():
    with pytest.raises(DivergedError, match=r"steps 5 to 7 \(3 in a row"):
        World(bad=(7,)).run(start=6, in_row=2)
    World(bad=(8,)).run(start=6, in_row=2)  # step 7 was good: the row has ended


def test_good_steps_between_bad_ones_go_on():
    world = World(bad=(2, 3, 5, 6, 8, 9))
    world.run()
    assert [line.get("skipped", 0) for _, line in world.lines] == [2, 3, 1]


def test_a_failed_save_ends_the_run():
    world = World(broken_disk_at=7)
    with pytest.raises(EnvironmentFault):
        world.run()
    assert world.at == 7
    assert world.closed
