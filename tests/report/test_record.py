"""The record: what is in it, what never is, and that it survives."""

import json
import subprocess

import pytest

from segjax.core.errors import UserError
from segjax.core.info import DatasetInfo
from segjax.report import record

INFO = DatasetInfo(
    name="toy",
    class_names=("sky", "road"),
    class_colours=((1, 2, 3), (200, 100, 0)),
    homepage="https://example.org",
    citation="A. Author, A set, 2020",
    licence="CC0",
)
CONFIG = {"train": {"num_steps": 10, "sizes": (1, 2)}, "loss": {"dice": {}}, "a": None}


class Source:
    """As much of a data source as the record asks for."""

    def __len__(self):
        return 3

    def fingerprint(self):
        return "ab" * 32


def _start(workdir, config=CONFIG, argv=("launch.py",), **more):
    record.write(
        workdir,
        config=config,
        argv=list(argv),
        devices=["cpu", "cpu"],
        seeds={"train": 7},
        dataset=record.dataset_entry(INFO, {"train": Source(), "val": Source()}),
        **more,
    )


def test_roundtrip(tmp_path):
    _start(tmp_path, facts={"parameters": 123})
    record.finish(tmp_path, 0, "done", 12.3456, peak_rss_mb=100.5, last_step=10)
    (attempt,) = record.read(tmp_path)["attempts"]
    assert attempt["devices"] == ["cpu", "cpu"]
    assert attempt["seeds"] == {"train": 7}
    assert attempt["parameters"] == 123
    assert (attempt["exit_code"], attempt["reason"]) == (0, "done")
    assert (attempt["wall_seconds"], attempt["peak_rss_mb"]) == (12.346, 100.5)
    assert attempt["last_step"] == 10
    assert attempt["start"] <= attempt["end"]
    assert {"python", "segjax", "jax", "flax", "optax", "numpy"} <= set(
        attempt["versions"]
    )


def test_a_run_keeps_its_id_and_another_has_another(tmp_path):
    _start(tmp_path / "a")
    own = record.run_id(record.read(tmp_path / "a"))
    _start(tmp_path / "a")
    _start(tmp_path / "b")
    assert len(own) == 12
    assert record.run_id(record.read(tmp_path / "a")) == own
    assert record.run_id(record.read(tmp_path / "b")) != own
    assert record.run_id({}) == ""  # of a run from before there were any


def test_the_surroundings_are_in_every_attempt(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGJAX_ONEDNN", "0")
    monkeypatch.setenv("SEGJAX_SECRET", "x")
    _start(tmp_path)
    (attempt,) = record.read(tmp_path)["attempts"]
    now = record.surroundings(["cpu", "cpu"])
    assert {k: attempt[k] for k in now} == now
    assert attempt["environment"]["SEGJAX_ONEDNN"] == "0"
    assert "SEGJAX_SECRET" not in attempt["environment"]
    assert attempt["cpu"]


def test_the_data_set_is_read_back(tmp_path):
    _start(tmp_path)
    entry = record.read(tmp_path)["dataset"]
    assert DatasetInfo.of(entry) == INFO
    assert entry["class_digest"] == INFO.digest()
    assert entry["splits"]["val"] == {"num_images": 3, "fingerprint": "ab" * 32}


def test_config_is_sorted_plain_json(tmp_path):
    _start(tmp_path)
    text = (tmp_path / "config.json").read_text()
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
    assert record.read_config(tmp_path)["train"] == {"num_steps": 10, "sizes": [1, 2]}
    with pytest.raises(UserError, match=r"config\.json: cannot be read"):
        record.read_config(tmp_path / "nowhere")


def test_a_resume_appends_and_says_what_changed(tmp_path):
    _start(tmp_path)
    longer = CONFIG | {"train": {"num_steps": 20, "sizes": [1, 2]}, "b": 1}
    _start(tmp_path, config=longer)
    record.finish(tmp_path, 143, "SIGTERM", 1.0)
    first, second = record.read(tmp_path)["attempts"]
    assert "end" not in first and first["config_changes"] == []
    assert second["config_changes"] == ["b: absent -> 1", "train.num_steps: 10 -> 20"]
    assert second["exit_code"] == 143
    assert first["config_digest"] != second["config_digest"]


def test_no_secret_is_recorded(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "HF_TOKEN", "JAX_SECRET", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    _start(
        tmp_path,
        argv=["launch.py", "--wandb_token=hunter2", "--api-key", "hunter2", "--debug"],
    )
    text = (tmp_path / "record.json").read_text()
    assert "hunter2" not in text
    (attempt,) = record.read(tmp_path)["attempts"]
    assert attempt["environment"]["XLA_FLAGS"] == "--xla_dump_to=x"
    assert attempt["argv"] == [
        "launch.py",
        "--wandb_token=***",
        "--api-key",
        "***",
        "--debug",
    ]


def test_finish_without_a_start(tmp_path):
    with pytest.raises(UserError, match=r"record\.json"):
        record.finish(tmp_path, 0, "done", 1.0)


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with one committed file."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def git(*args):
        subprocess.run(["git", "-C", tmp_path, *args], check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "__init__.py").write_text("a = 1\n")
    git("add", ".")
    git(*identity, "commit", "-qm", "one")
    return tmp_path


def test_code_version(checkout):
    clean = record.code_version(checkout)
    assert len(clean["commit"]) == 40
    assert clean == {"commit": clean["commit"], "dirty": False}
    (checkout / "__init__.py").write_text("a = 2\n")
    two = record.code_version(checkout)
    (checkout / "__init__.py").write_text("a = 3\n")
    three = record.code_version(checkout)
    assert two["dirty"] and two["commit"] == clean["commit"]
    assert two["diff_digest"] != three["diff_digest"]


def test_a_file_new_to_git_makes_it_dirty(checkout):
    (checkout / "model.py").write_text("")
    version = record.code_version(checkout)
    assert version["dirty"] and version["untracked"] == ["model.py"]


def test_an_installed_copy_inside_a_checkout_has_no_commit(checkout):
    inner = checkout / "site-packages"
    inner.mkdir()
    (inner / "__init__.py").write_text("")
    assert record.code_version(inner) is None
