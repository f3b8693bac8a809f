"""The config: its sections, what may stand in them, and all that is wrong with one.

Each section is the keyword arguments of one function or dataclass, so a signature is
the schema, its docstring the documentation and its defaults the only defaults:

==========  ================================================================
section     keyword arguments of
==========  ================================================================
`data`      the data set that `name` says, plus `train_split`, `val_split`
`input`     `core.sections.Input`
`model`     the model that `name` says
`loss`      one subsection a term: the loss of that name, plus `weight`
`optim`     `optim.make`
`train`     `core.sections.Train`
`evaluate`  `core.sections.Evaluate`
`audit`     `core.sections.Audit`
==========  ================================================================

`seed`, `task` (`multiclass` or `binary`), `init_from`, `init_allow` and `init_under`
stand at the top; the last three are arguments of `checkpoint.init_from`.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from segjax import losses, optim
from segjax import postprocess as steps
from segjax.core import opstring
from segjax.core.errors import UserError, raise_problems
from segjax.core.pixels import RGB, Pixels
from segjax.core.sections import Audit, Evaluate, Input, Train
from segjax.core.tables import signature_problems, unknown
from segjax.data import ops
from segjax.data.audit import start
from segjax.data.datasets import DATASETS
from segjax.data.sampling import SAMPLERS
from segjax.metrics import measures
from segjax.metrics.measure import Measure
from segjax.metrics.scores import CONVENTIONS
from segjax.models import MODELS
from segjax.optim import masks
from segjax.predict import protocol as protocols

TASKS = ("binary", "multiclass")
CHOICES = {"convention": CONVENTIONS, "depth": start.DEPTHS, "leaks": start.LEAKS}
"""Fields of sections that take one of a few words."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A checked config: plain values and parsed parts, no ConfigDict below here."""

    plain: dict[str, Any]
    seed: int
    task: str
    data: dict[str, Any]
    train_split: str
    val_split: str
    input: Input
    model: dict[str, Any]
    loss: dict[str, Any]
    optim: dict[str, Any]
    train: Train
    evaluate: Evaluate
    audit: Audit
    init_from: str | None
    init_allow: tuple[str, ...]
    init_under: str

    @property
    def train_ops(self) -> tuple[tuple, ops.Normalize]:
        """Ops of training on the host, and the normalisation on the device."""
        return _ops(self.input.train_ops, "config.input.train_ops")

    @property
    def eval_ops(self) -> tuple[tuple, ops.Normalize]:
        """Ops of evaluation on the host, and the normalisation on the device."""
        return _ops(self.input.eval_ops, "config.input.eval_ops")

    @property
    def protocol(self) -> protocols.Protocol:
        """How an image is shown to the network."""
        return protocols.parse(self.evaluate.protocol, "config.evaluate.protocol")

    @property
    def postprocess(self) -> steps.Chain:
        """What is done to a prediction before it is scored or shown."""
        return steps.parse(self.evaluate.postprocess, "config.evaluate.postprocess")

    @property
    def sampler(self) -> Any:
        """How often each example comes; None for each once an epoch."""
        text = self.input.sampler
        return None if text is None else _sampler(text, "config.input.sampler")

    @property
    def measures(self) -> dict[str, Measure]:
        """What evaluation measures besides the confusion counts, by name."""
        return measures.parse(self.evaluate.measures, "config.evaluate.measures")


SECTIONS = {"input": Input, "train": Train, "evaluate": Evaluate, "audit": Audit}
REQUIRED = ("data", "input", "model", "loss", "optim", "train")
OPTIONAL = (
    "audit",
    "evaluate",
    "init_allow",
    "init_from",
    "init_under",
    "seed",
    "task",
)


def resolve(config: Mapping[str, Any] | ConfigDict) -> Config:
    """The checked config.

    Raises:
      UserError: with every problem that can be known before files and devices.
    """
    plain = tuples(config.to_dict() if hasattr(config, "to_dict") else config)
    plain = _set(plain)
    raise_problems(problems(plain))
    data = dict(plain["data"])
    return Config(
        plain=plain,
        seed=plain.get("seed", 0),
        task=plain.get("task", "multiclass"),
        train_split=data.pop("train_split", "train"),
        val_split=data.pop("val_split", "val"),
        data=data,
        input=Input(**plain["input"]),
        model=plain["model"],
        loss=plain["loss"],
        optim=_optim(plain),
        train=Train(**plain["train"]),
        evaluate=Evaluate(**plain.get("evaluate", {})),
        audit=Audit(**plain.get("audit", {})),
        init_from=plain.get("init_from") or None,
        init_allow=plain.get("init_allow") or (),
        init_under=plain.get("init_under") or "",
    )


