"""Go through a Dockerfile's steps where no container engine is at hand, and start it.

    apt install debootstrap
    python deploy/rehearse.py deploy/serve.Dockerfile \\
      --models models --picture street.png
    python deploy/rehearse.py deploy/train.Dockerfile \\
      -- --config=configs/streets_unet.py:quick --workdir=/runs/quick

Needs root. Debian and its Python 3.11 stand for the base image; each stage is a folder,
each RUN a command in it by chroot. The end is started as the image would be: as its
user, without capabilities, on a file system that cannot be written but for /tmp (and
/runs); a health check is asked until it passes, and the process is told to stop. It
shows that the steps work, and nothing of an engine's own: layers, networks, limits.
"""

import argparse
import fnmatch
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
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
PASSED_ON = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY|SSL_CERT_FILE")
"""Variables without which this machine reaches no packages."""

PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
ADDRESS = "http://localhost:8000"


class Stage:
    """What a FROM begins: a folder, and how commands run in it."""

    def __init__(self, folder: Path):
        self.folder, self.directory, self.user = folder, "/", "0"
        self.variables = {"PATH": PATH, "HOME": "/root"}
        self.health: list[str] = []
        self.entry: list[str] = []
        self.arguments: list[str] = []

    def build(self, line: str) -> None:
        """A RUN."""
        reach = {k: v for k, v in os.environ.items() if PASSED_ON.fullmatch(k)}
        words = self._inside({**reach, **self.variables}, ["/bin/sh", "-c", line])
        user = f"--userspec={self.user}:{self.user}"
        subprocess.run(["chroot", user, str(self.folder), *words], check=True)

    def command(self, words: list[str]) -> list[str]:
        """The words that run others as the container's process, or beside it."""
        who = [f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        less = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        inner = self._inside({**self.variables, "HOME": "/"}, words)
        return ["chroot", str(self.folder), "setpriv", *who, *less, *inner]

    def _inside(self, variables: dict[str, str], words: list[str]) -> list[str]:
        pairs = [f"{k}={v}" for k, v in variables.items()]
        return ["env", "-i", f"--chdir={self.directory}", *pairs, *words]

    def set(self, text: str) -> None:
        """An ENV."""
        for word in shlex.split(text):
            name, _, value = word.partition("=")
            value = value.replace("$PATH", self.variables["PATH"])
            self.variables[name] = value

    def copy(self, words: list[str], stages: dict[str, "Stage"]) -> None:
        """A COPY, of the repository or of another stage."""
        source, ignored = ROOT, _ignored
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
    parser.add_argument("arguments", nargs="*", help="instead of those of its CMD")
    parser.add_argument("--base", default="python:3.11-slim-bookworm")
    parser.add_argument("--models", type=Path, help="copied to /models")
    parser.add_argument("--picture", type=Path, help="what a server is asked for")
    parser.add_argument("--seconds", type=float, default=180, help="until it is well")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        base = Path(folder) / "base"
        _debian(base)
        last = _build(args.dockerfile, base, Path(folder), args.base)
        size = _mebibytes(last.folder) - _mebibytes(base)
        print(f"built: {size} MiB above its base", flush=True)
        if args.models:
            shutil.copytree(args.models, last.folder / "models", dirs_exist_ok=True)
        last.arguments = args.arguments or last.arguments
        return _start(last, args.seconds, args.picture)


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
            stage.build(rest)
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


def _start(stage: Stage, seconds: float, picture: Path | None) -> int:
    """Start it as it would be; ask a server until it is well, and stop it."""
    place = str(stage.folder)
    runs = [f"{place}/runs"] if Path(place, "runs").exists() else []
    mounts = (
        ["--bind", place, place],
        ["-o", "remount,bind,ro", place],
        ["-t", "proc", "none", f"{place}/proc"],
        ["--bind", "--make-private", "/dev", f"{place}/dev"],
        *(
            ["-t", "tmpfs", "-o", "mode=1777", "none", folder]
            for folder in (f"{place}/dev/shm", f"{place}/tmp", *runs)
        ),
    )
    for options in mounts:
        subprocess.run(["mount", *options], check=True)
    words = stage.command([*stage.entry, *stage.arguments])
    process = subprocess.Popen(words)
    try:
        if not stage.health:
            print(f"ended with {process.wait()}", flush=True)
            return process.returncode
        if not _well(stage, process, seconds):
            print("it is not well", flush=True)
            return 1
        _ask(picture, seconds)
        _look(stage, process.pid)
        input("stop it by Enter ") if sys.stdin.isatty() else None
        process.send_signal(signal.SIGTERM)
        print(f"stopped with {process.wait(30)}", flush=True)
        return 0 if process.returncode == 128 + signal.SIGTERM else 1
    finally:
        process.kill()
        for *_, under in reversed(mounts):
            subprocess.run(
                ["umount", "-l", under], check=False, stderr=subprocess.DEVNULL
            )


def _well(stage: Stage, process: subprocess.Popen, seconds: float) -> bool:
    begin = time.monotonic()
    check = stage.command(stage.health)
    while subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
        if process.poll() is not None or time.monotonic() - begin > seconds:
            return False
        time.sleep(0.2)
    print(f"well after {time.monotonic() - begin:.1f} s", flush=True)
    return True


def _ask(picture: Path | None, seconds: float) -> None:
    """Wait until the server's models are ready, and have one answer a picture."""
    begin = time.monotonic()
    while True:
        try:
            ready = urllib.request.urlopen(f"{ADDRESS}/readyz", timeout=5).read()
            break
        except urllib.error.HTTPError:
            if time.monotonic() - begin > seconds:
                raise
            time.sleep(0.1)
    print(f"ready {time.monotonic() - begin:.1f} s later: {ready.decode()}", flush=True)
    if picture:
        name = next(iter(json.loads(ready)["models"]))
        address = f"{ADDRESS}/api/predict/{name}/mask.png"
        answer = urllib.request.urlopen(address, picture.read_bytes(), timeout=60)
        print(f"{picture.name}: {answer.status}, {len(answer.read())} bytes of mask")


def _look(stage: Stage, first: int) -> None:
    """Say what runs, as whom, how large, and where it can write."""
    pids = [first]
    for pid in pids:
        pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    for pid in pids:
        status = dict(
            re.findall(r"(\w+):\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
        )
        share = re.search(
            r"Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text()
        )
        command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        print(
            f"user {status['Uid']}, capabilities {status['CapBnd']}, "
            f"{int(share[1]) // 1024} MiB of its own and shared, "
            f"{status['Threads']} threads: {' '.join(command[1:4])}"
        )
    for folder in ("/", "/models", "/opt/segjax", "/tmp"):
        done = subprocess.run(
            stage.command(["touch", f"{folder}/file"]), capture_output=True, text=True
        )
        print(f"write to {folder}: {done.stderr.strip() or 'done'}", flush=True)


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


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What .dockerignore keeps out: at the root, or with `**/` at any depth."""
    patterns = (ROOT / ".dockerignore").read_text().split()
    deep = [p.removeprefix("**/") for p in patterns if p.startswith("**/")]
    root = patterns if Path(folder) == ROOT else []
    return {n for n in names for p in (*deep, *root) if fnmatch.fnmatch(n, p)}


def _mebibytes(place: Path) -> int:
    done = subprocess.run(["du", "-sm", str(place)], capture_output=True, check=True)
    return int(done.stdout.split()[0])


if __name__ == "__main__":
    sys.exit(main())
