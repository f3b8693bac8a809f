"""Reasons not to start a run, found before a step is taken."""

from pathlib import Path

from segjax import config, parallel
from segjax.core.errors import UserError
from segjax.data.source import Source
from segjax.report import record
from segjax.report.files import digest, plain

INERT = (
    "audit.depth",
    "audit.leaks",
    "input.workers",
    "input.threads",
    "train.keep",
    "evaluate.pictures",
)
"""Fields that may change when a run is resumed: no number depends on them."""


def refuse_other_config(workdir: Path, checked: config.Config) -> None:
    """A folder takes one experiment; only what moves no number may change.

    Raises:
      UserError: names every field that differs from the folder's run.
    """
    if not (workdir / record.CONFIG).exists():
        return
    old = record.read_config(workdir)
    changes = record.config_changes(old, plain(checked.plain))
    changes = [c for c in changes if not c.startswith(tuple(f"{k}:" for k in INERT))]
    if changes:
        raise UserError(
            f"{workdir}: holds a run of another config ({'; '.join(changes)}). Give "
            "another --workdir, or the old values to resume."
        )


def refuse_disagreement(checked: config.Config, *sources: Source) -> None:
    """Processes with different configs, data or code would train a chimera.

    Raises:
      UserError: in every process, naming what differs.
    """
    for what, text in (
        ("config", digest(checked.plain)),
        ("data", "".join(source.fingerprint() for source in sources)),
        ("code", repr(record.code_version())),
    ):
        if not parallel.same_everywhere(text):
            raise UserError(
                f"processes: they do not have the same {what}; all must. Start them "
                "with one command on one checkout and one copy of the data."
            )


def refuse_batch_size(batch_size: int, devices: int) -> None:
    """A batch is split evenly over the devices.

    Raises:
      UserError: names the nearest sizes that can be.
    """
    if batch_size % devices:
        low = batch_size // devices * devices
        near = f"{low} or {low + devices}" if low else f"{devices}"
        raise UserError(
            f"config.input.batch_size={batch_size}: not divisible by {devices} "
            f"devices. Use {near}."
        )
