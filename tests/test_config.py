"""The config: every problem at once, in words that help."""

import importlib.util
import json
import pathlib

import pytest
from ml_collections import ConfigDict

from segjax import config
from segjax.core.errors import UserError
from segjax.report.files import plain

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = sorted(ROOT.glob("configs/**/*.py"))


def good() -> dict:
    return dict(
        data=dict(name="streets"),
        input=dict(train_ops="crop(32, 32) | normalize()"),
        model=dict(name="unet", width=4, depth=2),
        loss=dict(cross_entropy=dict()),
        optim=dict(name="adamw", learning_rate=1e-3),
        train=dict(num_steps=10),
    )


def changed(path: str, value) -> dict:
    made = good()
    *sections, field = path.split(".")
    section = made
    for name in sections:
        section = section.setdefault(name, {})
    if value is KeyError:
        del section[field]
    else:
        section[field] = value
    return made


def load(path: pathlib.Path) -> ConfigDict:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config


def test_a_good_config_has_defaults_of_the_signatures():
    checked = config.resolve(good())
    assert (checked.seed, checked.task, checked.init_from) == (0, "multiclass", None)
    assert (checked.train_split, checked.val_split) == ("train", "val")
    assert checked.data == {"name": "streets"}
    assert checked.input == config.Input(train_ops="crop(32, 32) | normalize()")
    assert checked.train.log_every == config.Train(num_steps=10).log_every


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("modle", {}, ["config.modle", "Did you mean 'model'?"]),
        ("train", KeyError, ["config.train: is missing"]),
        ("train", 3, ["config.train=3", "dict(...)"]),
        ("task", "binry", ["config.task='binry'", "Did you mean 'binary'?"]),
        ("seed", -1, ["config.seed=-1"]),
        ("seed", 1.5, ["config.seed=1.5"]),
        ("init_from", 3, ["config.init_from=3", "is no text"]),
        ("init_under", ("a",), ["config.init_under=('a',)", "is no text"]),
        ("init_allow", "^head/", ["config.init_allow='^head/'", "Write ('^head/',)"]),
        ("init_allow", ("(",), ["config.init_allow='('", "is no regular expression"]),
        ("data.name", "street", ["config.data.name", "Did you mean 'streets'?"]),
        ("data.name", KeyError, ["config.data.name: is missing", "streets"]),
        ("data.sise", (8, 8), ["config.data.sise", "Did you mean 'size'?"]),
        ("model.name", "unett", ["config.model.name='unett'", "mean 'unet'?"]),
        ("model.width", "4", ["config.model.width='4'", "int is allowed"]),
        ("model.num_outputs", 4, ["config.model.num_outputs"]),
        ("loss.dise", {}, ["dise", "Did you mean 'dice'?"]),
        ("loss", {}, ["config.loss"]),
        ("optim.learning_rate", KeyError, ["config.optim.learning_rate"]),
        ("optim.name", "adamm", ["adamm", "adam"]),
        ("optim.warmup_steps", 10, ["warmup_steps=10", "10 steps"]),
        ("train.num_steps", 0, ["config.train.num_steps=0", "1 or more"]),
        ("train.num_steps", 10.0, ["config.train.num_steps=10.0", "int"]),
        ("train.ema_decay", 1.0, ["config.train.ema_decay=1.0", "below 1"]),
        ("train.log_evry", 5, ["log_evry", "Did you mean 'log_every'?"]),
        ("input.workers", -1, ["config.input.workers=-1", "0 or more"]),
        ("input.train_ops", "crop(32) | normalize()", ["train_ops"]),
        ("input.train_ops", "crop(32, 32)", ["train_ops", "normalize"]),
        ("input.train_ops", "crap(32, 32) | normalize()", ["mean 'crop'?"]),
        ("input.train_ops", "crop(30, 34) | normalize()", ["30x34", "32x36"]),
        ("input.eval_ops", "flip_lr() | normalize()", ["eval_ops", "random"]),
        ("input.eval_ops", "pad(9, 9) | normalize()", ["pads the image", "rescale"]),
        ("model.patch", 0, ["config.model.patch=0", "1 or more"]),
        ("input.eval_ops", "normalize((0, 0, 0))", ["eval_ops", "same numbers"]),
        ("evaluate.threshold", 1.0, ["config.evaluate.threshold=1.0"]),
        ("evaluate.convention", "onion", ["Did you mean 'union'?"]),
        ("evaluate.pictures", -1, ["config.evaluate.pictures=-1"]),
        ("audit", {"depth": "ful"}, ["config.audit.depth='ful'", "mean 'full'?"]),
        ("audit", {"leaks": "no"}, ["config.audit.leaks='no'", "refuse, warn"]),
        ("audit", {"dept": "full"}, ["dept", "Did you mean 'depth'?"]),
        ("audit", 3, ["config.audit=3", "dict(...)"]),
    ],
)
def test_a_mistake_is_named_with_advice(path, value, words):
    with pytest.raises(UserError) as caught:
        config.resolve(changed(path, value))
    assert len(caught.value.problems) == 1, caught.value.problems
    for word in words:
        assert word in str(caught.value)


def test_all_mistakes_come_at_once():
    wrong = good()
    wrong["task"] = "binry"
    wrong["data"]["sise"] = 3
    wrong["model"]["name"] = "unett"
    wrong["optim"]["learning_rat"] = 1
    wrong["train"] = dict(num_steps=0, ema_decay=2.0)
    wrong["input"]["train_ops"] = "crap(1) | normalize()"
    with pytest.raises(UserError) as caught:
        config.resolve(wrong)
    for word in ("binry", "sise", "unett", "learning_rat", "num_steps", "crap"):
        assert word in str(caught.value), word
    assert "config.train.ema_decay=2.0" in str(caught.value)


@pytest.mark.parametrize("variant", ["", "quick"])
@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_is_right_and_survives_json(path, variant):
    made = load(path)(variant)
    checked = config.resolve(made)
    again = config.resolve(json.loads(json.dumps(plain(checked.plain))))
    assert again == checked
    assert len(path.read_text().splitlines()) < 60
    assert "Command:" in path.read_text()


def test_split_names_are_not_given_to_the_data_set():
    checked = config.resolve(changed("data.val_split", "test"))
    assert checked.val_split == "test"
    assert checked.data == {"name": "streets"}


def test_fields_that_are_only_open_are_as_if_absent():
    opened = load(ROOT / "configs/streets_unet.py")("")
    assert opened.init_allow == () and opened.optim.freeze == ()
    plain = config.resolve(opened).plain
    assert not {"audit", "init_from", "init_allow", "init_under"} & plain.keys()
    assert "freeze" not in plain["optim"]
    opened.init_from, opened.optim.freeze = "runs/other", ("^down0/",)
    plain = config.resolve(opened).plain
    assert plain["init_from"] == "runs/other"
    assert plain["optim"]["freeze"] == ("^down0/",)


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ("bondary(2)", "Did you mean 'boundary'"),
        ("probabilities(bins=100)", "multiple of 32"),
        (3, "config.evaluate.measures=3: is a int; str is allowed"),
    ],
)
def test_wrong_measures_are_found(settings, measures, expected):
    with pytest.raises(UserError) as error:
        config.resolve(settings(evaluate__measures=measures))
    assert expected in str(error.value) and "config.evaluate" in str(error.value)


def test_measures_are_read_and_are_none_by_default(settings):
    assert config.resolve(settings()).measures == {}
    text = "surface(3) | probabilities()"
    assert list(config.resolve(settings(evaluate__measures=text)).measures) == [
        "surface",
        "probabilities",
    ]