def problems(plain: Mapping[str, Any]) -> list[str]:
    """Everything wrong with a plain config, as messages; empty if nothing is."""
    known = (*REQUIRED, *OPTIONAL)
    found = [
        unknown("section", k, known, f"config.{k}") for k in plain if k not in known
    ]
    found += [f"config.{k}: is missing. Add it." for k in REQUIRED if k not in plain]
    found += [
        f"config.{k}={plain[k]!r}: is no section; write dict(...)."
        for k in (*REQUIRED, "audit", "evaluate")
        if k in plain and not isinstance(plain[k], Mapping)
    ]
    if found:
        return found
    task = plain.get("task", "multiclass")
    if task not in TASKS:
        found.append(unknown("task", task, TASKS, f"config.task={task!r}"))
    if type(plain.get("seed", 0)) is not int or plain.get("seed", 0) < 0:
        found.append(f"config.seed={plain['seed']!r}: must be an integer from 0 up.")
    found += _init_problems(plain)
    found += _named(
        DATASETS, plain["data"], "config.data", ("train_split", "val_split")
    )
    found += _named(MODELS, plain["model"], "config.model")
    if task in TASKS:  # else each loss would say again that the task is wrong
        found += losses.problems(plain["loss"], task, "config.loss")
    found += optim.problems(plain["optim"], "config.optim")
    for name, section in SECTIONS.items():
        values = plain.get(name, {})
        here = signature_problems(f"config.{name}", section, values)
        found += here or _out_of_range(name, section(**values))
    return found or _crossed(plain)


def _init_problems(plain: Mapping[str, Any]) -> list[str]:
    """Problems of the three fields that say where the first weights come from."""
    found = [
        f"config.{field}={plain[field]!r}: is no text. Write it in quotes, or None."
        for field in ("init_from", "init_under")
        if not isinstance(plain.get(field), str | None)
    ]
    allow = plain.get("init_allow") or ()
    if not (isinstance(allow, tuple) and all(isinstance(p, str) for p in allow)):
        example = "('^head/',)"
        found.append(
            f"config.init_allow={allow!r}: is no tuple of regular expressions. Write "
            f"{example}."
        )
    else:
        found += masks.problems(allow, "config.init_allow")
    return found


def _named(table, section, where: str, also: tuple[str, ...] = ()) -> list[str]:
    """Problems of a section whose `name` picks a table's entry."""
    if "name" not in section:
        return [f"{where}.name: is missing. Known: {', '.join(table)}."]
    kwargs = {k: v for k, v in section.items() if k not in ("name", *also)}
    return table.problems(where, section["name"], kwargs)


def _out_of_range(name: str, section: Any) -> list[str]:
    found = []
    for field in dataclasses.fields(section):
        where = f"config.{name}.{field.name}"
        value = getattr(section, field.name)
        low = 0 if field.name in ("workers", "pictures") else 1
        if field.type is int and value < low:
            found.append(f"{where}={value}: is too small; {low} or more is allowed.")
        if field.name == "aux_weight" and not 0 <= value < math.inf:
            found.append(f"{where}={value}: must be 0 or more, and finite.")
        if field.name == "ema_decay" and not 0 <= value < 1:
            found.append(f"{where}={value}: must be from 0 up and below 1.")
        if field.name == "threshold" and not 0 < value < 1:
            found.append(f"{where}={value}: must be above 0 and below 1.")
        known = CHOICES.get(field.name, (value,))
        if value not in known:
            found.append(unknown(field.name, value, known, f"{where}={value!r}"))
        own = _ops if field.name.endswith("_ops") else None
        if value is not None and (parse := PARSERS.get(field.name, own)):
            try:
                parse(value, where)
            except UserError as error:
                found += error.problems
    return found


