"""`normalize('data')` from the config to a run's weights, and from there to use."""

import contextlib
import io
import shutil

import numpy as np
import pytest

from segjax import config, parts, run
from segjax.core import opstring
from segjax.core.errors import UserError
from segjax.data import datasets, ops, statistics
from segjax.report import record
from segjax.train import step

FROM_DATA = dict(
    input__train_ops="crop(16, 16) | normalize('data')",
    input__eval_ops="normalize('data')",
    train=dict(num_steps=2, log_every=2, eval_every=2, save_every=2),
)


def train(workdir, settings) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        return run.train(
            settings, workdir=workdir, cluster=(None, None, None), argv=["test"]
        )


def parsed(text: str):
    return opstring.parse(text, ops.OPS)[-1]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, settings):
    workdir = tmp_path_factory.mktemp("from_data") / "run"
    assert train(workdir, settings(**FROM_DATA)) == 0
    return workdir


@pytest.fixture
def numbers(settings):
    """What the training split holds, worked out here."""
    source = datasets.make(split="train", **settings()["data"])
    pixels = np.concatenate(
        [source[i]["image"].reshape(-1, 3) for i in range(len(source))]
    )
    return {"mean": pixels.mean(0) / 255, "std": pixels.std(0) / 255}


def test_the_op():
    op = parsed("normalize('data')")
    assert op.from_data
    assert op == parsed("normalize('data', 'data')") == parsed("normalize(mean='data')")
    assert op != parsed("normalize()")
    assert not parsed("normalize()").from_data
    with pytest.raises(UserError, match="its numbers come from a training split"):
        op(np.zeros((1, 2, 2, 3), np.uint8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("normalize('data', (1, 1, 1))", "or both are of the data"),
        ("normalize(std='data')", "or both are of the data"),
        ("normalize('date')", "mean='date': is a str"),
    ],
)
def test_halves_are_refused(text, message):
    with pytest.raises(UserError, match="ops: ") as error:
        parsed(text)
    assert message in str(error.value)


def test_training_and_evaluation_must_both_say_it(settings):
    half = settings(input__train_ops="crop(16, 16) | normalize('data')")
    with pytest.raises(UserError, match="the network must see the same numbers"):
        config.resolve(half)


def test_the_numbers_are_of_the_training_images(finished, numbers):
    (attempt,) = record.read(finished)["attempts"]
    for key, want in numbers.items():
        np.testing.assert_allclose(attempt["normalize"][key], want, rtol=1e-12)
    # the config stays as it was written
    assert record.read_config(finished)["input"]["eval_ops"] == "normalize('data')"


def test_a_run_is_used_without_its_data(finished, numbers, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "checks")

    def gone(*args, **kwargs):
        raise AssertionError("the data were asked for")

    monkeypatch.setattr(datasets, "make", gone)
    monkeypatch.setattr(statistics, "measure", gone)
    loaded, _, _ = parts.load(tmp_path / "moved")
    (attempt,) = record.read(finished)["attempts"]
    assert loaded.normalize.numbers() == attempt["normalize"]  # to the last digit
    np.testing.assert_allclose(loaded.normalize.mean, numbers["mean"], rtol=1e-12)


def test_prediction_uses_the_numbers(finished, settings):
    """The loaded run predicts as one whose config has the numbers written out."""
    loaded, variables, _ = parts.load(finished)
    source = datasets.make(split="val", **settings()["data"])
    mean, std = loaded.normalize.mean, loaded.normalize.std
    written = f"normalize({mean}, {std})"
    plain = settings(input__train_ops=f"crop(16, 16) | {written}")
    plain["input"]["eval_ops"] = written
    explicit = parts.make(config.resolve(plain), source.info)
    default = parts.make(config.resolve(settings()), source.info)

    def counts(some):
        result = some.evaluate(
            some.predict(batch_size=8), variables, source, split_name="val", step=2
        )
        return np.asarray(result.counts)

    np.testing.assert_array_equal(counts(loaded), counts(explicit))
    assert (counts(loaded) != counts(default)).any()  # so the test can fail


def test_training_uses_the_numbers(finished, tmp_path, monkeypatch, settings):
    given = []

    def make_step(*args, normalize, **kwargs):
        given.append(normalize.numbers())
        raise UserError("the step is made.")

    monkeypatch.setattr(step, "make_step", make_step)
    with pytest.raises(UserError, match="the step is made"):
        train(tmp_path / "run", settings(**FROM_DATA))
    assert given == [record.read(finished)["attempts"][0]["normalize"]]


def test_a_resumed_run_on_other_data_is_refused(
    finished, tmp_path, monkeypatch, settings
):
    shutil.copytree(finished, tmp_path / "run")
    other = statistics.Statistics((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    monkeypatch.setattr(statistics, "measure", lambda *a, **k: other)
    with pytest.raises(UserError, match=r"normalize .* saved, .* wanted"):
        train(tmp_path / "run", settings(**FROM_DATA))


def test_quick_keeps_it():
    from ml_collections import ConfigDict

    from segjax.core import quick

    made = ConfigDict(
        dict(
            data=dict(name="camvid", root="/nowhere"),
            input=dict(
                train_ops="scale() | crop(32, 32) | normalize('data')",
                eval_ops="normalize('data')",
            ),
            model=dict(name="unet"),
            loss=dict(cross_entropy=dict()),
            optim=dict(name="adamw", learning_rate=0.1),
            train=dict(num_steps=9),
            evaluate=dict(),
            task="multiclass",
        )
    )
    checked = config.resolve(quick.answer(made, "quick"))
    assert checked.train_ops[1].from_data
