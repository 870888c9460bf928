"""The paper's procedure with its learning repaired: sample, edit in full, learn, rank every edit."""

from __future__ import annotations

import torch
from torch import Tensor

from region_core.generator.learning import gumbel_noise, teach
from region_core.generator.losses import LossWeights, RegionLoss
from region_core.generator.network import build_generator
from region_core.proposals.propose import place_candidates

from ..painting import Method, Outcome, Setup, paint, whole
from ..worlds.task import Task

ROUNDS = 10


def paper(lr: float = 5e-3, steps: int = 8) -> Method:
    """The row `paper`: in each of 10 rounds every anchor draws one size by Gumbel-softmax, all are
    edited at full steps, and the generator is taught by the paper's losses on the whole picture (no
    area, no crops). Every edit made is ranked by 2 x text + 1 x image similarity.

    In its favour: gradients reach the generator, anchors and RoIs are where they belong, all edits
    share one noise (so a box drawn again need not be painted again), and the generator takes
    `steps` steps a round on all losses so far.
    """
    def run(task: Task, setup: Setup) -> Outcome:
        settings, seed, models = setup.settings("standard"), setup.seed, setup.models
        source, inpainter = task.picture, setup.inpainter
        features = models.dino(source)
        candidates = place_candidates(features, *task.size, settings)
        maps = features.features[0]
        module = build_generator(maps.shape[0], candidates.shape[1], seed)
        optimizer = torch.optim.Adam(module.parameters(), lr=lr)
        noise = torch.Generator().manual_seed(seed)
        weights = LossWeights(area=0.0, crop=0.0)
        loss = RegionLoss(models.scorer, task.caption, task.prompt, weights, views=settings.views,
                          seed=seed).bind(source)
        losses = torch.zeros(len(candidates))
        looked = torch.zeros(len(candidates), dtype=torch.bool)
        edits: dict[int, Tensor] = {}
        for _ in range(ROUNDS):
            with torch.no_grad():
                logits = module(maps, candidates.cells)
            drawn = draw_sizes(logits, noise)
            fresh = [j for j in drawn.tolist() if j not in edits]
            if fresh:
                pictures = paint(source, candidates.boxes[fresh], inpainter, settings, seed)
                edits.update(zip(fresh, pictures, strict=True))
                losses[fresh] = loss(pictures, candidates.boxes[fresh]).total.cpu()
                looked[fresh] = True
            teach(module, optimizer, maps, candidates, losses, looked, steps,
                  estimator="gumbel", generator=noise)
        made = sorted(edits)
        pictures = torch.stack([edits[j] for j in made])
        embeddings = models.scorer.encode_images(pictures)
        text = (embeddings @ models.scorer.encode_text(task.prompt).T)[:, 0]
        image = (embeddings @ models.scorer.encode_images(source).T)[:, 0]
        best = int((settings.test_alpha * text + settings.test_beta * image).argmax())
        return Outcome(pictures[best], whole(candidates.boxes[made[best]]))
    return run


def draw_sizes(logits: Tensor, noise: torch.Generator) -> Tensor:
    """One candidate an anchor, drawn from the softmax over its sizes: logits [K, M] -> places [K]."""
    sizes = (logits.cpu() + gumbel_noise(logits.shape, noise)).argmax(dim=1)
    return torch.arange(len(logits)) * logits.shape[1] + sizes
