"""The batch at step s is a function of (seed, s) alone; failures name what failed."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import grain
import numpy as np
import pytest

from segjax.core import opstring
from segjax.core.errors import EnvironmentFault, SegjaxError, UserError
from segjax.data import ops
from segjax.data.pipeline import examples, train_batches
from tests.data.pairs import Killed, Memory, image

HOST = opstring.parse(
    "scale(0.6, 1.6) | crop(6, 8) | flip_lr() | color_jitter()", ops.OPS
)


def take(count, source=None, host=HOST, *, seed=1, batch_size=4, **kwargs):
    source = Memory() if source is None else source
    batches = train_batches(source, host, seed=seed, batch_size=batch_size, **kwargs)
    try:
        return [next(batches) for _ in range(count)]
    finally:
        batches.close()


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


@pytest.fixture(scope="module")
def plain():
    """Twelve batches of four out of ten examples: nearly five epochs."""
    return take(12)


def test_shapes(plain):
    for batch in plain:
        assert set(batch) == {"image", "label", "index"}
        assert batch["image"].shape == (4, 6, 8, 3)
        assert batch["label"].shape == (4, 6, 8)
        assert batch["image"].dtype == batch["label"].dtype == np.uint8
        assert batch["index"].dtype == np.int64


def test_each_epoch_has_each_example_once_in_another_order(plain):
    order = np.concatenate([b["index"] for b in plain])[:40].reshape(4, 10)
    assert (np.sort(order, axis=1) == np.arange(10)).all()
    assert len({tuple(epoch) for epoch in order}) == 4


def test_each_epoch_augments_anew(plain):
    pixels = np.concatenate([b["image"] for b in plain])
    index = np.concatenate([b["index"] for b in plain])
    assert len({p.tobytes() for p in pixels[index == 3]}) >= 4


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(threads, plain):
    same(take(12, threads=threads, prefetch=3), plain)


def test_worker_processes_change_nothing(plain):
    same(take(7, workers=2, start_step=2), plain[2:9])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_other_numbers_of_worker_processes_change_nothing(workers, plain):
    same(take(9, workers=workers), plain[:9])


@pytest.mark.parametrize("step", range(0, 12, 2))
def test_every_resume_point(step, plain):
    same(take(12 - step, start_step=step), plain[step:])


@pytest.mark.parametrize("count", [2, 4])
def test_process_shards_interleave_to_the_global_batch(count, plain):
    shards = [take(6, process_index=p, process_count=count) for p in range(count)]
    for step, batch in enumerate(plain[:6]):
        for key, want in batch.items():
            rows = np.stack([shards[p][step][key] for p in range(count)], axis=1)
            np.testing.assert_array_equal(rows.reshape(want.shape), want)


def test_seeds_differ(plain):
    orders = {tuple(np.concatenate([b["index"] for b in plain]))}
    for seed in (2, 3, 12345678901234567890):
        orders.add(tuple(np.concatenate([b["index"] for b in take(12, seed=seed)])))
    assert len(orders) == 4


def test_the_next_seed_is_not_the_next_epoch(plain):
    """grain's own shuffle gives seed s + 1 the epochs of seed s, one later."""
    first = np.concatenate([b["index"] for b in plain])
    later = np.concatenate([b["index"] for b in take(12, seed=2)])
    assert not (first[10:20] == later[:10]).all()


def test_adding_an_op_changes_neither_order_nor_the_ops_before(plain):
    more = take(12, host=(*HOST, ops.OPS["flip_lr"](0.0)))
    same(more, plain)
    fewer = take(12, host=HOST[:2])
    for a, b in zip(fewer, plain, strict=True):
        np.testing.assert_array_equal(a["index"], b["index"])


def test_a_far_step_is_as_quick_as_the_first():
    start = time.monotonic()
    take(1, start_step=10**9)
    assert time.monotonic() - start < 5


def test_fewer_examples_than_a_batch():
    (batch,) = take(1, Memory(3), batch_size=8)
    assert set(batch["index"]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"source": Memory(0)}, "is empty"),
        ({"batch_size": 0}, "batch_size=0: must be a positive multiple"),
        ({"batch_size": 6, "process_count": 4}, "batch_size=6: .* Use 2 x 4"),
    ],
)
def test_bad_arguments_are_refused_at_once(kwargs, message):
    kwargs = {"source": Memory(), "batch_size": 4} | kwargs
    with pytest.raises(UserError, match=message):
        train_batches(ops=HOST, seed=0, **kwargs)


def test_a_bad_example_is_named():
    with pytest.raises(UserError, match="tiny n3: pixels: are bad"):
        take(12, Memory(bad=3))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("raised", "kind"),
    [(ValueError, SegjaxError), (OSError, EnvironmentFault), (UserError, UserError)],
)
def test_what_an_example_raises_keeps_its_kind(raised, kind, workers):
    source = Memory(1, bad=0, error=raised)
    with pytest.raises(SegjaxError, match=r"tiny n0: .*pixels: are bad") as error:
        take(1, source, workers=workers)
    assert type(error.value) is kind


def test_a_failing_op_is_named():
    @dataclasses.dataclass(frozen=True)
    class Fails(grain.transforms.Map):
        def map(self, example):
            raise ZeroDivisionError("no")

    with pytest.raises(
        SegjaxError, match=r"tiny n\d: .*Fails\(\): ZeroDivisionError: no"
    ):
        take(1, host=(*HOST, Fails()))


def test_unequal_sizes_are_refused_with_what_to_do():
    with pytest.raises(UserError, match=r"different sizes .* End with crop"):
        take(3, host=HOST[:1])


@pytest.mark.slow
def test_a_killed_worker_is_an_environment_fault():
    batches = train_batches(Killed(), HOST, seed=0, batch_size=4, workers=1)
    with pytest.raises(EnvironmentFault, match=r"worker process died .* -9"):
        next(batches)


@pytest.mark.slow
def test_a_script_that_forgets_to_close_ends_all_the_same(tmp_path):
    """Also: workers start although nobody parsed absl's flags, and ignore Ctrl-C."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pairs import Memory\n"
        "from segjax.data.pipeline import train_batches\n"
        "if __name__ == '__main__':\n"
        "    batches = train_batches(Memory(), (), seed=0, batch_size=2, workers=1)\n"
        "    next(batches)\n"
        "    import multiprocessing, os, signal\n"
        "    [child] = multiprocessing.active_children()\n"
        "    os.kill(child.pid, signal.SIGINT)\n"
        "    os.kill(child.pid, signal.SIGTERM)\n"
        "    for _ in range(9): next(batches)\n"
        "    print('done')\n"
    )
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, os.path.dirname(os.path.dirname(here))])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_examples_come_once_and_in_order():
    seen = list(examples(Memory(7), (ops.OPS["resize"](4, 5),), threads=3))
    assert [int(e["index"]) for e in seen] == list(range(7))
    for i, example in enumerate(seen):
        assert example["image"].shape == (4, 5, 3)
        np.testing.assert_array_equal(example["label"], Memory(7)[i]["label"])


def test_examples_for_several_hosts():
    parts = [list(examples(Memory(7), indices=range(p, 7, 3))) for p in range(3)]
    assert [[int(e["index"]) for e in p] for p in parts] == [[0, 3, 6], [1, 4], [2, 5]]
    np.testing.assert_array_equal(parts[1][1]["image"], image(4))


def test_examples_end_early():
    stream = examples(Memory(7))
    next(stream)
    stream.close()
    assert list(stream) == []


def test_examples_refuse_random_ops():
    with pytest.raises(UserError, match="is random; evaluation takes fixed ops"):
        examples(Memory(), HOST)
