"""The lines of `segjax doctor run`: when they are OK, WARN and FAIL."""

import types

import jax
import numpy as np
import pytest

from segjax import parallel
from segjax.commands import doctor_run as command
from segjax.core.info import DatasetInfo
from segjax.train import checkup, speed

INFO = DatasetInfo("toy", ("sky", "road", "car"), ((0, 0, 0),) * 3)
MADE = types.SimpleNamespace(info=INFO)


def gradients(loss=1.0, terms=None, zero=(), bad=()):
    terms = {"cross_entropy": 1.1} if terms is None else terms
    return checkup.Gradients(loss, terms, zero, bad, 0, 9)


def one_batch(accuracy, last):
    return checkup.OneBatch(2, (1.0, last), accuracy)


def ranged(suggested, diverged=None):
    steepest = None if suggested is None else suggested * 2
    return checkup.Range(
        (1e-6, 1.0), (1.0,) * 2, (1.0,) * 2, steepest, suggested, diverged
    )


def labels(*ids):
    batch = {"label": np.array(ids, np.uint8)}
    return list(command._labels([batch], INFO, checkup.pixels))


@pytest.mark.parametrize(
    ("findings", "status", "said"),
    [
        (lambda: labels(0, 1, 2), "OK", "3 of 3 classes"),
        (lambda: labels(0, 1, 1), "WARN", "Not seen: car"),
        (lambda: labels(0, 1, 2, *[255] * 9), "WARN", "Most pixels count for nothing"),
        (lambda: labels(1, 1), "FAIL", "nothing to tell apart"),
        (lambda: command._first_loss(gradients(), MADE), "OK", "a guess has 1.099"),
        (
            lambda: command._first_loss(gradients(terms={"cross_entropy": 9.0}), MADE),
            "WARN",
            "far from even",
        ),
        (lambda: command._first_loss(gradients(float("nan")), MADE), "FAIL", "nan"),
        (
            lambda: command._first_loss(gradients(terms={"dice": 0.9}), MADE),
            "OK",
            "no guess to beat",
        ),
        (lambda: command._gradients(gradients()), "OK", "in all 9 arrays"),
        (
            lambda: command._gradients(gradients(zero=("up0/bias", "up0/kernel"))),
            "WARN",
            "zero in 2 arrays: up0",
        ),
        (lambda: command._gradients(gradients(bad=("head/k",))), "FAIL", "head"),
        (lambda: command._one_batch(one_batch(0.96, 0.5)), "OK", "96.0 %"),
        (lambda: command._one_batch(one_batch(0.5, 0.05)), "OK", "95 % of the loss"),
        (lambda: command._one_batch(one_batch(0.5, 0.5)), "WARN", "by heart"),
        (lambda: command._learning_rate(ranged(1e-3), 2e-3), "OK", "suggested 1.0e-03"),
        (lambda: command._learning_rate(ranged(1e-3), 2e-5), "WARN", "30 times off"),
        (lambda: command._learning_rate(ranged(1e-3, 0.1), 0.5), "FAIL", "lower it"),
        (
            lambda: command._learning_rate(ranged(None), 1e-3),
            "WARN",
            "falls at no rate",
        ),
        (lambda: command._loader(speed.Speed(30.0, 10.0), 1.5), "OK", "ratio 3.0"),
        (
            lambda: command._loader(speed.Speed(10.0, 10.0), 1.5),
            "WARN",
            "segjax prepare",
        ),
    ],
)
def test_a_line_says_how_it_is(findings, status, said):
    (found,) = findings()
    assert found.status == status
    assert said in f"{found.value} {found.advice}"


def test_it_goes_through_all_checks(call, drawn, tmp_path, monkeypatch):
    make, one = parallel.make_mesh, jax.devices()[:1]
    monkeypatch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(TINY.format(root=drawn(3)))
    out = tmp_path / "out"
    words = ("--config=tiny.py", "--steps", 4, "--out", out, "--json")
    code, document, _ = call("doctor run", *words)
    assert code == document["exit_code"] == 0
    names = [f["name"] for f in document["findings"]]
    assert names == [
        "labels",
        "first loss",
        "gradients",
        "one batch",
        "learning rate",
        "loader",
    ]
    assert len(document["learning_rates"]["rates"]) == 4
    assert document["one_batch"]["steps"] <= 6
    assert (out / "lr.png").read_bytes().startswith(b"\x89PNG")


TINY = """
from ml_collections import ConfigDict


def get_config():
    return ConfigDict(
        dict(
            data=dict(name="folder", root="{root}", val_share=0.3),
            input=dict(
                train_ops="crop(16, 16) | normalize('data')",
                eval_ops="normalize('data')",
                batch_size=8,
            ),
            model=dict(name="unet", width=2, depth=1),
            loss=dict(cross_entropy=dict()),
            optim=dict(name="sgd", learning_rate=1e-2, warmup_steps=2),
            train=dict(num_steps=9),
        )
    )
"""
