"""DiffEdit's mask: where do noise predictions under the two texts differ? Then inpaint there."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from region_core.errors import InputError
from region_core.paint.diffusers_painter import DiffusersInpainter

from ..painting import Method, Outcome, Setup, painted
from ..worlds.task import Task
from .heat import heat_box

NOISES = 10


def contrast(
    source: Tensor, caption: DiffusersInpainter, prompt: DiffusersInpainter, seed: int, strength: float, blind: bool
) -> Tensor:
    """|eps(prompt) - eps(caption)| [h, w] of the noised latents of source [1, 3, H, W], the mean
    over channels and `NOISES` noises; outliers are clamped at three times the mean.

    An inpainting model also reads a mask and the picture outside it: with `blind` all is masked, so
    that it must go by the noised latents and the text; else nothing is.
    """
    size = prompt.size
    mask = source.new_full((1, 1, size, size), float(blind))
    total = torch.zeros(())
    for n in range(NOISES):
        predictions = []
        for painter in (caption, prompt):
            # one step of a schedule whose first step lies at this strength
            start = painter.begin(source, mask, seed + n, 100, strength=strength)
            one = painter.advance(start, start.step + 1, 1.0)
            predictions.append(one.denoised)
        # at one noise level the denoised estimates differ by the noise predictions times a constant
        total = total + (predictions[1] - predictions[0]).abs().mean(dim=1)[0]
    heat = (total / NOISES).float().cpu()
    return heat.clamp(max=3 * float(heat.mean()))


def diffedit(threshold: float = 0.6, strength: float = 0.5, blind: bool = True) -> Method:
    """The row `diffedit`: the contrast blurred, thresholded, a box round its strongest piece, one
    full edit in it.

    The threshold, the strength and hiding all were the best of 12 settings in trials on 10 other
    scenes.
    """

    def run(task: Task, setup: Setup) -> Outcome:
        painter, pipe = setup.inpainter, setup.models.pipe
        if not isinstance(painter, DiffusersInpainter):
            raise InputError(
                "the method 'diffedit' reads a diffusion model, and this world is painted "
                "without one; leave it out, or choose --world shapes --painter real."
            )
        reader = DiffusersInpainter(pipe, task.caption)
        heat = contrast(task.picture, reader, painter, setup.seed, strength, blind)
        heat = gaussian_blur(heat[None, None], [3, 3])
        # latents are 8 pixels wide: an edge between two of them is placed by their values
        heat = F.interpolate(heat, task.size, mode="bilinear", align_corners=False)[0, 0]
        outcome = painted(task, setup, heat_box(heat, threshold, *task.size))
        for passes in ("evaluations", "vae_encodings", "vae_decodings"):  # the other text's are spent too
            setattr(painter, passes, getattr(painter, passes) + getattr(reader, passes))
        return outcome

    return run
