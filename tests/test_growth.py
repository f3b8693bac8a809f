"""Slopes of planted growth, collectives in the text of programs, and a dry run."""

import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from PIL import Image

from benchmarks import alive
from benchmarks.growth import answers, collectives, picture, results, slope, starts
from benchmarks.growth.questions import QUESTIONS, beside_counts, network
from segjax import parallel
from segjax.models import MODELS

ROOT = pathlib.Path(__file__).resolve().parents[1]
X = (1, 2, 4, 8, 16)


def law(power, constant=False):
    return slope.Law(power, "y", "planted", constant)


@pytest.mark.parametrize("power", [-1, 0, 0.5, 1, 2])
def test_a_planted_power_is_found(power):
    noise = np.random.default_rng(0).uniform(0.98, 1.02, len(X))
    y = 3 * np.array(X, float) ** power * noise
    found = slope.fit(X, y, law(power))
    wanted = np.polyfit(np.log(X), np.log(y), 1)
    assert found.slope == pytest.approx(wanted[0])
    assert found.slope == pytest.approx(power, abs=0.03)
    assert (found.a, found.b) == pytest.approx((0, 3), rel=0.03)
    assert found.within < 0.05
    assert found.as_expected(law(power), 0.05)
    assert not found.as_expected(law(power + 0.5), 0.2)
    assert not found.as_expected(law(power - 0.5), 0.2)


@pytest.mark.parametrize("power", [-1, 0.5, 1])
def test_a_constant_part_is_found(power):
    y = 7 + 2.0 * np.array(X, float) ** power
    found = slope.fit(X, y, law(power, True))
    assert (found.a, found.b, found.within) == pytest.approx((7, 2, 0), abs=1e-9)
    assert min(0, power) < found.slope < max(0, power)
    assert found.as_expected(law(power, True), 0)


def test_the_error_of_a_slope_is_that_of_numpys_line():
    y = (1.0, 2.3, 3.9, 8.2, 15.5)
    found = slope.fit(X, y, law(1))
    _, covariance = np.polyfit(np.log(X), np.log(y), 1, cov=True)
    assert found.error == pytest.approx(math.sqrt(covariance[0, 0]))
    assert math.isnan(slope.fit(X[:2], y[:2], law(1)).error)


def test_what_bends_upwards_at_the_end_is_no_line():
    y = [100 + n + 10 * n**2 for n in X]
    found = slope.fit(X, y, law(1, True))
    assert found.slope < 1.2
    assert found.last > 1.5
    assert not found.as_expected(law(1, True), 0.2)


@pytest.mark.parametrize(("x", "y"), [((1,), (1,)), ((1, 2), (1, 0)), ((0, 1), (1, 1))])
def test_what_has_no_slope_is_refused(x, y):
    with pytest.raises(ValueError, match="two positive points"):
        slope.fit(x, y, law(1))


def compiled(function, *arguments):
    """On the eight fake devices: the first argument split, the others whole."""
    mesh = parallel.make_mesh()
    split, whole = parallel.along_batch(mesh), parallel.replicated(mesh)
    places = (split, *[whole] * (len(arguments) - 1))
    jitted = jax.jit(function, in_shardings=places, out_shardings=whole)
    return collectives.read(jitted.lower(*arguments).compile().as_text())


def test_the_sum_over_devices_is_one_all_reduce():
    (found,) = compiled(lambda x: x.sum(0), jnp.zeros((16, 5, 7)))
    assert (found.kind, found.times) == ("all-reduce", 1)
    assert found.arrays == (("f32", (5, 7)),)
    assert found.bytes == 4 * 5 * 7


def test_gathering_what_is_split_counts_all_of_it():
    (found,) = compiled(lambda x: x, jnp.zeros((16, 3), jnp.uint8))
    assert found.kind == "all-gather"
    assert found.bytes == 16 * 3


def test_gradients_are_as_many_bytes_whatever_the_batch():
    def gradient(x, w):
        return jax.grad(lambda w: jnp.tanh(x @ w).sum())(w)

    for batch in (8, 64):
        found = compiled(gradient, jnp.zeros((batch, 6)), jnp.zeros((6, 9)))
        assert sum(one.bytes for one in found) == 4 * 6 * 9


@pytest.mark.parametrize("frames", [3, 11])
def test_what_a_loop_says_counts_as_often_as_it_runs(frames):
    def scanned(x):
        mesh = parallel.make_mesh()
        whole = NamedSharding(mesh, PartitionSpec())

        def body(carry, _):
            total = jax.lax.with_sharding_constraint((x * carry).sum(0), whole)
            return jnp.tanh(total), None

        return jax.lax.scan(body, jnp.ones(4), length=frames)[0]

    found = [one for one in compiled(scanned, jnp.zeros((8, 4))) if one.bytes > 8]
    assert [one.times for one in found] == [frames]
    assert found[0].bytes == frames * 4 * 4


SNIPPET = """\
HloModule jit_step, entry_computation_layout={()->f32[]}

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%body (p: (s32[], f32[8])) -> (s32[], f32[8]) {
  %send = f32[8]{0} collective-permute(%x), source_target_pairs={{0,1}}
}

%left (p: f32[2]) -> f32[2] {
  ROOT %r = (f32[2]{0}, /*index=1*/pred[6]{0:T(128)}) all-reduce(%p), to_apply=%add
}

ENTRY %main (x: f32[8]) -> f32[] {
  %start = (f32[1]{0}, f32[8]{0}) all-gather-start(%x), dimensions={0}
  %done = f32[8]{0} all-gather-done(%start)
  %loop = (s32[], f32[8]) while(%t), condition=%add, body=%body, TRIPS
  %one = f32[2]{0} conditional(%c, %y, %z), branch_computations={%left, %left}
  %tuple = f32[8]{0} get-tuple-element(%all-reduce.3), index=0
}
"""


