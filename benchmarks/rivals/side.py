"""PyTorch's side of a contest: a training loop and a prediction at their best."""

import dataclasses
import os
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import batches, contestant, forms, rivals
from segjax.core.keys import IGNORE

MODES = {
    "eager": None,
    "compiled": dict(mode="default"),
    "graphs": dict(mode="reduce-overhead"),  # CUDA graphs
    "frozen": dict(options={"freezing": True}),  # norms folded; prediction alone
}
"""Way of running -> arguments of `torch.compile`, or None without it."""


def device() -> torch.device:
    """The GPU if PyTorch has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Job:
    """What training and prediction share.

    Args:
      way: a name of `MODES`; with `_nchw` behind it without `channels_last`.
    """

    def __init__(self, form: forms.Form, way: str = "eager"):
        self.form, self.device = form, device()
        mode, _, layout = way.partition("_")
        self.mode = MODES[mode]
        self.layout = (
            torch.contiguous_format if layout == "nchw" else torch.channels_last
        )
        torch.manual_seed(0)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        net = rivals.make(form.model, form.classes, form.options)
        self.net = net.to(self.device, memory_format=self.layout)
        scale = 1 / (255 * torch.tensor(forms.STD))
        shift = torch.tensor(forms.MEAN) / torch.tensor(forms.STD)
        self.scale = scale.view(3, 1, 1).to(self.device)
        self.shift = shift.view(3, 1, 1).to(self.device)

    def pixels(self, form: forms.Form) -> torch.Tensor:
        """uint8, channels before the grid, in memory as `layout` says."""
        image = torch.from_numpy(batches.pixels(form)).movedim(-1, -3)
        if image.ndim == 4:
            return image.to(self.device).contiguous(memory_format=self.layout)
        if self.layout is torch.contiguous_format:
            image = image.contiguous()
        return image.to(self.device)  # of a clip, the channels lie last as they are

    def normalized(self, image: torch.Tensor) -> torch.Tensor:
        """`(image / 255 - mean) / std`, in float32."""
        return image * self.scale - self.shift

    def autocast(self):
        """bfloat16 where the form says so."""
        low = self.form.dtype == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=low)

    def compile(self, function):
        """`function` as the mode runs it."""
        if self.mode is None:
            return function
        return torch.compile(function, dynamic=False, **self.mode)

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def kinds_of_turns(self) -> tuple[str, ...]:
        """What `turn` can be asked for."""
        return self.kinds

    def facts(self) -> dict[str, Any]:
        """Parameters and versions."""
        cuda = self.device.type == "cuda"
        return {
            "parameters": sum(p.numel() for p in self.net.parameters()),
            "version": f"torch {torch.__version__}",
            "device": torch.cuda.get_device_name() if cuda else "cpu",
            "threads": torch.get_num_threads(),
        }

    def memory(self) -> dict[str, int | None]:
        """Peaks so far, in MiB: of the process, and of the device's own memory."""
        device_mib = None
        if self.device.type == "cuda":
            device_mib = round(torch.cuda.max_memory_allocated() / 2**20)
        return {"process_mib": contestant.peak_mib(), "device_mib": device_mib}

    @torch.no_grad()
    def peaks(self, side: int, mib: int) -> dict[str, float]:
        """Operations a second of a matrix product, bytes a second of a copy."""
        dtype = getattr(torch, self.form.dtype)
        matrix = torch.randn(side, side, device=self.device).to(dtype)
        array = torch.zeros(mib * 2**18, device=self.device)
        into, product = torch.empty_like(array), torch.empty_like(matrix)
        flops = 2 * side**3 / self._best(lambda: torch.mm(matrix, matrix, out=product))
        seconds = self._best(lambda: torch.add(array, 1, out=into))
        return {"flops": flops, "bytes": 2 * array.nbytes / seconds}

    def _best(self, function, calls: int = 5) -> float:
        function()
        self.wait()
        seconds = []
        for _ in range(calls):
            begin = time.perf_counter()
            function()
            self.wait()
            seconds.append(time.perf_counter() - begin)
        return min(seconds)

    @torch.no_grad()
    def answer(self, shape: tuple[int, ...]) -> tuple[dict, np.ndarray, np.ndarray]:
        """State dict, an image and the logits that they give, in float32."""
        image = np.random.default_rng(2).standard_normal(shape, dtype=np.float32)
        self.net.eval()
        x = torch.from_numpy(image).movedim(-1, -3).to(self.device)
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
        logits, _ = both(self.net(x))
        state = {k: v.cpu().numpy() for k, v in self.net.state_dict().items()}
        return state, image, logits.movedim(1, -1).cpu().numpy()


