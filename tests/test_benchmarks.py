"""Turns, spreads, refusals and tables of the benchmarks; and a dry run."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks import batches, clock, contest, contestant, forms, ours, rivals, sheet
from segjax.checkpoint.foreign import carry
from segjax.checkpoint.leaves import flatten, nest
from segjax.core.errors import UserError
from segjax.core.keys import IGNORE
from segjax.data.ops.normalize import Normalize
from segjax.models import MODELS
from segjax.train import init

ROOT = pathlib.Path(__file__).resolve().parents[1]
ALL = [(preset, name) for preset, known in forms.FORMS.items() for name in known]
TINY = forms.FORMS["cpu"]["unet"].dry()


class Fake:
    """A side whose calls take what is planted, on a machine that slows down."""

    def __init__(self, form, seconds, **planted):
        self.seconds, self.calls = seconds, 0
        self.planted = {"parameters": 1000, "value": 1.0, "differ": 1e-6, "flops": 4e9}
        self.planted |= planted

    def kinds_of_turns(self):
        return ("step",)

    def ready(self):
        return {"first_seconds": 1.5}

    def facts(self):
        programs = {"step": {"xla_mib": 7}}
        return {"parameters": self.planted["parameters"], "programs": programs}

    def turn(self, kind, calls):
        self.calls += 1
        return [self.seconds * (1 + 0.1 * self.calls)]

    def memory(self):
        return {"process_mib": 321, "device_mib": None}

    def value(self):
        return self.planted["value"]

    def peaks(self, side, mib):
        return {"flops": 1e10 / self.seconds, "bytes": 1e9}

    def flops(self):
        return {"step": self.planted["flops"]}

    def answer(self, shape):
        return ({}, np.zeros(shape), np.zeros(shape))

    def agrees(self, arrays, image, wanted):
        return self.planted["differ"]


def held(seconds=(1.0, 2.0, 1.5), first=None, second=None):
    """A contest of fakes: segjax, and two ways of PyTorch."""
    made = {
        side: (Fake, {"seconds": s, **more})
        for side, s, more in zip(
            (contest.OURS, "torch eager", "torch compiled"),
            seconds,
            (first or {}, second or {}, {}),
            strict=False,
        )
    }
    pace = contest.Pace(rounds=3, seconds=0.0)
    return contest.run("unet", TINY, made, pace, start=here)


@contextlib.contextmanager
def here(maker, arguments):
    """A side in this very process."""
    job = maker(**arguments)
    yield lambda method, *more: getattr(job, method)(*more)


def test_a_planted_ratio_is_found_though_the_machine_slows_down():
    found = held()
    times = found["kinds"]["step"]["times_ours"]
    assert times["torch eager"]["median"] == pytest.approx(2)
    assert times["torch compiled"]["low"] == pytest.approx(1.5)
    assert found["kinds"]["step"]["best_rival"] == "torch compiled"
    assert found["peak"]["flops"] == 1e10
    # 2 calls before the 3 rounds
    assert found["kinds"]["step"]["seconds"]["segjax"]["median"] == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({}, {"parameters": 1002}, "1,002 parameters"),
        ({}, {"value": float("nan")}, "last value of torch eager is nan"),
        ({"differ": 0.01}, {}, "logits differ by 1.0e-02"),
        ({"differ": float("nan")}, {}, "logits differ by nan"),
    ],
)
def test_a_contest_that_cannot_be_trusted_is_refused(first, second, words):
    with pytest.raises(UserError, match="unet: ") as caught:
        held((1.0, 1.0), first, second)
    assert words in str(caught.value)


def test_parameters_may_differ_by_a_thousandth():
    assert held((1.0, 1.0), {}, {"parameters": 1001})["sides"]


def test_a_job_of_another_process_answers_and_tells_what_went_wrong():
    with contestant.Contestant("collections:Counter", {"a": 2, "b": 3}) as job:
        assert job("most_common", 1) == [("b", 3)]
        with pytest.raises(contestant.Fault, match=r"KeyError: 'c'"):
            job("pop", "c")
        assert job("total") == 5
    with (
        contestant.Contestant("os:_exit", {"status": 3}) as job,
        pytest.raises(contestant.Fault, match="ended, code 3"),
    ):
        job("anything")


def test_turns_alternate_and_change_their_order():
    order = []

    def turn(name):
        order.append(name)
        return [1.0]

    taken = clock.alternate({n: lambda n=n: turn(n) for n in "ab"}, rounds=3)
    assert "".join(order) == "abbaab"
    assert taken == {"a": [[1.0]] * 3, "b": [[1.0]] * 3}


def test_the_spread_is_numpys():
    values = np.random.default_rng(0).random(23)
    found = clock.Spread.of(values)
    wanted = np.quantile(values, [0.5, 0.25, 0.75, 0, 1, 0.9])
    assert dataclasses.astuple(found)[:6] == pytest.approx(tuple(wanted))
    assert found.count == 23


def test_a_ratio_is_of_paired_rounds():
    theirs, ours = [[2.0, 9.0, 2.0], [20.0]], [[1.0], [10.0, 10.0]]
    found = clock.ratios(theirs, ours)
    assert (found.least, found.most) == (2, 2)
    with pytest.raises(ValueError):
        clock.ratios(theirs, ours[:1])


def test_the_table_says_what_was_found(tmp_path):
    found = held(second={"flops": 5e9})
    eager = list(sheet.rows(found, "step"))[1]
    cells = [cell.strip() for cell in eager.strip("|").split("|")]
    assert len(cells) == sheet.HEAD.splitlines()[0].count("|") - 1
    assert cells[:3] == ["unet", "step", "torch eager"]
    assert cells[3] == "2800.0"
    assert cells[6] == "0.71"  # two images in 2.8 s
    assert cells[7] == "2.00 (2.00-2.00)"
    assert cells[8] == "14 %"  # 4 GFLOP in 2.8 s of 10 GFLOP/s
    assert cells[9:] == ["321", "1.5"]
    assert "5.0 by PyTorch's" in sheet.notes(found)
    sheet.write(tmp_path / "all.json", [found])
    again = json.loads((tmp_path / "all.json").read_text())
    assert again[0]["kinds"]["step"]["rounds"] == found["kinds"]["step"]["rounds"]


def test_both_sides_see_the_same_pixels_and_labels():
    form = dataclasses.replace(forms.FORMS["cpu"]["unet"], batch=1)
    label = batches.labels(form)
    assert batches.pixels(form).shape == (1, 192, 192, 3)
    assert set(np.unique(label)) == {*range(form.classes), IGNORE}
    assert 0.04 < (label == IGNORE).mean() < 0.06
    clip = forms.FORMS["cpu"]["convlstm_unet"].shape
    assert clip == (2, 4, 96, 96, 3)


def test_pixels_are_normalised_as_the_op_does():
    image = batches.pixels(TINY)
    assert np.array_equal(ours.normalize(image), Normalize()(image))


@pytest.mark.parametrize(("preset", "name"), ALL)
def test_every_form_is_a_model_at_a_legal_size(preset, name):
    form = forms.FORMS[preset][name]
    assert form.model in rivals.RIVALS
    for each in (form, form.dry()):
        model = MODELS[each.model](num_outputs=each.classes, **each.options)
        assert tuple(map(model.input_side, each.size)) == each.size


@pytest.mark.parametrize(("preset", "name"), ALL)
def test_a_rival_has_the_same_parameters(preset, name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    form = forms.FORMS[preset][name]
    net = rivals.make(form.model, form.classes, form.options)
    model = MODELS[form.model](num_outputs=form.classes, **form.options)
    image = jax.ShapeDtypeStruct((1, *form.shape[1:]), np.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), image)["params"]
    assert sum(p.numel() for p in net.parameters()) == init.count_parameters(params)


@pytest.mark.parametrize("name", ["unet", "segnet", "convlstm_unet"])
def test_from_the_same_numbers_both_sides_train_alike(name):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks.rivals import side

    form = forms.FORMS["cpu"][name].dry()
    there, here = side.Train(form), ours.Train(form)
    state = {k: v.numpy().copy() for k, v in there.net.state_dict().items()}
    rules = rivals.names(form.model, form.options)
    numbers = {"params": here.state.params, "batch_stats": here.state.batch_stats}
    values = carry(state, rules, flatten(numbers)).values
    here.state = here.state.replace(**jax.tree.map(jax.numpy.asarray, nest(values)))
    here.compiled["step"] = here.step
    losses = []
    for _ in range(5):
        pair = []
        for job in (there, here):
            job.turn("step", 1)
            pair.append(job.value())
        losses.append(pair)
    theirs, mine = np.array(losses).T
    assert theirs == pytest.approx(mine, rel=2e-4)
    assert theirs[0] - theirs[-1] > 0.01  # they did learn


@pytest.mark.parametrize(("images", "same"), [(0, True), (2, True), (3, False)])
def test_logits_of_most_images_are_the_same(images, same):
    wanted = np.random.default_rng(0).normal(size=(5, 4, 6, 3))
    found = wanted.copy()
    found[:images, 1, 2] += 0.01 * np.abs(wanted).max()
    assert (ours.differ(found, wanted) < contest.LOGITS) is same
    assert ours.differ(wanted + 1e-6, wanted) == pytest.approx(
        1e-6 / np.abs(wanted).max()
    )


def program(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "kinds", "dtype"),
    [
        ("train", ["step"], "bfloat16"),
        ("predict", ["latency", "throughput"], "float32"),
    ],
)
def test_a_dry_run_without_pytorch(name, kinds, dtype, tmp_path):
    out = tmp_path / "found.json"
    options = ("--dry_run", "--vs=none", "--models=unet", f"--out={out}")
    options += (f"--dtype={dtype}",)
    done = program(f"benchmarks.{name}", *options)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text())
    assert list(found["kinds"]) == kinds
    assert found["form"]["dtype"] == dtype
    for kind in kinds:
        assert found["kinds"][kind]["seconds"]["segjax"]["least"] > 0
        assert f"| unet | {kind} | segjax |" in done.stdout
        assert found["sides"]["segjax"]["programs"][kind]["flops"] > 0


def test_an_unknown_network_is_named():
    done = program("benchmarks.train", "--vs=none", "--models=unett")
    assert done.returncode == 2
    assert "Did you mean 'unet'?" in done.stdout