def test_loops_branches_and_what_is_done_meanwhile_are_read():
    trips = 'backend_config={"known_trip_count":{"n":"5"}}'
    found = collectives.read(SNIPPET.replace("TRIPS", trips))
    assert [(one.kind, one.times, one.bytes) for one in found] == [
        ("collective-permute", 5, 5 * 32),
        ("all-reduce", 2, 2 * (8 + 6)),
        ("all-gather", 1, 32),
    ]


def test_a_loop_of_unknown_length_is_refused():
    with pytest.raises(ValueError, match="unknown length has %send"):
        collectives.read(SNIPPET.replace(", TRIPS", ""))


def test_every_question_is_of_known_networks_and_rising_values():
    for name, question in QUESTIONS.items():
        assert list(question.values) == sorted(set(question.values)), name
        assert len(question.few) == 2
        assert len({series.name for series in question.series}) == len(question.series)
    assert set(alive.FORMS) <= set(MODELS)
    for model in alive.FORMS:
        form = network(model, batch=2, size=(64, 64))
        MODELS[form.model](num_outputs=form.classes, **form.options)


@pytest.mark.parametrize(("squared", "holds"), [(2, True), (3, False)])
def test_operations_beside_the_confusion_matrix_are_a_line(squared, holds):
    made = {
        K: dataclasses.replace(network("unet", batch=2, size=(8, 8)), classes=K)
        for K in (2, 10, 50)
    }
    counted = [[1e6 + 3e3 * K + squared * 128 * K**2] for K in made]
    answer = beside_counts(answers.Answer({"operations": counted}), made)
    ((says, good),) = answer.checks
    assert good == holds
    assert says.startswith("without the confusion matrix, 0.00 GFLOP at 50 classes")


def test_examples_are_drawn_once_and_shared(tmp_path):
    roots = starts.draw(tmp_path, (2, 5))
    for n, root in roots.items():
        assert len(os.listdir(f"{root}/images")) == n
        assert len(os.listdir(f"{root}/masks")) == n
    names = [f"{root}/images/000001.png" for root in roots.values()]
    assert os.path.samefile(*names)
    assert not os.path.exists(f"{roots[2]}/images/000002.png")
    assert np.unique(Image.open(f"{roots[5]}/masks/000004.png")).max() <= 2


@pytest.fixture(scope="module")
def planted():
    """Results of two questions: one as expected, one whose checks and slopes fail."""
    devices, size = QUESTIONS["devices"], QUESTIONS["size"]
    bad = answers.Answer(
        {
            "operations a device": [[8e9], [8e9], [8e9], [8e9]],
            "memory a device": [[9e6], [5e6], [3e6], [2e6]],
            "bytes in collectives": [[], [4e6], [4e6], [4e6]],
        },
        [("nothing grows", False)],
        ["a note."],
    )
    sides = size.values
    good = answers.Answer(
        {
            "step": [[1e-6 * n**2, 9.0, 1e-6 * n**2] for n in sides],
            "memory": [[1e7 + 100 * n**2] for n in sides],
            "operations": [[5e5 * n**2] for n in sides],
        }
    )
    return [
        results.conclude("size", size, sides, good),
        results.conclude("devices", devices, devices.values, bad),
    ]


def test_the_table_says_what_was_planted(planted):
    good, bad = planted
    assert results.sound(good)
    assert not results.sound(bad)
    text = results.markdown(good)
    assert "| step | 4.10 ms |" in text  # of the median, not the mean
    assert "| 1.00 ± 0.00 | 1.00 | 1: ∝ H W | yes |" in text
    assert "9.54 MiB and 100 B times x, within 0 %" in text
    text = results.markdown(bad)
    assert "| bytes in collectives | - | 3.81 MiB |" in text
    assert "-1: ∝ 1 / N | **no** |" in text
    assert "- **does not hold**: nothing grows." in text
    assert text.endswith("- a note.")


def test_a_picture_of_every_question_is_small(planted, tmp_path):
    picture.draw(planted, tmp_path / "both.png")
    picture.draw(planted[:1], tmp_path / "one.png")
    one, both = (Image.open(tmp_path / f"{n}.png") for n in ("one", "both"))
    assert both.width > 1.8 * one.width
    for name in ("one", "both"):
        assert os.path.getsize(tmp_path / f"{name}.png") < 60_000


def ask(*words):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *words],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0"},
        capture_output=True,
        text=True,
    )


def test_a_dry_run_answers_and_one_that_fails_does_not_stop_it(tmp_path):
    done = ask("--dry_run", "--only=data", f"--out={tmp_path}")
    assert "not measured" not in done.stdout, done.stdout
    assert done.stderr == ""
    found = json.loads((tmp_path / "growth.json").read_text())
    (question,) = found["questions"]
    assert {row["name"] for row in question["series"]} == {
        answers.FIRST_FULL,
        answers.FIRST_MASKS,
        answers.SECOND,
        answers.BATCH,
    }
    assert (tmp_path / "data.png").is_file()
    assert (tmp_path / "growth.png").is_file()


def test_unknown_names_are_said_together():
    done = ask("--only=sise,data", "--model=unett")
    assert done.returncode == 2
    assert "Did you mean 'size'?" in done.stdout
    assert "Did you mean 'unet'?" in done.stdout
