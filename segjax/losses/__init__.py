"""Losses: pure functions of logits and labels, and their weighted sum."""

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Integer

from segjax.core.errors import raise_problems
from segjax.core.tables import Table, parameters, unknown
from segjax.losses import weights
from segjax.losses.hard import ohem
from segjax.losses.lovasz import lovasz
from segjax.losses.masking import Task
from segjax.losses.pixel import (
    ClassWeights,
    binary_cross_entropy,
    cross_entropy,
    focal,
)
from segjax.losses.region import dice, iou

LOSSES = Table(
    "loss",
    {
        "binary_cross_entropy": binary_cross_entropy,
        "cross_entropy": cross_entropy,
        "dice": dice,
        "focal": focal,
        "iou": iou,
        "lovasz": lovasz,
        "ohem": ohem,
    },
    given=("logits", "labels", "task"),
)

RANGES = {
    "gamma": ("0 or more", lambda x: x >= 0),
    "label_smoothing": ("0 up to, not including, 1", lambda x: 0 <= x < 1),
    "min_share": ("0 to 1", lambda x: 0 <= x <= 1),
    "pos_weight": ("above 0", lambda x: x > 0),
    "smooth": ("0 or more", lambda x: x >= 0),
    "threshold": ("above 0, up to 1", lambda x: 0 < x <= 1),
    "weight": ("0 or more", lambda x: x >= 0),
}
"""Option -> what is allowed in words, and as a test; finite is asked of all."""


def make(
    terms: Mapping[str, Mapping[str, Any]],
    task: str,
    class_weights: Mapping[str, ClassWeights] | None = None,
) -> Callable:
    """The weighted sum of losses.

    Args:
      terms: loss name -> its keyword arguments and `weight` (1 by default):
        `{"cross_entropy": {"label_smoothing": 0.1}, "dice": {"weight": 0.5}}`.
      task: `"multiclass"` or `"binary"`.
      class_weights: loss name -> `K` numbers in place of the rule in `terms`, as
        `class_weights` gives them; they may be arguments of a program that is traced.

    Returns:
      `loss_fn(logits, labels) -> (total, parts)`, pure and for the global batch;
      `parts` is loss name -> value *before* its weight.

    Raises:
      UserError: with every problem of `terms` (see `problems`).
    """
    raise_problems(problems(terms, task))
    plain = {name: _plain(kwargs) for name, kwargs in terms.items()}
    for name, numbers in (class_weights or {}).items():
        plain[name]["class_weights"] = numbers
    scales = {name: kwargs.pop("weight", 1.0) for name, kwargs in plain.items()}
    losses = {
        name: partial(LOSSES[name], task=task, **kwargs)
        for name, kwargs in plain.items()
    }

    def loss_fn(logits, labels):
        parts = {name: loss(logits, labels) for name, loss in losses.items()}
        return sum(scales[name] * value for name, value in parts.items()), parts

    return loss_fn


def ruled(terms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Loss name -> the rule that its class weights follow, where they follow one."""
    rules = {name: options.get("class_weights") for name, options in terms.items()}
    return {name: rule for name, rule in rules.items() if isinstance(rule, str)}


def class_weights(
    terms: Mapping[str, Mapping[str, Any]], counts: Integer[np.ndarray, "K"]
) -> dict[str, tuple[float, ...]]:
    """Loss name -> what its rule gives, where it follows one; for `make`.

    Args:
      terms: as for `make`.
      counts: pixels of each class in the training set.

    Raises:
      UserError: no class has a pixel, or a rule gives what `problems` refuses.
    """
    found = {name: weights.resolve(rule, counts) for name, rule in ruled(terms).items()}
    refused = []
    for name, numbers in found.items():
        where = f"config.loss.{name}"
        refused += _class_weight_problems(where, numbers, len(counts))
    raise_problems(refused)
    return found


def tasks(name: str) -> tuple[str, ...]:
    """The tasks that the loss `name` is meant for: its `task` annotation."""
    return typing.get_args(
        inspect.signature(LOSSES[name]).parameters["task"].annotation
    )


def problems(
    terms: Mapping[str, Any],
    task: str,
    where: str = "config.loss",
    num_classes: int | None = None,
) -> list[str]:
    """All that is wrong with `terms`, without calling anything.

    Args:
      terms: as for `make`.
      task: the task's name.
      where: dotted path of `terms` in the config, for messages.
      num_classes: `K`, where known; class weights must then be as many.
    """
    if task not in typing.get_args(Task):
        return [unknown("task", task, typing.get_args(Task), f"task={task!r}")]
    if not terms:
        return [f"{where}: is empty; name one loss at least: {', '.join(LOSSES)}."]
    found = []
    for name, kwargs in terms.items():
        at = f"{where}.{name}"
        if name not in LOSSES:
            found.append(unknown(LOSSES.kind, name, LOSSES, at))
            continue
        if task not in tasks(name):
            fit = ", ".join(n for n in LOSSES if task in tasks(n))
            found.append(f"{at}: is not for task {task!r}; use one of {fit}.")
        if not isinstance(kwargs, Mapping):
            found.append(
                f"{at}={kwargs!r}: is not a mapping; write its options in {{}}."
            )
            continue
        known = {"weight", *parameters(LOSSES[name], LOSSES.given)}
        found += [
            unknown("option", key, known, f"{at}.{key}")
            for key in kwargs.keys() - known
        ]
        options = {k: v for k, v in kwargs.items() if k in known - {"weight"}}
        found += LOSSES.problems(at, name, options)
        found += _range_problems(at, kwargs)
        found += _class_weight_problems(
            at, kwargs.get("class_weights"), 2 if task == "binary" else num_classes
        )
    if not found and not any(k.get("weight", 1.0) for k in terms.values()):
        found.append(f"{where}: every weight is 0; one at least must be above 0.")
    return found


def _range_problems(where: str, kwargs: Mapping[str, Any]) -> list[str]:
    found = []
    for key in sorted(set(RANGES) & set(kwargs)):
        value, (allowed, holds) = kwargs[key], RANGES[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            if key == "weight":  # the losses' signatures declare the other types
                found.append(f"{where}.{key}={value!r}: is no number; use {allowed}.")
        elif not (math.isfinite(value) and holds(value)):
            found.append(f"{where}.{key}={value!r}: is out of range; use {allowed}.")
    return found


def _class_weight_problems(where: str, value: Any, count: int | None) -> list[str]:
    where = f"{where}.class_weights"
    if isinstance(value, str):
        return weights.problems(value, where)
    if not isinstance(value, (tuple, list)):
        return []  # None, or a type that the signature refuses
    where = f"{where}={tuple(value)}"
    if count is not None and len(value) != count:
        return [
            f"{where}: has {len(value)} numbers; there are {count} classes. Give each "
            "class one."
        ]
    numbers = [v for v in value if isinstance(v, (int, float))]
    if not all(math.isfinite(v) and v >= 0 for v in numbers) or not any(numbers):
        return [f"{where}: must be finite, 0 or more, and not all 0. Mend the numbers."]
    return []


def _plain(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with numbers as floats and sequences as tuples, as the losses declare."""

    def convert(value):
        if isinstance(value, (tuple, list)):
            return tuple(convert(v) for v in value)
        return float(value) if type(value) is int else value

    return {key: convert(value) for key, value in kwargs.items()}