def _crossed(plain: Mapping[str, Any]) -> list[str]:
    """Contradictions between sections, each of them right by itself."""
    train_host, train_norm = _ops(plain["input"]["train_ops"], "config.input.train_ops")
    eval_ops = Input(**plain["input"]).eval_ops
    eval_host, eval_norm = _ops(eval_ops, "config.input.eval_ops")
    found = []
    if train_norm != eval_norm:
        found.append(
            f"config.input.eval_ops: has {eval_norm} and config.input.train_ops "
            f"{train_norm}; the network must see the same numbers. Make them equal."
        )
    found += [
        f"config.input.eval_ops: {op} is random; evaluation takes fixed ops alone. "
        "Remove it."
        for op in eval_host
        if ops.is_random(op)
    ]
    found += [
        f"config.input.eval_ops: {op} cuts or pads the image, and a prediction covers "
        "the whole of it. Use rescale or resize; padding for the model is done anyway."
        for op in eval_host
        if isinstance(op, ops.REFRAMING)
    ]
    try:
        model = make_model(plain["model"], num_outputs=1)
    except UserError as error:
        return found + error.problems
    sized = [op for op in train_host if hasattr(op, "height") and hasattr(op, "width")]
    if sized:
        sides = sized[-1].height, sized[-1].width
        near = [model.input_side(n - 2 * model.margin) for n in sides]
        if near != list(sides):
            found.append(
                f"config.input.train_ops: makes {sides[0]}x{sides[1]} and config.model "
                f"does not take such sides (stride {model.stride}). "
                f"Use {near[0]}x{near[1]}."
            )
    found += _declared(plain)
    way = Evaluate(**plain.get("evaluate", {})).protocol
    where = "config.evaluate.protocol"
    found += protocols.parse(way, where).problems(model, where)
    frames = plain["data"].get("frames", 1)
    if frames > 1 and not model.takes_clips:
        found.append(
            f"config.data.frames={frames}: {plain['model']['name']} takes single "
            "images; clips are for convlstm_unet and recurrent. Use frames=1 or one of "
            "these."
        )
    num_steps = plain["train"]["num_steps"]
    return found + optim.problems(plain["optim"], num_steps=num_steps)


def pixel_problems(section: Input, pixels: Pixels) -> list[str]:
    """Ops that do not take such images, and a `normalize` of other channels."""
    found = []
    for field in ("train_ops", "eval_ops"):
        where = f"config.input.{field}"
        found += ops.pixel_problems(
            *_ops(getattr(section, field), where), pixels, where
        )
    return found


def _declared(plain: Mapping[str, Any]) -> list[str]:
    """The same for the pixels that a config declares; files may declare them, too."""
    if plain["data"]["name"] == "prepared":
        return []
    try:
        own = {k: plain["data"][k] for k in ("channels", "depth") if k in plain["data"]}
        return pixel_problems(Input(**plain["input"]), Pixels(**own))
    except UserError as error:
        return error.problems


def make_model(section: Mapping[str, Any], num_outputs: int):
    """The model that the config's `model` section names."""
    kwargs = {k: v for k, v in section.items() if k != "name"}
    return MODELS[section["name"]](num_outputs=num_outputs, **kwargs)


def _optim(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser's section, which freezes what the model wants frozen, too."""
    frozen = make_model(plain["model"], num_outputs=1).frozen_paths
    if not frozen:
        return plain["optim"]
    return {**plain["optim"], "freeze": (*plain["optim"].get("freeze", ()), *frozen)}


def _ops(text: str, where: str) -> tuple[tuple, ops.Normalize]:
    return ops.split(opstring.parse(text, ops.OPS, where, ops.PRESETS), where)


def _sampler(text: str, where: str) -> Any:
    found = opstring.parse(text, SAMPLERS, where)
    if len(found) != 1:
        raise UserError(f"{where}={text!r}: names {len(found)} samplers; name one.")
    return found[0]


def _set(plain: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that stand there only to be open to overrides.

    So a run is the same experiment whether its config file opened them or not.
    """
    empty = {"init_from": None, "init_allow": (), "init_under": ""}
    plain = {k: v for k, v in plain.items() if k not in empty or v != empty[k]}
    if plain.get("audit") == dataclasses.asdict(Audit()):
        del plain["audit"]
    if isinstance(section := plain.get("evaluate"), dict):
        usual = dataclasses.asdict(Evaluate())
        open_ = ("protocol", "postprocess")
        rest = {k: v for k, v in section.items() if k not in open_ or v != usual[k]}
        plain = {k: v for k, v in plain.items() if k != "evaluate"}
        plain |= {"evaluate": rest} if rest else {}
    if isinstance(data := plain.get("data"), dict) and data.get("name") == "folder":
        usual = {"channels": RGB.channels, "depth": RGB.depth}
        plain["data"] = {k: v for k, v in data.items() if v != usual.get(k, ...)}
    optim_section = plain.get("optim")
    if isinstance(optim_section, dict) and optim_section.get("freeze") == ():
        rest = {k: v for k, v in optim_section.items() if k != "freeze"}
        plain["optim"] = rest
    return plain


def tuples(value: Any) -> Any:
    """Nested dicts with tuples for lists, as JSON knows lists alone."""
    if isinstance(value, Mapping):
        return {k: tuples(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(tuples(v) for v in value)
    return value


PARSERS = {
    "measures": measures.parse,
    "postprocess": steps.parse,
    "protocol": protocols.parse,
    "sampler": _sampler,
}
"""Fields of sections that hold an op string other than the ops of images."""
