"""First weights from a run or a file: every array accounted for, none by silence."""

import dataclasses
import hashlib

import jax
import numpy as np
import pytest

from segjax.checkpoint import Checkpoints, digest, format_ledger, init_from
from segjax.core.errors import UserError
from segjax.core.names import Names
from tests.checkpoint.torch_writer import View
from tests.checkpoint.torch_writer import save as save_torch


def save(workdir, *entries, meta=()):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        for step, state, metrics in entries:
            checkpoints.save(step, state, metrics, dict(meta))


def test_weights_alone_are_taken(tmp_path, make, meta):
    save(tmp_path, (7, make(7), {}), meta=meta)
    fresh = make(0)
    state, ledger = init_from(tmp_path, fresh, meta=meta)
    assert digest(state.params) == digest(make(7).params)
    assert digest(state.batch_stats) == digest(make(7).batch_stats)
    assert digest(state.opt_state) == digest(fresh.opt_state)
    assert int(state.step) == 0
    assert state.ema == {}
    assert ledger.loaded == (
        "batch_stats/down0/norm0/mean",
        "batch_stats/down0/norm0/var",
        "params/down0/conv0/kernel",
        "params/head/bias",
        "params/head/kernel",
    )
    assert (ledger.skipped, ledger.new, ledger.notes) == ((), (), ())
    assert not ledger.averaged


def test_the_average_is_preferred_and_said(tmp_path, make):
    save(tmp_path, (7, make(7, ema=True), {}))
    state, ledger = init_from(tmp_path, make(0, ema=True))
    assert ledger.averaged
    assert "(step 7, averaged)" in format_ledger(ledger)
    average = make(7, ema=True).ema
    assert digest(state.params) == digest(average["params"])
    assert digest(state.batch_stats) == digest(average["batch_stats"])
    assert digest(state.ema) == digest(average)

    def update(s):  # both may be donated: they share no memory
        return jax.tree.map(lambda x: x + 1, s)

    changed = jax.jit(update, donate_argnums=0)(state)
    assert digest(changed.params) == digest(changed.ema["params"])


def test_the_ledger_says_what_was_skipped_and_what_is_new(tmp_path, make, meta):
    save(tmp_path, (7, make(7, classes=3), {}), meta=meta)
    fresh = make(0, classes=5)
    del fresh.batch_stats["down0"]["norm0"]["var"]
    fresh.params["aux"] = {"bias": fresh.params["head"]["bias"] + 1}
    own = meta | {"class_names": ("a", "b", "c", "d", "e")}
    allow = ("^head/", "^aux/bias", "norm0/var")
    state, ledger = init_from(tmp_path, fresh, meta=own, allow=allow)
    assert ledger.loaded == (
        "batch_stats/down0/norm0/mean",
        "params/down0/conv0/kernel",
    )
    assert dict(ledger.skipped) == {
        "batch_stats/down0/norm0/var": "is not in the model",
        "params/head/bias": "is float32[3], the model has float32[5]",
        "params/head/kernel": "is float32[1,1,4,3], the model has float32[1,1,4,5]",
    }
    assert ledger.new == ("params/aux/bias", "params/head/bias", "params/head/kernel")
    assert digest(state.params["head"]) == digest(fresh.params["head"])
    text = format_ledger(ledger)
    for path, why in ledger.skipped:
        assert f"skipped  {path}: {why}" in text
    for path in ledger.new:
        assert f"new      {path}:" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()[3:8]}
    assert rows["params/head"] == ["-", "2", "2"]
    assert rows["params/aux"] == ["-", "-", "1"]
    assert rows["all"] == ["2", "3", "3"]
    assert "(3 and 5 classes)" in text


def test_nothing_loaded_is_an_error(tmp_path, make, meta):
    save(tmp_path, (7, make(7), {}), meta=meta)
    fresh = make(0).replace(params={"stem": {"kernel": np.ones(3)}}, batch_stats={})
    with pytest.raises(UserError, match=r"none of its 5 arrays fits .*'unet'"):
        init_from(tmp_path, fresh)


