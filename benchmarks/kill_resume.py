"""Kill a run at random moments, again and again, and compare it with one left alone.

    python benchmarks/kill_resume.py --kills 20

One small run (U-Net with batch norm and dropout, AdamW, cosine schedule, averaged
weights, random augmentation, a worker process) goes to its end undisturbed. The same
command is then started in another folder and ended by SIGKILL: after a random time,
some steps after its start, or while a checkpoint is being written. It is started again
until it ends by itself; if kills are left over, the next folder follows. What must
hold:

- a checkpoint that was committed before a kill is whole after it, and the next start
  resumes from it;
- no worker process outlives its killed run by more than ten seconds;
- at the end the state's digest, the bytes of `metrics.jsonl`, the scores in
  `evaluation/`, the best step and the samples of every step (indices and pixels) are
  those of the undisturbed run.

`--plant` puts a defect into the resumed runs; then this must fail. The exit code is 0
if all is equal and 1 if not; the last line is JSON.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import random
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONFIG = """
from ml_collections import ConfigDict


def get_config():
    return ConfigDict(
        dict(
            seed=3,
            data=dict(name="streets", size=(48, 64), num_train=12, num_val=3),
            input=dict(
                train_ops="scale(0.8, 1.2) | crop(32, 32) | flip_lr() "
                "| color_jitter(0.2, 0.2, 0.2) | normalize()",
                batch_size=4,
                workers={workers},
            ),
            model=dict(name="unet", width=4, depth=2, dropout=0.1),
            loss=dict(cross_entropy=dict(), dice=dict(weight=0.5)),
            optim=dict(
                name="adamw",
                learning_rate=3e-3,
                schedule="cosine",
                warmup_steps=5,
                weight_decay=1e-3,
                clip_norm=5.0,
            ),
            train=dict(
                num_steps={steps},
                log_every=7,
                eval_every=20,
                save_every=5,
                ema_decay=0.95,
            ),
        )
    )
