"""The search as published (Lin et al., "Text-Driven Image Editing via Learnable Regions", CVPR 2024).

Its defects mended and nothing else: gradients reach the generator, anchors and pooled boxes are where they belong, a
sampled box that was edited before is not edited again (all edits share one noise), and every edit that was made is
ranked. It knows no evidence from the text, and it cannot say that a thing is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..encode import EncodedPicture, reduced
from ..encoders import ClipScorer
from ..events import Progress
from ..find import Region
from ..paint import Edit, Painter, paint_regions
from ..rank import nan_to_neg_inf
from ..settings import EditSettings
from .anchors import place_candidates
from .learning import gumbel_noise, teach
from .losses import RegionLoss
from .network import RegionGenerator

KEPT = 8  # edits: of large pictures all would take gigabytes


@dataclass(frozen=True)
class Learned:
    """The best `KEPT` of the edits that were made, best first, the score of leaving the picture alone, and the windows
    [N, 4] that were laid, in pixels of the source."""

    edits: list[Edit]
    source_score: float
    windows: Tensor


def search(
    encoded: EncodedPicture,
    caption: str,
    prompt: str,
    module: RegionGenerator,
    *,
    painter: Painter,
    scorer: ClipScorer,
    settings: EditSettings,
    progress: Progress,
    prior: Tensor | None = None,
) -> Learned:
    """Rounds in which every anchor samples one size by Gumbel-softmax, all are edited in full, and the generator,
    which is taught in place, learns by the losses of the whole picture.

    With a prior mask [1, 1, H, W] anchors lie only where it is white. `learning` "exact" learns by the expected loss of
    all edits so far in place of the sampled one, "off" not at all. The score of an edit is the paper's:
    alpha cos(edit, prompt) + beta cos(edit, source).
    """
    paper, seed = settings.paper, settings.seed
    height, width = (int(side) for side in encoded.picture.rgb.shape[-2:])
    candidates = place_candidates(encoded.patches, height, width, paper, prior)
    maps, boxes = encoded.patches.features[0], candidates.boxes.cpu()
    texts = torch.cat([scorer.encode_text(prompt), scorer.encode_text(caption)])
    encoded.check_text(texts)
    loss = RegionLoss(scorer, encoded, texts, paper, seed)
    noise = torch.Generator("cpu").manual_seed(seed)
    losses = torch.zeros(len(boxes), dtype=torch.float32)
    edited = torch.zeros(len(boxes), dtype=torch.bool)
    with torch.inference_mode(False):
        optimizer = torch.optim.Adam(module.parameters(), lr=paper.lr)
    made: list[Edit] = []  # the best so far
    for _ in range(paper.per_image_iteration):
        with torch.no_grad():
            logits = module(maps, candidates.cells)
        drawn = draw_sizes(logits, noise)
        fresh = [j for j in drawn.tolist() if not edited[j]]
        if fresh:
            regions = [Region.from_box(boxes[j].tolist(), height, width) for j in fresh]
            edits = paint_regions(
                encoded.picture,
                regions,
                painter,
                seed=seed,
                settings=settings.paint,
                tint=False,
                on_step=progress.painting(regions[0]),
            )
            pictures = torch.cat([reduced(edit.stitched()[0].clamp(0, 1)) for edit in edits])
            losses[fresh], edited[fresh] = nan_to_worst(loss(pictures).total.cpu()), True
            made += _scored(edits, scorer.encode_images(pictures), encoded, texts, settings)
            made = sorted(made, key=lambda edit: edit.score, reverse=True)[:KEPT]
        expected = float("nan")
        if paper.learning != "off":
            history = teach(
                module,
                optimizer,
                maps,
                candidates,
                losses,
                edited,
                paper.generator_steps,
                generator=noise,
                estimator="gumbel" if paper.learning == "gumbel" else "expected",
            )
            expected = history[-1] if history else expected
        progress.round(boxes[drawn], losses[drawn], float(losses[edited].min()), expected, made[0])
    source = settings.rank.test_alpha * float(encoded.embedding[0].to(texts) @ texts[0]) + settings.rank.test_beta
    return Learned(made, source, boxes)


def draw_sizes(logits: Tensor, noise: torch.Generator) -> Tensor:
    """One candidate an anchor, drawn from the softmax over its sizes: logits [K, M] -> places [K]."""
    sizes = (logits.cpu() + gumbel_noise(logits.shape, noise)).argmax(dim=1)
    return torch.arange(len(logits)) * logits.shape[1] + sizes


def _scored(
    edits: list[Edit], seen: Tensor, encoded: EncodedPicture, texts: Tensor, settings: EditSettings
) -> list[Edit]:
    """The edits with their scores, by CLIP's embeddings [n, E] of their pictures."""
    text = settings.rank.test_alpha * (seen @ texts[0]).float().cpu()
    picture = settings.rank.test_beta * (seen @ encoded.embedding[0].to(seen)).float().cpu()
    score = nan_to_neg_inf(text + picture)
    return [
        replace(edit, score=value, rank_score=value, parts={"text": by_text, "picture": by_picture})
        for edit, value, by_text, by_picture in zip(edits, score.tolist(), text.tolist(), picture.tolist(), strict=True)
    ]


def nan_to_worst(losses: Tensor) -> Tensor:
    """losses [n], where one that is no number (an edit that a model spoilt) is as bad as the worst."""
    sound = losses.isfinite()
    worst = losses[sound].max() if bool(sound.any()) else losses.new_zeros(())
    return torch.where(sound, losses, worst)
