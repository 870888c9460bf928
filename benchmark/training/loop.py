"""What the trainings share: the learning rate's course, the running mean of weights, going on where one stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import get_cosine_schedule_with_warmup


class Average:
    """The running mean of a model's weights, which is what is saved; of late steps it keeps 0.99 each."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = {k: v.clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        share = min(0.99, (step + 1) / (step + 10))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[key].lerp_(value, 1 - share)
            else:
                self.weights[key].copy_(value)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The mean."""
        return self.weights

    def load_state_dict(self, weights: dict[str, torch.Tensor]) -> None:
        """Go on from another run's mean."""
        self.weights = weights


class Training:
    """An optimiser's steps up to `total`, with a warm-up and half a cosine, that can be gone on with.

    `parts` are what a checkpoint at `file` holds beside them: anything with `state_dict` and
    `load_state_dict`. Where there is a checkpoint they are loaded, and `start` is its step.
    """

    def __init__(self, file: Path, optimizer: torch.optim.Optimizer, warm: int, total: int, **parts: Any) -> None:
        self.file, self.optimizer, self.start = file, optimizer, 0
        self.schedule = get_cosine_schedule_with_warmup(optimizer, warm, total)
        self.parts = {**parts, "optimizer": optimizer, "schedule": self.schedule}
        self.limited = [p for group in optimizer.param_groups for p in group["params"]]
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            saved = torch.load(file, weights_only=True)
            for name, part in self.parts.items():
                part.load_state_dict(saved[name])
            self.start = saved["step"]

    def step(self, loss: torch.Tensor) -> None:
        """Move against the gradient of `loss`, of norm 1 at most."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.limited, 1.0)
        self.optimizer.step()
        self.schedule.step()

    def keep(self, step: int) -> None:
        """Write a checkpoint after so many steps, whole or not at all."""
        draft = self.file.with_suffix(".tmp")
        torch.save({**{name: part.state_dict() for name, part in self.parts.items()}, "step": step}, draft)
        os.replace(draft, self.file)