"""
"""Log lines, evaluations and checkpoints fall on different steps."""

PLANTS = ("none", "window", "seed", "position", "checkpoint")
MOMENTS = ("time", "step", "step", "saving")
"""What a kill waits for; drawn at random."""

PATIENCE_S = 10.0
"""How long processes may outlive the run that they worked for."""

TRACE = "KILL_RESUME_TRACE"
PLANT = "KILL_RESUME_PLANT"


def main() -> int:
    """Run the comparison; returns the exit code."""
    arguments = _parser().parse_args()
    folder = pathlib.Path(arguments.folder or tempfile.mkdtemp(prefix="kill_resume-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _compare(arguments, folder)
    finally:
        if not arguments.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _compare(arguments, folder: pathlib.Path) -> int:
    config = folder / "config.py"
    config.write_text(CONFIG.format(workers=arguments.workers, steps=arguments.steps))
    begin = time.monotonic()
    alone = _Job(config, folder / "alone", folder / "cache", "none")
    alone.start()
    if alone.process.wait() != 0:
        print(alone.log.read_text(), file=sys.stderr)
        return 1
    life = time.monotonic() - begin
    expected = alone.outcome()
    print(f"undisturbed: {life:.1f} s, digest {expected['digest'][:16]}\n", flush=True)

    chance = random.Random(arguments.seed)
    problems, kills, rounds = [], [], 0
    print("kill  folder  moment  after s  at step  committed before  after")
    while len(kills) < arguments.kills and not problems:
        job = _Job(
            config, folder / f"killed{rounds}", folder / "cache", arguments.plant
        )
        rounds += 1
        while True:
            may_kill = len(kills) < arguments.kills
            kill = _live(job, chance, life) if may_kill else _live(job, None, life)
            problems += job.problems(kill)
            if kill is None or problems:
                break
            kills.append(kill)
            print(
                f"{len(kills):4}  {rounds - 1:6}  {kill.moment:6}  {kill.seconds:7.2f}"
                f"  {kill.step:7}  {kill.before:16}  {kill.after:5}",
                flush=True,
            )
        if not problems:
            problems += _differences(expected, job.outcome())
        problems += job.survivors()
    problems += alone.survivors()
    summary = {
        "kills": len(kills),
        "runs": rounds,
        "moments": {m: sum(k.moment == m for k in kills) for m in sorted(set(MOMENTS))},
        "before_first_checkpoint": sum(k.after == 0 for k in kills),
        "steps": arguments.steps,
        "workers": arguments.workers,
        "seed": arguments.seed,
        "plant": arguments.plant,
        "digest": expected["digest"],
        "seconds": round(time.monotonic() - begin, 1),
        "problems": problems,
    }
    print("\n" + ("\n".join(problems) or f"{len(kills)} kills: no difference"))
    print(json.dumps(summary))
    return int(bool(problems))


@dataclasses.dataclass(frozen=True)
class _Kill:
    """One SIGKILL: `step` is the last that asked for data, 0 if none did."""

    moment: str
    seconds: float
    step: int
    before: int
    after: int


class _Job:
    """One run folder and the process that works in it."""

    def __init__(self, config, workdir, cache, plant):
        self.workdir, self.trace = workdir, workdir.with_suffix(".trace")
        self.log = workdir.with_suffix(".log")
        self._groups, self._resumes_from, self._attempts = [], 0, 0
        self._command = [
            sys.executable,
            __file__,
            "--job",
            f"--config={config}",
            f"--workdir={workdir}",
        ]
        self._environment = {
            "JAX_PLATFORMS": "cpu",
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            TRACE: str(self.trace),
            PLANT: plant,
        }

    def start(self) -> None:
        """The same command each time."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.append(self.process.pid)
        self.begin = time.monotonic()
        self.traced = len(self.samples())

    def samples(self) -> list[dict]:
        """What the job said of its batches; lines torn by a kill are left out."""
        found = []
        for line in self.trace.read_text().split("\n") if self.trace.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def newest(self) -> int:
        """The newest committed step whose files are whole; 0 for none."""
        from segjax.checkpoint import folder, manifest

        latest = self.workdir / "checkpoints" / "latest"
        for step in folder.steps(latest):
            try:
                manifest.verify(latest / folder.name(step))
                return step
            except (manifest.Damaged, FileNotFoundError):  # being removed by the job
                continue
        return 0

    def is_saving(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        return any((self.workdir / "checkpoints").glob("*/*.tmp"))

    def problems(self, kill: _Kill | None) -> list[str]:
        """What is wrong after a kill, or after the end if there was none."""
        from segjax.report import record

        where, found = self.workdir.name, []
        if kill is None and self.process.returncode:
            last = self.log.read_text()[-2000:]
            found.append(f"{where}: exit code {self.process.returncode}: {last}")
        attempts = record.read(self.workdir).get("attempts", [])
        if len(attempts) > self._attempts:
            start = attempts[-1]["start_step"]
            if start != self._resumes_from:
                found.append(
                    f"{where}: resumed at {start}, committed was {self._resumes_from}"
                )
        if kill is not None:
            if kill.after < kill.before:
                found.append(f"{where}: step {kill.before} lost, {kill.after} is left")
            self._resumes_from = kill.after
        self._attempts = len(attempts)
        return found

    def outcome(self) -> dict:
        """All that must be equal between two runs."""
        from segjax.checkpoint import folder, leaves, manifest

        sets = self.workdir / "checkpoints"
        newest = folder.steps(sets / "latest")[0]
        state = manifest.read(sets / "latest" / folder.name(newest))
        scores = json.loads((self.workdir / "evaluation" / "val.json").read_text())
        seen: dict[int, set] = {}
        for row in self.samples():
            seen.setdefault(row["step"], set()).add(
                (tuple(row["index"]), row["pixels"])
            )
        return {
            "last step": newest,
            "digest": leaves.digest_of(state.leaves),
            "best step": folder.steps(sets / "best"),
            "metrics.jsonl": (self.workdir / "metrics.jsonl").read_bytes(),
            "evaluation": {k: v for k, v in scores.items() if k != "run_id"},
            "samples": {step: seen[step] for step in sorted(seen)},
        }

    def survivors(self) -> list[str]:
        """Says of which starts processes are left, and ends them."""
        patience, left = time.monotonic() + PATIENCE_S, list(self._groups)
        while left and time.monotonic() < patience:
            left = [group for group in left if _signal(group, 0)]
            time.sleep(0.1)
        for group in left:
            _signal(group, signal.SIGKILL)
        where = self.workdir.name
        return [f"{where}: {len(left)} starts left processes behind"] if left else []


def _signal(group: int, signum: int) -> bool:
    """Send a signal to a process group; whether there is one."""
    try:
        os.killpg(group, signum)
    except ProcessLookupError:
        return False
    return True


def _live(job: _Job, chance: random.Random | None, life: float) -> _Kill | None:
    """Start the job and kill it; None if it ended by itself."""
    job.start()
    if chance is None:
        job.process.wait()
        return None
    moment = chance.choice(MOMENTS)
    until = chance.uniform(0, life) if moment == "time" else 4 * life
    steps = chance.randint(1, 25)
    before = 0
    while job.process.poll() is None and time.monotonic() - job.begin < until:
        if moment == "step" and len(job.samples()) - job.traced >= steps:
            break
        if moment == "saving" and job.is_saving():
            break
        time.sleep(0.005)
    else:
        moment = "time"
    if moment != "time":
        time.sleep(chance.uniform(0, 0.05))
    before = job.newest()
    seconds = time.monotonic() - job.begin
    job.process.kill()
    if job.process.wait() != -signal.SIGKILL:
        return None
    samples = job.samples()[job.traced :]
    step = samples[-1]["step"] if samples else 0
    return _Kill(moment, seconds, step, before, job.newest())


def _differences(expected: dict, found: dict) -> list[str]:
    return [f"{key}: differs" for key in expected if expected[key] != found[key]]


def _work(argv: list[str]) -> None:
    """In the job's process: note each batch, plant the defect, be `launch.py`."""
    from segjax.data import pipeline
    from segjax.train.window import Window

    trace, plant = os.environ[TRACE], os.environ[PLANT]
    make = pipeline.train_batches

    def train_batches(*args, start_step=0, seed, **kwargs):
        late = start_step > 0
        stream = make(
            *args,
            start_step=start_step + (late and plant == "position"),
            seed=seed + (late and plant == "seed"),
            **kwargs,
        )
        return _noted(stream, start_step, trace)

    pipeline.train_batches = train_batches
    if plant == "window":
        Window.from_json = lambda self, data: None
    if plant == "checkpoint":
        _lose_newest(argv)
    sys.argv = [str(ROOT / "launch.py"), *argv]
    runpy.run_path(sys.argv[0], run_name="__main__")


def _noted(stream, step: int, trace: str):
    try:
        for batch in stream:
            step += 1
            pixels = zlib.crc32(batch["label"].tobytes())
            pixels = zlib.crc32(batch["image"].tobytes(), pixels)
            row = {"step": step, "index": batch["index"].tolist(), "pixels": pixels}
            with open(trace, "a") as file:
                file.write(f"\n{json.dumps(row)}\n")
            yield batch
    finally:
        stream.close()


def _lose_newest(argv: list[str]) -> None:
    workdir = next(a.partition("=")[2] for a in argv if a.startswith("--workdir="))
    found = sorted(pathlib.Path(workdir).glob("checkpoints/latest/????????"))
    if found:
        shutil.rmtree(found[-1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=100, help="length of the run")
    parser.add_argument("--workers", type=int, default=1, help="of the data loader")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--plant", choices=PLANTS, default="none")
    parser.add_argument(
        "--folder", help="keep all files here; a temporary one if absent"
    )
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        _work(sys.argv[2:])
    else:
        sys.exit(main())
