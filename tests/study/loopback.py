"""A SLURM cluster of one node on this machine, where Debian's `slurm-wlm` is."""

import contextlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "srun")

CONF = """
ClusterName=loopback
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5,socket={place}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=debug Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""
"""`cred_expire`: how long a job waits that is queued again; 120 seconds by default."""


def absent() -> str:
    """Why there can be no cluster here; "" if there can."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_path())]
    if missing:
        return f"no {', '.join(missing)}: apt install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "its daemons want to be root"


@contextlib.contextmanager
def cluster(place: pathlib.Path) -> Iterator[dict[str, str]]:
    """Yields the environment in which SLURM's commands find it; ends it afterwards."""
    for name in ("state", "spool"):
        (place / name).mkdir(mode=0o755)
    place.chmod(0o700)  # munge refuses what others may write
    key = place / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    conf = place / "slurm.conf"
    conf.write_text(CONF.format(place=place, ports=_ports(2)))
    munge = {"key": key, "socket": place / "munge.socket"}
    munge |= {name: place / f"munge.{name}" for name in ("pid", "log", "seed")}
    words = [f"--{k}-file={v}" for k, v in munge.items() if k != "socket"]
    words += ["--foreground", "--force", f"--socket={munge['socket']}"]
    environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(conf)}
    with contextlib.ExitStack() as stack:
        for command in (
            ["munged", *words],
            ["slurmctld", "-D", "-i", "-f", conf],
            ["slurmd", "-D", "-N", "localhost", "-f", conf],
        ):
            log = stack.enter_context(open(place / f"{command[0]}.out", "wb"))
            daemon = subprocess.Popen(
                list(map(str, command)), env=environment, stdout=log, stderr=log
            )
            stack.callback(_end, daemon)
            time.sleep(1)
        end = time.monotonic() + 60
        while "idle" not in _said(["sinfo", "-h", "-o", "%T"], environment):
            assert time.monotonic() < end, _logs(place)
            time.sleep(0.5)
        yield environment


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"])


def _ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True
    ).stdout


def _end(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _logs(place: pathlib.Path) -> str:
    return "\n".join(path.read_text() for path in sorted(place.glob("*.out")))