def test_what_is_not_named_stops_the_run_and_says_what_to_write(tmp_path, make):
    save(tmp_path, (7, make(7, classes=3), {}))
    fresh = make(0, classes=5)
    fresh.params["aux"] = {"bias": fresh.params["head"]["bias"] + 1}
    with pytest.raises(UserError) as caught:
        init_from(tmp_path, fresh)
    text = str(caught.value)
    assert "2 of its arrays were not taken and 3 of the model got none" in text
    assert "config.init_allow=('^head/', '^aux/',)" in text
    assert "^aux/: params/aux/bias gets nothing" in text
    with pytest.raises(UserError, match=r"0 of its arrays .* 1 of the model got none"):
        init_from(tmp_path, fresh, allow=("^head/",))
    with pytest.raises(UserError, match="1 of its arrays"):
        init_from(tmp_path, fresh, allow=("aux", "^head/bias"))
    _, ledger = init_from(tmp_path, fresh, allow=("^head/", "^aux/", "^tail/"))
    assert ledger.notes == ("config.init_allow: '^tail/' names nothing here",)


def test_the_error_shows_groups_and_not_every_array(tmp_path, make):
    rich = make(7)
    for i in range(12):
        rich.params[f"extra{i:02}"] = {f"w{j}": np.ones(2) for j in range(40)}
    save(tmp_path, (7, rich, {}))
    with pytest.raises(UserError) as caught:
        init_from(tmp_path, make(0))
    lines = str(caught.value).splitlines()
    assert "480 of its arrays were not taken" in lines[0]
    assert lines[1] == (
        "  ^extra00/: params/extra00/w0 is not in the model, and 39 more"
    )
    assert lines[-1] == "  and 4 more"
    assert len(lines) == 10
    _, ledger = init_from(tmp_path, make(0), allow=("^extra",))
    table = format_ledger(ledger).splitlines()
    assert "         and 460 more" in table
    assert len(table) < 50


def test_a_run_starts_a_part_of_a_larger_model(tmp_path, make):
    save(tmp_path, (7, make(7), {}))
    fresh = make(0, ema=True)
    larger = fresh.replace(
        params={"image_model": fresh.params, "cell": {"bias": np.ones(2)}},
        batch_stats={"image_model": fresh.batch_stats},
    )
    state, ledger = init_from(tmp_path, larger, under="image_model")
    assert digest(state.params["image_model"]) == digest(make(7).params)
    assert digest(state.batch_stats["image_model"]) == digest(make(7).batch_stats)
    assert (ledger.new, ledger.unfilled) == (("params/cell/bias",), ())
    larger.params["image_model"]["tail"] = {"bias": np.ones(2)}
    with pytest.raises(UserError, match=r"\('\^image_model/',\).*\n.*tail/bias gets"):
        init_from(tmp_path, larger, under="image_model")


NAMES = Names(
    project="elsewhere",
    modules=(
        (r"features\.0", "down0/conv0"),
        (r"features\.1", "down0/norm0"),
        (r"classifier", "head"),
    ),
)
OTHER = Names(project="another", modules=((r"features\.0", "down0/conv0"),))


def file(path, **changes) -> dict[str, np.ndarray]:
    """A file with the arrays of `make_state(...)` under names of elsewhere."""
    rng = np.random.default_rng(5)
    shapes = {
        "features.0.weight": (4, 3, 3, 3),
        "features.1.running_mean": (4,),
        "features.1.running_var": (4,),
        "features.1.num_batches_tracked": (1,),
        "classifier.weight": (3, 4, 1, 1),
        "classifier.bias": (3,),
    } | {k.replace("__", "."): v for k, v in changes.items()}
    arrays = {
        k: rng.standard_normal(v).astype(np.float32) for k, v in shapes.items() if v
    }
    save_torch(path, {"module." + k: View(a) for k, a in arrays.items()})
    return arrays


