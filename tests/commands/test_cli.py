"""The entry point: help, mistakes, signals, pipes."""

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from segjax import __version__, cli
from segjax.core.errors import EnvironmentFault

COMMANDS = sorted(cli.COMMANDS)


@pytest.fixture
def doctor(monkeypatch):
    """`segjax doctor` does what the test says."""

    def act(deed):
        command = importlib.import_module("segjax.commands.doctor")
        monkeypatch.setattr(command, "run", deed)

    return act


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_with_examples_that_parse(name, call):
    code, out, _ = call(name, "--help")
    assert code == 0 and "--json" in out and "--debug" in out
    examples = re.findall(r"^\s+(?:srun .*)?segjax (.*)$", out, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)
        parser, module = cli._parser(words)
        _, rest = parser.parse_known_args(words)
        assert not rest or module.OVERRIDES


def test_every_module_of_commands_is_a_command():
    folder = os.path.dirname(importlib.import_module("segjax.commands").__file__)
    files = {f[:-3] for f in os.listdir(folder) if f.endswith(".py")}
    named = {name.replace(" ", "_") for name in COMMANDS}
    parts = {"__init__", "answer", "baseline_folder"}
    parts |= {f"predict_{part}" for part in ("checks", "flow", "video")}
    assert files - parts == named


def test_help_names_the_commands_and_imports_nothing_heavy():
    code = (
        "import sys; from segjax.cli import main; main(['--help'])\n"
        "main(['predict', '--help'])\n"
        "heavy = {'jax', 'numpy', 'flax', 'matplotlib', 'absl'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_the_module_runs_as_the_command():
    words = [sys.executable, "-m", "segjax", "--version"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, f"segjax {__version__}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["evalute"], "Did you mean 'evaluate'?"),
        (["evaluate"], "required: RUN"),
        (["evaluate", "run", "--batch-size", "0"], "not an integer from 1 up"),
        (["evaluate", "run", "--weights", "newest"], "invalid choice: 'newest'"),
        (["evaluate", "run", "--convention", "unoin"], "Did you mean 'union'?"),
        (["evaluate", "run", "--config.a=1"], "--config.a=1: no such argument"),
        (["predict", "run", "a.png"], "required: --out"),
        (["doctor", "--sjon"], "--sjon: no such argument"),
        (["inspect"], "--config --dataset is required"),
        (["inspect", "--config", "c.py", "--dataset", "camvid"], "not allowed with"),
        (["inspect", "--config", "c.py", "stray"], "stray: no such argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, expected, call):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert expected in err and err.startswith("error: ") and err.count("\n") == 1


def test_all_problems_are_told_and_are_json_if_asked(call, tmp_path):
    words = ["predict", "run", "no.png", "neither.png", "--out", tmp_path]
    code, out, err = call(*words)
    assert code == 2 and err.count("error: ") == 2
    code, out, _ = call(*words, "--json")
    assert out["exit_code"] == 2 and len(out["errors"]) == 2


def test_no_words_give_help(call):
    code, out, _ = call()
    assert code == 0 and "evaluate" in out


def test_the_exit_code_is_the_errors_and_debug_raises(doctor, call):
    def fail(args):
        raise EnvironmentFault("the disk is full.")

    doctor(fail)
    assert call("doctor") == (75, "", "error: the disk is full.\n")
    with pytest.raises(EnvironmentFault):
        cli.main(["doctor", "--debug"])


def test_a_fault_of_the_device_is_explained(doctor, call):
    import jax

    def fail(args):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory\nmore")

    doctor(fail)
    code, _, err = call("doctor")
    assert code == 75 and "--batch-size 1" in err and "more" not in err


def test_ctrl_c_and_sigterm_end_with_their_codes(doctor, call):
    def interrupted(args):
        raise KeyboardInterrupt

    doctor(interrupted)
    assert call("doctor")[0] == 130

    def terminated(args):
        os.kill(os.getpid(), signal.SIGTERM)

    doctor(terminated)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    assert end.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_went_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    environment = os.environ.copy()
    environment.pop(
        "PYTHONUNBUFFERED", None
    )  # argparse swallows the error if it is set
    words = [sys.executable, "-m", "segjax", "--help"]
    pipes = {"stdout": write, "stderr": subprocess.PIPE}
    done = subprocess.run(words, env=environment, text=True, **pipes)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
