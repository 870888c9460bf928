"""How far can a cheap look be trusted? Its order of the candidates against the full edit's."""

from __future__ import annotations

import argparse
import warnings

import torch
from scipy import stats
from torch import Tensor
from tqdm import tqdm

from region_core.demo.models import load_shapes_models, shapes_settings
from region_core.demo.scenes import SIZE, Edit, Scene
from region_core.demo.worlds import held_out
from region_core.encoders.loading import Models
from region_core.files import write_json
from region_core.find.anchors import place_candidates
from region_core.paper.losses import LossWeights, RegionLoss
from region_core.settings import SearchSettings

from .painting import inpainter_of, paint, picture_of
from .tables import interval

SEED = 42
LOOKS = ((2, 1.0), (4, 1.0), (8, 1.0), (4, 3.0))  # (sampling steps, guidance)
Way = tuple[int, float, bool]  # and whether each candidate has a noise of its own


def main(args: argparse.Namespace) -> int:
    """The `rank` command: args.scenes, .seed, .candidates, .json."""
    models, settings = load_shapes_models(), shapes_settings("standard")
    full = (settings.steps, settings.guidance_scale, False)
    looks = dict.fromkeys((*LOOKS, (settings.preview_steps, settings.preview_guidance)))
    ways: list[Way] = [(*look, False) for look in looks]
    ways += [(settings.preview_steps, settings.preview_guidance, True), (*full[:2], True)]
    rows = []
    for index in tqdm(range(args.scenes), unit="scene"):
        scene, edit = held_out(args.seed, index)
        losses = losses_of(scene, edit, models, settings, args.candidates, SEED + index, [*ways, full])
        rows.append([spearman(losses[way], losses[full]) for way in ways])
    values = torch.tensor(rows, dtype=torch.float64)
    print(
        f"{args.scenes} replace scenes of seed {args.seed}, {args.candidates} candidates each, ranked "
        f"by their loss; the full edit has {full[0]} steps at guidance {full[1]:g}\n"
    )
    print("| steps | guidance | noise | UNet evaluations | rank correlation | 95 % interval |")
    print("|---" * 6 + "|")
    for number, (steps, guidance, own) in enumerate(ways):
        column = values[:, number]
        low, high = interval(column.tolist())
        noise = "each its own" if own else "common"
        print(
            f"| {steps} | {guidance:g} | {noise} | {steps * (2 if guidance > 1 else 1)} | "
            f"{column.mean():.2f} | {low:.2f} to {high:.2f} |"
        )
    if args.json:
        write_json(
            args.json,
            {
                "seed": args.seed,
                "scenes": args.scenes,
                "full": full[:2],
                "looks": [
                    {"steps": steps, "guidance": guidance, "own_noise": own, "per_scene": values[:, n].tolist()}
                    for n, (steps, guidance, own) in enumerate(ways)
                ],
            },
        )
    return 0


def losses_of(
    scene: Scene, edit: Edit, models: Models, settings: SearchSettings, count: int, seed: int, ways: list[Way]
) -> dict[Way, Tensor]:
    """(steps, guidance, own noise) -> losses [n] of `count` candidates spread over all."""
    source = picture_of(scene)
    every = place_candidates(models.dino(source), SIZE, SIZE, settings).boxes
    boxes = every[torch.linspace(0, len(every) - 1, min(count, len(every))).round().long()]
    inpainter = inpainter_of(models, edit)
    texts = torch.cat([models.scorer.encode_text(text) for text in (edit.prompt, edit.caption)])
    loss = RegionLoss(models.scorer, source, texts, LossWeights.of(settings), settings.views, seed)
    return {
        (steps, guidance, own): loss(
            paint(
                source,
                boxes,
                inpainter,
                settings.with_values(steps=steps, guidance_scale=guidance),
                seed,
                own_noise=own,
            ),
            boxes,
        ).total.cpu()
        for steps, guidance, own in ways
    }


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman's rank correlation of values [n]; NaN where all values of one are equal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.spearmanr(a.numpy(), b.numpy()).statistic)