class Train(Job):
    """The usual loop on one batch that lies on the device; nothing waits for a loss."""

    kinds = ("step",)

    def __init__(self, form: forms.Form, way: str = "eager"):
        super().__init__(form, way)
        decaying = [p for p in self.net.parameters() if p.ndim > 1]
        others = [p for p in self.net.parameters() if p.ndim <= 1]
        chosen = forms.OPTIMISER
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decaying, "weight_decay": chosen["weight_decay"]},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=chosen["learning_rate"],
            betas=(chosen["b1"], chosen["b2"]),
            eps=chosen["eps"],
            fused=True,
        )
        self.parameters = list(self.net.parameters())
        self.net.train()
        self.image = self.pixels(form)
        self.label = torch.from_numpy(batches.labels(form)).to(self.device)
        self.forward = self.compile(self._loss)
        self.loss = None

    def _loss(self, image, label):
        with self.autocast():
            logits, aux = both(self.net(self.normalized(image)))
        label = label.long()
        entropy = nn.functional.cross_entropy
        loss = entropy(logits.float(), label, ignore_index=IGNORE)
        if aux is not None:
            more = entropy(aux.float(), label, ignore_index=IGNORE)
            loss = loss + forms.AUX_WEIGHT * more
        return loss

    def _step(self, forward) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        self.loss = forward(self.image, self.label)
        self.loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, forms.CLIP_NORM, foreach=True)
        self.optimiser.step()

    def ready(self) -> dict[str, float]:
        """Seconds until the first step is done."""
        return {"first_seconds": self.turn("step", 1)[0]}

    def turn(self, kind: str, steps: int) -> list[float]:
        """Seconds a step, waiting only behind the last of them."""
        begin = time.perf_counter()
        for _ in range(steps):
            self._step(self.forward)
        self.wait()
        return [(time.perf_counter() - begin) / steps]

    def value(self) -> float:
        """The last loss."""
        return float(self.loss.detach())

    def flops(self) -> dict[str, int]:
        """Of convolutions and products of a step, as PyTorch counts them."""
        return {"step": _counted(self._step, self._loss)}


class Predict(Job):
    """Pixels on the device to class ids: the forward pass and the largest logit."""

    kinds = ("latency", "throughput")

    def __init__(self, form: forms.Form, way: str = "eager"):
        super().__init__(form, way)
        self.net.eval()
        self.images = {
            "latency": self.pixels(dataclasses.replace(form, batch=1)),
            "throughput": self.pixels(form),
        }
        self.forward = {kind: self.compile(self._ids) for kind in self.kinds}
        self.ids = None

    def _ids(self, image):
        with self.autocast():
            logits, _ = both(self.net(self.normalized(image)))
        return logits.argmax(1).to(torch.uint8)

    def ready(self) -> dict[str, float]:
        """Seconds until the first image is done."""
        first = self.turn("latency", 1)[0]
        self.turn("throughput", 1)
        return {"first_seconds": first}

    @torch.no_grad()
    def turn(self, kind: str, calls: int) -> list[float]:
        """Seconds of each call; for throughput of all, waiting behind the last."""
        seconds, begin = [], time.perf_counter()
        for _ in range(calls):
            self.ids = self.forward[kind](self.images[kind])
            if kind == "latency":
                self.wait()
                end = time.perf_counter()
                seconds.append(end - begin)
                begin = end
        if kind == "latency":
            return seconds
        self.wait()
        return [(time.perf_counter() - begin) / calls]

    def value(self) -> float:
        """The mean class id."""
        return float(self.ids.float().mean())

    @torch.no_grad()
    def flops(self) -> dict[str, int]:
        """Of convolutions and products of a call, as PyTorch counts them."""
        return {kind: _counted(self._ids, self.images[kind]) for kind in self.kinds}


def _counted(function, *arguments) -> int:
    with FlopCounterMode(display=False) as counter:
        function(*arguments)
    return counter.get_total_flops()


def both(outputs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Logits, and those of an auxiliary head where there is one."""
    return outputs if isinstance(outputs, tuple) else (outputs, None)
