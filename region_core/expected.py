"""What an edit will cost, as far as its settings say it, for a bar that moves evenly with the work."""

from __future__ import annotations

from .cost import Cost
from .settings import SearchSettings

# of the search for regions in a picture as wide as high, as counted
SEARCH = Cost(clip_images=64, clip_texts=40)


def painting(settings: SearchSettings) -> Cost:
    """Of one region with all steps, from all its noise samples."""
    samples, steps = settings.noise_samples, max(1, round(settings.steps * settings.strength))
    return Cost(
        unet_evaluations=_forwards(settings.guidance_scale) * steps * (1 + samples) / 2,
        vae_encodings=samples * (1 if settings.strength == 1 else 2),
        vae_decodings=1 + (samples if samples > 1 else 0.25),  # half way they are looked at
        clip_images=4 * (samples if samples > 1 else 1),
    )


def preview(settings: SearchSettings, share: float) -> Cost:
    """Of one preview, painted at a `share` of the model's own pixels."""
    steps = min(settings.preview_steps, settings.steps)
    painted = Cost(unet_evaluations=_forwards(settings.preview_guidance) * steps, vae_encodings=1, vae_decodings=1)
    return painted * share + Cost(clip_images=2 * settings.views)


def whole(settings: SearchSettings, share: float, *, search: bool) -> float:
    """Of an edit, in UNet evaluations; with previews on auto it is not known whether there will be any."""
    if settings.method == "published":
        return (painting(settings) * settings.max_previews).total
    always = settings.max_previews if settings.previews == "always" else 0
    parts = painting(settings) * settings.num_regions + preview(settings, share) * always
    return (parts + SEARCH if search else parts).total


def _forwards(guidance: float) -> int:
    return 2 if guidance > 1 else 1
