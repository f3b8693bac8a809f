"""What the launcher does with a study: shows, prints, runs one point, refuses."""

import json
import pathlib
import shlex
from types import SimpleNamespace

import jax
import pytest
from ml_collections import ConfigDict

from segjax import parallel
from segjax.core.errors import EnvironmentFault, UserError
from segjax.report import record
from segjax.study import claim, folder, job, preview, single, submit
from segjax.train.resident import Resident

CONFIG = '''"""Is wide better?

Command:  none
"""

from segjax.study import sweep


def get_sweep():
    return sweep.product(sweep.seeds(2), sweep.grid({{"model.width": (2, 3)}}))


def get_sweep_one(arg):
    return [{{"model.width": 2 if arg == "quick" else 4}}]


SEEN = {0!r}
'''


@pytest.fixture
def start(tmp_path, settings):
    """`start(**options)`: as `launch.py` with the tiny study; `start.place` is its."""
    file = tmp_path / "wide.py"
    file.write_text(CONFIG.format(0))

    def call(variant="", changes=None, **options):
        given = ConfigDict(settings(**(changes or {})))
        name = f"{file}:{variant}" if variant else str(file)
        place = str(tmp_path / "study")
        return job.start(given, file=name, **{"workdir": place, **options})

    call.place = tmp_path / "study"
    return call


def test_a_dry_run_shows_all_and_writes_nothing(start, capsys):
    assert start(dry_run=True, predict=False) == 0
    said = capsys.readouterr().out
    assert "wide: Is wide better?" in said
    rows = [line for line in said.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 4
    assert [c.strip() for c in rows[3].split("|")[1:-1]] == [
        *("1", "width=3", "0", "1,050", "waiting")
    ]
    assert "width=3: model.width=3" in said
    assert not start.place.exists()


def test_a_dry_run_tells_time_and_memory_of_each_arm_once(start, capsys, monkeypatch):
    asked = []

    def of(checked, info, *, time_steps):
        asked.append(checked.model["width"])
        return SimpleNamespace(
            parameters=7,
            gflop=1.25,
            train_bytes=1,
            resident=Resident(own=2**20, total=2 * 2**20, kept=2**20),
            total_seconds=90.0,
        )

    monkeypatch.setattr(preview.plan, "of", of)
    assert start(dry_run=True) == 0
    said = capsys.readouterr().out
    assert asked == [2, 3]
    row = next(line for line in said.splitlines() if line.startswith("| 3 "))
    cells = [c.strip() for c in row.split("|")[1:-1]]
    assert cells == ["3", "width=3", "1", "7", "1.25", "3", "1.5", "waiting"]
    assert "6 minutes of steps are left" in said
    assert not start.place.exists()


def test_print_gives_a_command_a_point_that_is_not_over(start, capsys):
    start(executor="print")
    lines = capsys.readouterr().out.splitlines()
    assert [shlex.split(line)[:3] for line in lines] == [
        ["python", "-m", "segjax.study"]
    ] * 4
    assert [shlex.split(line)[3:] for line in lines] == [
        [str(start.place), str(i)] for i in range(4)
    ]
    study = folder.read(start.place)
    (first, *_) = study.points
    done = {"attempts": [{"exit_code": 0}]}
    (study.place(first)).mkdir(parents=True)
    (study.place(first) / record.RECORD).write_text(json.dumps(done))
    start(executor="print")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_one_point_runs_here_and_is_over(start, capsys, monkeypatch):
    make, one = parallel.make_mesh, jax.devices()[:1]
    monkeypatch.setattr(parallel, "make_mesh", lambda devices=None: make(one))
    assert start(index="2") == 0
    study = folder.read(start.place)
    point = study.points[2]
    at = folder.standing(study, point)
    assert (at.state, at.step) == ("finished", 7)
    assert 0 <= at.miou <= 1
    assert record.read_config(study.place(point))["seed"] == 1
    states = [folder.standing(study, p).state for p in study.points]
    assert states == ["waiting", "waiting", "finished", "waiting"]
    capsys.readouterr()
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert start(index="slurm") == 0
    assert "width=2 seed 1: finished; nothing to do" in capsys.readouterr().out
    held = claim.hold(study.place(study.points[0]))
    with held, pytest.raises(EnvironmentFault, match="another process"):
        start(index="0")


def test_the_variant_reaches_base_and_sweep(start):
    assert start(variant="quick", sweep="one", executor="print") == 0
    study = folder.read(start.place)
    assert (study.name, study.question) == ("wide_quick_one", "Is wide better?")
    assert study.points[0].overrides == {"model.width": 2}
    assert study.config.endswith("wide.py:quick")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"executor": "slrum"}, "--executor=slrum: no such executor.*'slurm'"),
        ({"jobs": 0}, "--jobs=0: must be 1"),
        ({"sweep": "on"}, "--sweep=on: no such sweep. Known: one. .*'one'"),
        ({"index": "x"}, "--index=x: is no number"),
        ({"index": "4"}, "--index=4: wide has the points 0 to 3"),
        ({"index": "slurm"}, "SLURM_ARRAY_TASK_ID is not set"),
        ({"changes": {"model__width": 9}, "sweep": "none"}, "no such sweep"),
        ({"overridden": {"model.width": 3}}, "--config.model.width: the sweep sets"),
        ({"overridden": {"model": 3}}, "the sweep sets model.width, so it would be"),
        ({"executor": "slurm"}, "there is no sbatch"),
        ({"executor": "slurm", "slurm": ["gpu=1"]}, "=gpu=1: no such option.*'gpus'"),
        ({"executor": "slurm", "slurm": ["gpus=a"]}, "must be a whole number"),
    ],
)
def test_mistakes_are_told(options, words, start, monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    monkeypatch.setattr(submit.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match=words):
        start(**options)


def test_another_base_is_refused_also_in_a_dry_run(start):
    start(executor="print")
    changed = {"train__num_steps": 9}
    for options in ({"dry_run": True, "predict": False}, {"executor": "print"}):
        with pytest.raises(UserError, match="num_steps: 7 -> 9"):
            start(changes=changed, **options)


def test_a_config_without_sweeps_is_told_so(tmp_path, settings):
    (tmp_path / "plain.py").write_text("")
    with pytest.raises(UserError, match=r"plain.py has no sweep; .*get_sweep\(\)"):
        job.start(ConfigDict(settings()), file=str(tmp_path / "plain.py"))


def test_the_command_is_this_python():
    words = single.command(pathlib.Path("runs/a b"), 3)
    assert words[1:] == ["-m", "segjax.study", "runs/a b", "3"]
    assert single.main(["x"]) == 2
