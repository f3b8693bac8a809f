"""Train a model: `python launch.py --config=configs/streets_unet.py`.

The same command resumes a run that was stopped. Fields of the config are overridden
after it: `--config.optim.learning_rate=1e-3`. Several processes (SLURM, Kubernetes, TPU
pods, or the three flags below) train one model together.

A config with a function `get_sweep` is a study of many runs, its points:
`--sweep` runs them all, `--dry_run` shows them, `--index=N` runs one.

Exit codes: 0 done; 2 a mistake in the config, the command line or the data; 3 training
diverged; 75 trouble of the machine, try again; 130 and 143 stopped by SIGINT or SIGTERM
with the state saved.
"""

import os
import pathlib
import re
import sys
import threading

from absl import app, flags, logging
from ml_collections import config_flags

from segjax.core import heap
from segjax.core.errors import SegjaxError, UserError

CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "What to train, e.g. configs/streets_unet.py; ':quick' behind it "
    "makes a run of seconds.",
)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; runs/NAME_OF_THE_CONFIG if not given."
)
DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error.")
COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, when no cluster is detected."
)
NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes in all.")
SWEEP = flags.DEFINE_string(
    "sweep",
    None,
    "Run all points of the study, or of get_sweep_NAME with --sweep=NAME; the same "
    "command goes on with what is left.",
)
INDEX = flags.DEFINE_string(
    "index", None, "Run this point alone; 'slurm' for that of an array job."
)
DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Check and show the points of the study; write nothing."
)
PREDICT = flags.DEFINE_bool(
    "predict", True, "In a dry run, say what time and memory the points need."
)
EXECUTOR = flags.DEFINE_string(
    "executor",
    "local",
    "Where points run: 'local', 'slurm' (through submitit), or 'print' for commands.",
)
JOBS = flags.DEFINE_integer("jobs", 1, "Points at a time.")
SLURM = flags.DEFINE_list(
    "slurm", [], "What a job asks for: partition=gpu,minutes=240,gpus=1,cpus=8,gb=32."
)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this process.")


def main(argv: list[str]) -> int:
    """Run the job; returns the exit code."""
    if argv[1:]:
        raise UserError(f"{argv[1]}: is not a flag; flags begin with '--'.")
    if CONFIG.value is None:
        raise UserError(
            "--config: is missing; name a file, e.g. --config=configs/streets_unet.py."
        )
    filename = config_flags.get_config_filename(FLAGS["config"])
    path, _, variant = filename.partition(":")
    try:
        _ = CONFIG.value.items  # a file that did not load says so only when it is used
    except OSError as error:
        known = ", ".join(sorted(map(str, pathlib.Path("configs").glob("*.py"))))
        raise UserError(f"--config={path}: no such file. Known: {known}.") from error
    logging.set_verbosity(logging.WARNING)  # orbax tells every file at INFO
    if SWEEP.value is not None or INDEX.value is not None or DRY_RUN.value:
        return _study(filename)
    from segjax import run  # JAX starts here, after the flags are right

    name = pathlib.Path(path).stem + (f"_{variant}" if variant else "")
    return run.train(
        CONFIG.value,
        workdir=pathlib.Path(WORKDIR.value or pathlib.Path("runs") / name),
        cluster=(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value),
        argv=sys.argv,
    )


FLAGS = flags.FLAGS


def _study(filename: str) -> int:
    from segjax.study import job

    return job.start(
        CONFIG.value,
        file=filename,
        sweep=SWEEP.value or "",
        workdir=WORKDIR.value,
        index=INDEX.value,
        dry_run=DRY_RUN.value,
        predict=PREDICT.value,
        executor=EXECUTOR.value,
        jobs=JOBS.value,
        slurm=SLURM.value,
        overridden=config_flags.get_override_values(FLAGS["config"]),
        argv=sys.argv,
    )


def _parse(argv: list[str]) -> list[str]:
    """Parse the flags; a wrong flag or config override is the user's mistake."""
    argv = ["--sweep=" if word == "--sweep" else word for word in argv]
    try:
        return app.parse_flags_with_usage(argv) if "--help" in argv else FLAGS(argv)
    except SegjaxError as error:
        sys.exit(_report(error))
    except SyntaxError as e:
        sys.exit(_report(UserError(f"{e.filename}: line {e.lineno}: {e.msg}.")))
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as e:
        sys.exit(_report(UserError(_explained(str(e), argv))))


def _explained(words: str, argv: list[str]) -> str:
    """ml_collections names the field that is not there; a person needs the flag too."""
    words = words.replace("\\n", " ")
    found = re.match(r"\W*(\w+)\W*(?:Did you mean \W*(\w+).*)?$", words, re.DOTALL)
    if not found:
        return " ".join(words.split())
    field, near = found.groups()
    flag = next((a for a in argv if field in a.partition("=")[0].split(".")), field)
    hint = f" Did you mean {near!r}?" if near else " Look into the config file."
    return f"{flag}: the config has no {field!r}.{hint}"


def _report(error: SegjaxError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def _guarded(argv: list[str]) -> int:
    try:
        return main(argv)
    except SegjaxError as error:
        if DEBUG.value:
            raise
        return _ended(_report(error))
    except KeyboardInterrupt:
        print("interrupted before training began", file=sys.stderr)
        return _ended(130)


def _ended(code: int) -> int:
    """The exit code; what a thread still compiles for a run that is over ends here."""
    others = set(threading.enumerate()) - {threading.current_thread()}
    if not all(thread.daemon for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    heap.large_pages()
    app.run(_guarded, flags_parser=_parse)
