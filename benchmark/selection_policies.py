"""Ways to choose which candidates to look at, on scenes where every look's loss is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from region_core.generator.learning import gumbel_noise, optimizer_for, teach
from region_core.generator.network import RegionGenerator, build_generator
from region_core.settings import SearchSettings

from .scored_scenes import Known

FASTER = 60  # a prior's weights shared by all boxes learn so many times faster than the rest


@dataclass(frozen=True)
class Found:
    """What a number of looks came to: the least loss seen, above the least there is (`regret`), and
    the IoU of that look's box.
    """

    regret: float
    overlap: float


def found(known: Known, looks: list[int]) -> Found:
    """What the looks (places among the candidates) came to."""
    best = looks[int(known.losses[looks].argmin())]
    return Found(float(known.losses[best] - known.losses.min()), float(known.overlaps[best]))


def at_random(known: Known, budget: int) -> Found:
    """What `budget` looks at random come to on average: exactly, not by drawing.

    The i-th best of n candidates is the best seen with probability C(n-1-i, b-1) / C(n, b).
    """
    n = len(known.losses)
    order = known.losses.argsort(stable=True)
    log = torch.arange(n + 1, dtype=torch.float64).clamp(min=1).log().cumsum(0)  # log of factorials

    def choose(a: Tensor, b: int) -> Tensor:
        return (log[a.clamp(min=b)] - log[b] - log[(a - b).clamp(min=0)]).exp() * (a >= b)

    chance = choose(n - 1 - torch.arange(n), budget - 1) / choose(torch.tensor(n), budget)
    regret = (known.losses - known.losses.min())[order].double()
    return Found(float((chance * regret).sum()), float((chance * known.overlaps[order]).sum()))


def by_screen(known: Known, budget: int) -> Found:
    """The first `budget` candidates in the screen's order: nothing is learned."""
    return found(known, known.screen.argsort(descending=True, stable=True)[:budget].tolist())


def by_learning(known: Known, budget: int, settings: SearchSettings, *, reads_screen: bool,
                with_screen: bool = False, prior: RegionGenerator | None = None, seed: int = 0,
                ) -> Found:
    """Looks chosen by a region generator that is taught on every look so far.

    A look is drawn from the generator's own probabilities, without putting back: the best box so far
    for ever would teach it nothing about the others, and a fresh generator begins as chance does.
    `with_screen` adds the screen's order to its opinion, as the search does where it looks beside a
    screen. A `prior` was taught on other scenes; it is copied, not changed.
    `reads_screen`: whether it is given the screen's numbers beside DINO's features.
    """
    count = len(known.losses)
    extra = known.extra if reads_screen else None
    shape = known.candidates.shape
    generator = torch.Generator().manual_seed(seed)
    module = build_generator(known.features.shape[0], shape[1], seed,
                             extra_dim=known.extra.shape[1] if reads_screen else 0)
    if prior is not None:
        module.load_state_dict(prior.state_dict())
    optimizer = optimizer_for(module, settings.lr)

    def opinion() -> Tensor:
        with torch.no_grad():
            logits = module(known.features, known.candidates.cells, extra)
        return logits.flatten().log_softmax(0)

    wish_before = torch.zeros(count)
    if with_screen:
        wish_before = (known.screen - known.screen.mean()) / known.screen.std().clamp(min=1e-6)
    looks: list[int] = []
    while len(looks) < budget:
        room = min(settings.previews_per_round, budget - len(looks))
        wish = wish_before + opinion() + gumbel_noise(wish_before.shape, generator)
        wish[looks] = -torch.inf
        looks += wish.argsort(descending=True, stable=True)[:room].tolist()
        looked = torch.zeros(count, dtype=torch.bool)
        looked[looks] = True
        losses = known.losses
        if len(looks) > 1:
            values = losses[looked]
            losses = (losses - values.mean()) / values.std().clamp(min=1e-6)
        teach(module, optimizer, known.features, known.candidates, losses, looked,
              settings.generator_steps, extra=extra)
    return found(known, looks)


def learn_prior(scenes: list[Known], settings: SearchSettings, *, reads_screen: bool,
                passes: int = 10, lr: float = 5e-4, seed: int = 0) -> RegionGenerator:
    """A region generator taught on all candidates of many scenes, for `passes` over them."""
    first = scenes[0]
    module = build_generator(first.features.shape[0], first.candidates.shape[1], seed,
                             extra_dim=first.extra.shape[1] if reads_screen else 0)
    optimizer = optimizer_for(module, lr, shared=FASTER, own=1.0)
    shuffle = torch.Generator().manual_seed(seed)
    for _ in range(passes):
        for index in torch.randperm(len(scenes), generator=shuffle).tolist():
            scene = scenes[index]
            teach(module, optimizer, scene.features, scene.candidates, scene.losses,
                  torch.ones(len(scene.losses), dtype=torch.bool), 1,
                  extra=scene.extra if reads_screen else None)
    return module
