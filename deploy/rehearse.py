"""Go through a Dockerfile's steps where no container engine is at hand, and start it.

    apt install debootstrap
    python deploy/rehearse.py deploy/serve.Dockerfile --models models

Needs root. Debian and its Python 3.11 stand for the base image; each stage is a folder,
each RUN a command in it by chroot. The end is started as the image would be: as its
user, on a file system that cannot be written but for /tmp; the health check is asked
until it passes, then the process is told to stop. It shows that the steps work, and
nothing of an engine's own: layers, networks, limits of memory.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
PASSED_ON = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY|SSL_CERT_FILE")
"""Variables without which this machine reaches no packages."""


class Stage:
    """What a FROM begins: a folder, and how commands run in it."""

    def __init__(self, folder: Path):
        self.folder, self.directory, self.user = folder, "/", "0"
        self.variables = {k: v for k, v in os.environ.items() if PASSED_ON.fullmatch(k)}
        self.variables |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"}
        self.health: list[str] = []
        self.entry: list[str] = []
        self.arguments: list[str] = []

    def command(self, words: list[str], user: str) -> list[str]:
        """The words that run others in this stage."""
        there = ["chroot", f"--userspec={user}:{user}", str(self.folder)]
        variables = [f"{k}={v}" for k, v in self.variables.items()]
        inner = ["env", "-i", *variables, f"--chdir={self.directory}", *words]
        return [*there, *inner]

    def run(self, line: str) -> None:
        """A RUN."""
        shell = ["/bin/sh", "-c", line]
        subprocess.run(self.command(shell, self.user), check=True)

    def set(self, text: str) -> None:
        """An ENV."""
        for word in shlex.split(text):
            name, _, value = word.partition("=")
            value = value.replace("$PATH", self.variables["PATH"])
            self.variables[name] = value

    def copy(self, words: list[str], stages: dict[str, "Stage"]) -> None:
        """A COPY, of the repository or of another stage."""
        source, ignored = ROOT, _ignored()
        if words[0].startswith("--from="):
            source = stages[words.pop(0).removeprefix("--from=")].folder
            ignored = None
        *names, target = words
        place = self.folder / os.path.join(self.directory, target).lstrip("/")
        for name in names:
            here = source / name.lstrip("/")
            if here.is_dir():
                shutil.copytree(
                    here, place, symlinks=True, ignore=ignored, dirs_exist_ok=True
                )
                continue
            into_folder = target.endswith("/") or len(names) > 1
            place.mkdir(parents=True, exist_ok=True) if into_folder else None
            shutil.copy2(here, place)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--base", default="python:3.11-slim-bookworm")
    parser.add_argument("--models", type=Path, help="copied to /models")
    parser.add_argument("--seconds", type=float, default=180, help="until it is well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        base = Path(folder) / "base"
        _debian(base)
        last = _build(args.dockerfile, base, Path(folder), args.base)
        size = _mebibytes(last.folder) - _mebibytes(base)
        print(f"built: {size} MiB above its base", flush=True)
        if args.models:
            shutil.copytree(args.models, last.folder / "models", dirs_exist_ok=True)
        if not last.health:
            subprocess.run(
                last.command([*last.entry, *last.arguments], last.user), check=True
            )
            return 0
        return _start(last, args.seconds)


def _build(path: Path, base: Path, folder: Path, image: str) -> Stage:
    stages: dict[str, Stage] = {}
    stage = None
    for line in _lines(path):
        print(f"# {line[:100]}", flush=True)
        word, _, rest = line.partition(" ")
        if word == "FROM":
            assert rest.split()[0] == image, f"{rest}: not the base that is known"
            name = rest.split(" AS ")[1] if " AS " in rest else "last"
            place = folder / f"stage-{len(stages)}"
            subprocess.run(["cp", "-a", str(base), str(place)], check=True)
            stage = stages[name] = Stage(place)
        elif word == "RUN":
            stage.run(rest)
        elif word == "COPY":
            stage.copy(rest.split(), stages)
        elif word == "ENV":
            stage.set(rest)
        elif word == "WORKDIR":
            stage.directory = rest
            (stage.folder / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
        elif word == "HEALTHCHECK":
            stage.health = json.loads(rest[rest.index("[") :])
        elif word == "ENTRYPOINT":
            stage.entry = json.loads(rest)
        elif word == "CMD":
            stage.arguments = json.loads(rest)
        elif word != "EXPOSE":
            raise SystemExit(f"{path}: {word} is not known here")
    return stage


def _start(stage: Stage, seconds: float) -> int:
    """Start it as it would be, ask until it is well, and stop it."""
    place = str(stage.folder)
    for options in (["--bind", place, place], ["-o", "remount,bind,ro", place]):
        subprocess.run(["mount", *options], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{place}/tmp"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", f"{place}/proc"], check=True)
    subprocess.run(["mount", "--bind", "/dev", f"{place}/dev"], check=True)
    words = stage.command([*stage.entry, *stage.arguments], stage.user)
    process = subprocess.Popen(words)
    try:
        begin = time.monotonic()
        check = stage.command(stage.health, stage.user)
        while subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
            if process.poll() is not None or time.monotonic() - begin > seconds:
                print("it is not well", flush=True)
                return 1
            time.sleep(1)
        print(f"well after {time.monotonic() - begin:.1f} s", flush=True)
        input("stop it by Enter ") if sys.stdin.isatty() else None
        process.send_signal(signal.SIGTERM)
        print(f"stopped with {process.wait(30)}", flush=True)
        return 0
    finally:
        process.kill()
        for under in ("/tmp", "/proc", "/dev", ""):
            subprocess.run(["umount", "-l", f"{place}{under}"], check=False)


def _debian(place: Path) -> None:
    """Debian with its Python, in the place of the base image."""
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
    subprocess.run(
        [*command, "bookworm", str(place)], check=True, stdout=subprocess.DEVNULL
    )
    (place / "usr/bin/python").symlink_to("python3")
    shutil.copy("/etc/resolv.conf", place / "etc/resolv.conf")
    bundle = "etc/ssl/certs/ca-certificates.crt"
    shutil.copy(f"/{bundle}", place / bundle)


def _lines(path: Path) -> list[str]:
    """The instructions, each on a line."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M)
    text = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _ignored():
    names = (ROOT / ".dockerignore").read_text().split()
    return shutil.ignore_patterns(*(n.removeprefix("**/") for n in names))


def _mebibytes(place: Path) -> int:
    done = subprocess.run(["du", "-sm", str(place)], capture_output=True, check=True)
    return int(done.stdout.split()[0])


if __name__ == "__main__":
    sys.exit(main())