def test_a_file_of_another_project_fills_the_model(tmp_path, make):
    path = tmp_path / "net.pth"
    arrays = file(path)
    foreign = (OTHER, NAMES)
    state, ledger = init_from(path, make(0, ema=True), foreign=foreign)
    kernel = arrays["features.0.weight"].transpose(2, 3, 1, 0)
    for params in (state.params, state.ema["params"]):
        np.testing.assert_array_equal(params["down0"]["conv0"]["kernel"], kernel)
        np.testing.assert_array_equal(params["head"]["bias"], arrays["classifier.bias"])
    found = state.batch_stats["down0"]["norm0"]["var"]
    np.testing.assert_array_equal(found, arrays["features.1.running_var"])
    assert (ledger.project, len(ledger.loaded)) == ("elsewhere", 5)
    assert (ledger.skipped, ledger.new, ledger.step) == ((), (), None)
    assert ledger.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "1 arrays have no use here: num_batches_tracked" in ledger.notes[-1]
    text = format_ledger(ledger)
    assert "(names of elsewhere)" in text and ledger.sha256 in text
    assert ledger.facts()["sha256"] == ledger.sha256


def test_arrays_of_a_file_that_have_no_place_must_be_named(tmp_path, make):
    path = tmp_path / "net.pth"
    file(path, classifier__weight=(9, 4, 1, 1), extra__weight=(2,), token=(2,))
    with pytest.raises(UserError) as caught:
        init_from(path, make(0), foreign=(NAMES,))
    text = str(caught.value)
    assert r"init_allow=('^classifier\\.', '^extra\\.', '^token$', '^head/',)" in text
    assert "classifier.weight is [9,4,1,1], which makes [1,1,4,9]; the " in text
    assert "extra.weight no rule fits its name" in text
    allow = (r"^classifier\.", r"^extra\.", "^token$", "^head/")
    state, ledger = init_from(path, make(0), foreign=(NAMES,), allow=allow)
    assert digest(state.params["head"]["kernel"]) == digest(
        make(0).params["head"]["kernel"]
    )
    assert ledger.new == ("params/head/kernel",)


def test_a_backbones_file_leaves_the_rest_of_the_model_new(tmp_path, make):
    path = tmp_path / "net.pth"
    file(path, classifier__weight=None, classifier__bias=None)
    fresh = make(0)
    fresh = fresh.replace(
        params={"backbone": {"down0": fresh.params["down0"]}, "top": {"b": np.ones(1)}},
        batch_stats={"backbone": fresh.batch_stats},
    )
    names = dataclasses.replace(NAMES, modules=NAMES.modules[:2]).within("backbone")
    ledger = init_from(path, fresh, foreign=(names,))[1]
    assert (ledger.new, ledger.unfilled) == (("params/top/b",), ())
    assert len(ledger.loaded) == 3
    fresh.params["backbone"]["tail"] = {"bias": np.ones(1)}
    with pytest.raises(UserError, match="backbone/tail/bias gets nothing"):
        init_from(path, fresh, foreign=(names,))


@pytest.mark.parametrize(
    ("foreign", "options", "words"),
    [
        ((), {}, "has no rules for the names of other projects"),
        ((NAMES,), {"under": "image_model"}, "config.init_under='image_model'"),
        (
            (dataclasses.replace(NAMES, modules=((r"x", "y"),)),),
            {},
            r"none of its 6 arrays \(features.0.weight, .*names of elsewhere are known",
        ),
    ],
)
def test_a_file_that_does_not_suit_is_said(tmp_path, make, foreign, options, words):
    path = tmp_path / "net.pth"
    file(path)
    with pytest.raises(UserError, match=words):
        init_from(path, make(0), foreign=foreign, **options)


@pytest.mark.parametrize(
    ("name", "words"),
    [("absent", "no such file or folder"), (".", "holds no checkpoint")],
)
def test_a_wrong_path_is_said(tmp_path, make, name, words):
    with pytest.raises(UserError, match=words):
        init_from(tmp_path / name, make(0))
