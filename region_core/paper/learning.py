"""Teaching the region generator from previews: losses of boxes already tried, differentiable only in
the generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Categorical

from ..errors import InputError
from .anchors import CandidateSet
from .network import RegionGenerator


def expected_loss(logits: Tensor, losses: Tensor, previewed: Tensor) -> Tensor:
    """E[L] = sum_j p_j L_j over the boxes previewed, exactly: nothing is sampled.

    logits, losses [K, M]; previewed [K, M] bool. p is the softmax over all candidates, renormalised
    over those previewed, so a box's unknown loss pulls nowhere (it may be NaN). A constant added to
    the losses leaves the gradient p_j (L_j - E[L]) as it is.
    """
    _check(logits, losses, previewed)
    probabilities = logits[previewed].softmax(0)
    return (probabilities * losses[previewed].to(probabilities)).sum()


def gumbel_loss(logits: Tensor, losses: Tensor, previewed: Tensor, generator: torch.Generator) -> Tensor:
    """The paper's estimate: each anchor samples one of its sizes by straight-through
    Gumbel-softmax; the loss is the mean over anchors of the sampled boxes' losses.

    Forward takes the one-hot sample, backward the softmax (temperature 1). Sizes not previewed
    cannot be drawn; an anchor never previewed takes no part. `generator` (cpu) makes the noise.
    """
    _check(logits, losses, previewed)
    noise = gumbel_noise(logits.shape, generator)
    rows = previewed.any(dim=1)
    masked = (logits.float() + noise.to(logits.device)).masked_fill(~previewed, -torch.inf)[rows]
    soft = masked.softmax(dim=1)
    known = losses.float().masked_fill(~previewed, 0.0)[rows]
    return (straight_through(soft) * known).sum(dim=1).mean()


def straight_through(soft: Tensor) -> Tensor:
    """Probabilities [..., M] as one-hot rows of the likeliest, with the gradient of the probabilities."""
    hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard - soft.detach() + soft


def gumbel_noise(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Gumbel noise on the CPU: the largest of log p + noise is a draw from p."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float32).clamp(1e-10, 1 - 1e-7)
    return -(-uniform.log()).log()


def teach(
    module: RegionGenerator,
    optimizer: torch.optim.Optimizer,
    features: Tensor,
    candidates: CandidateSet,
    losses: Tensor,
    previewed: Tensor,
    steps: int,
    *,
    estimator: str = "expected",
    entropy: float = 0.1,
    generator: torch.Generator | None = None,
) -> list[float]:
    """`steps` cheap optimiser steps on what is known so far; the estimated loss before each step.

    features [D, h, w]; losses and previewed [K, M] or [K*M]. No image is made here: a step costs one
    pass through the small network. `estimator` is "expected" (exact) or "gumbel" (the paper's;
    wants a cpu `generator`). The exact one is held back by `entropy`, in standard deviations of the
    known losses: its optimum is p ~ exp(-L / (entropy * std)) rather than all on one box, so that
    it does not settle on the first good box, for ever, before the previews that show a better one.
    Works under `torch.inference_mode()`: it is left for the duration and what comes in is cloned;
    only `module` itself must have been built outside (`build_generator`).
    """
    if estimator not in ("expected", "gumbel") or (estimator == "gumbel" and generator is None):
        raise InputError(
            f"The estimator is '{estimator}' with generator {generator}; choose 'expected', or "
            "'gumbel' with a torch.Generator."
        )
    if any(p.is_inference() for p in module.parameters()):
        raise InputError(
            "The generator's weights were made in inference mode and cannot learn; make it with "
            "build_generator or load_generator."
        )
    with torch.inference_mode(False), torch.enable_grad():
        shape = candidates.shape
        device = next(module.parameters()).device
        features, cells, losses, previewed = (
            t.detach().clone().to(device) for t in (features, candidates.cells, losses, previewed)
        )
        losses, previewed = losses.reshape(shape), previewed.reshape(shape).bool()
        _check(losses, losses, previewed)
        # The floor keeps rounding noise among equal losses from passing for a preference.
        spread = losses[previewed].float().std(correction=0).clamp(min=1e-4)
        history: list[float] = []
        pooled = module.pool_boxes(features, cells)  # the same at every step
        for _ in range(steps):
            logits = module.judge_pooled(pooled)
            if generator is not None and estimator == "gumbel":
                objective = loss = gumbel_loss(logits, losses, previewed, generator)
            else:
                loss = expected_loss(logits, losses, previewed)
                objective = loss / spread - entropy * Categorical(logits=logits[previewed]).entropy()
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
            history.append(float(loss.detach()))
        return history


def _check(logits: Tensor, losses: Tensor, previewed: Tensor) -> None:
    if not logits.shape == losses.shape == previewed.shape:
        raise InputError(
            f"The logits, losses and previews have shapes {tuple(logits.shape)}, "
            f"{tuple(losses.shape)}, {tuple(previewed.shape)}; pass three of [K, M]."
        )
    if not bool(previewed.any()):
        raise InputError("No box has been previewed yet; preview one or more before learning.")
    if not bool(losses[previewed].isfinite().all()):
        raise InputError("A loss of a previewed box is not finite; leave that box out of `previewed`.")
