"""The search as published (Lin et al., "Text-Driven Image Editing via Learnable Regions", CVPR 2024).

Its defects mended and nothing else: gradients reach the generator, anchors and pooled boxes are where
they belong, a sampled box that was edited before is not edited again (all edits share one noise), and
every edit that was made is ranked. It knows no evidence from the text: it is there to compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..boxes import descending
from ..encoders import PatchFeatures
from ..events import SearchProgress
from ..find.anchors import place_candidates
from ..find.regions import PictureEvidence
from ..paint.canvas import Canvas, Work
from ..rank import last
from ..settings import SearchSettings
from .learning import gumbel_noise, teach
from .losses import RegionLoss
from .network import RegionGenerator
from .trainer import numbers_of


@dataclass(frozen=True)
class Published:
    """All edits, best first: the finished work, the parts of the number that put them in order, and
    that number [n] itself, `alpha cos(edit, prompt) + beta cos(edit, source)`; the source's own."""

    work: Work
    parts: dict[str, Tensor]
    score: Tensor
    source_score: float


def search_as_published(
    canvas: Canvas,
    features: PatchFeatures,
    evidence: PictureEvidence,
    module: RegionGenerator,
    settings: SearchSettings,
    progress: SearchProgress,
    prior: Tensor | None = None,
) -> Published:
    """Rounds in which every anchor samples one size by Gumbel-softmax, all are edited in full, and the
    generator learns by the losses of the whole picture.

    With a prior mask [1, 1, H, W] anchors lie only where it is white. `settings.learning` "exact" learns by the
    expected loss of all edits so far in place of the sampled one, "off" not at all.
    """
    candidates = place_candidates(features, canvas.height, canvas.width, settings, prior)
    maps = features.features[0]
    loss = RegionLoss.of(evidence, settings)
    noise = torch.Generator("cpu").manual_seed(settings.seed)
    boxes = candidates.boxes.cpu()
    losses, edited = torch.zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.bool)
    with torch.inference_mode(False):
        optimizer = torch.optim.Adam(module.parameters(), lr=settings.lr)
    done: dict[int, Work] = {}
    best: tuple[float, Tensor, Tensor] | None = None
    for _ in range(settings.per_image_iteration):
        with torch.no_grad():
            logits = module(maps, candidates.cells)
        drawn = draw_sizes(logits, noise)
        fresh = [j for j in drawn.tolist() if j not in done]
        if fresh:
            work = canvas.begin(boxes[fresh], settings.steps)
            work = canvas.decoded(canvas.advance(work, settings.steps, settings.guidance_scale))
            pictures = canvas.pictures(work)
            values = numbers_of(loss(pictures, canvas.small_boxes(boxes[fresh])).total.cpu())
            losses[fresh], edited[fresh] = values, True
            done.update({j: work.select([place]) for place, j in enumerate(fresh)})
            least = int(values.argmin())
            if best is None or float(values[least]) < best[0]:
                best = float(values[least]), pictures[least : least + 1].clone(), boxes[fresh[least]]
        expected = float("nan")
        if settings.learning != "off":
            history = teach(
                module,
                optimizer,
                maps,
                candidates,
                losses,
                edited,
                settings.generator_steps,
                generator=noise,
                estimator="gumbel" if settings.learning == "gumbel" else "expected",
            )
            expected = history[-1] if history else expected
        assert best is not None
        progress.previewed(boxes[drawn], torch.cat([losses[list(done)], losses[drawn]]), expected, best[1], best[2])
    return _ranked(canvas, [done[j] for j in sorted(done)], evidence, settings, progress)


def draw_sizes(logits: Tensor, noise: torch.Generator) -> Tensor:
    """One candidate an anchor, drawn from the softmax over its sizes: logits [K, M] -> places [K]."""
    sizes = (logits.cpu() + gumbel_noise(logits.shape, noise)).argmax(dim=1)
    return torch.arange(len(logits)) * logits.shape[1] + sizes


@torch.inference_mode()
def _ranked(
    canvas: Canvas, works: list[Work], evidence: PictureEvidence, settings: SearchSettings, progress: SearchProgress
) -> Published:
    pictures = torch.cat([canvas.pictures(work) for work in works])
    embeddings = evidence.scorer.encode_images(pictures)
    text = settings.test_alpha * (embeddings @ evidence.texts[0]).float().cpu()
    picture = settings.test_beta * (embeddings @ evidence.embedding[0]).float().cpu()
    score = last(text + picture)
    order = descending(score)
    source = settings.test_alpha * float(evidence.embedding[0] @ evidence.texts[0]) + settings.test_beta
    work = Work.cat([works[place] for place in order.tolist()])
    progress.finished(work.boxes, pictures[order[:1]], float(score[order[0]]))
    return Published(work, {"text": text[order], "picture": picture[order]}, score[order], source)
