"""Whether MODEL, VAE and CONDITIONING belong together and can edit pictures: asked before sampling."""

from __future__ import annotations

from typing import Any

import torch

from ...region_core.errors import InputError
from .patches import hint_of

WAY_OUT = "connect an inpainting model such as 512-inpainting-ema.safetensors"

_PLACED = {
    "area": "an area (Conditioning (Set Area))",
    "mask": "a mask (Conditioning (Set Mask))",
    "control": "a ControlNet's hint (Apply ControlNet)",
    "gligen": "GLIGEN's boxes",
    "reference_latents": "a reference picture (ReferenceLatent)",
}


def kind_of(model: Any) -> str:
    """What a MODEL calls itself."""
    return type(getattr(model, "model", model)).__name__


def _shape_of(model: Any) -> dict[str, Any]:
    return getattr(getattr(model.model, "model_config", None), "unet_config", None) or {}


def check_parts(model: Any, vae: Any, positive: list, negative: list) -> None:
    """Raise InputError where something is empty, of the wrong kind, or of another family."""
    name = kind_of(model)
    latent = getattr(getattr(model, "model", None), "latent_format", None)
    if (
        latent is None
        or latent.latent_dimensions not in (2, 3)  # with a time axis of one: Qwen Image, Anima, Cosmos, Wan
        or "audio_model" in _shape_of(model)
        or _shape_of(model).get("use_temporal_attention")
    ):
        raise InputError(f"the MODEL that is connected ({name}) does not make single pictures; {WAY_OUT}")
    if vae is None or getattr(vae, "first_stage_model", None) is None:
        raise InputError("the VAE that is connected is empty: the checkpoint has none; connect a Load VAE node")
    if vae.latent_dim not in (2, 3) or vae.output_channels != 3:
        raise InputError(
            f"the VAE that is connected ({type(vae.first_stage_model).__name__}) does "
            f"not make single pictures; connect the VAE that belongs to the MODEL "
            f"({name})"
        )
    if vae.latent_channels != latent.latent_channels:
        raise InputError(
            f"the VAE makes latents of {vae.latent_channels} channels and the MODEL "
            f"({name}) takes {latent.latent_channels}; connect the VAE that belongs to "
            "the MODEL"
        )
    hint = hint_of(model)
    if hint:
        raise InputError(
            f"the MODEL that is connected ({name}) has a hint for the whole picture ({hint}), and regions are painted "
            "in windows of it; connect the MODEL from before the node that adds it"
        )
    width = _shape_of(model).get("context_dim", _shape_of(model).get("context_in_dim"))
    for socket, conditioning in (("positive", positive), ("negative", negative)):
        if not conditioning:
            raise InputError(f"the {socket} conditioning is empty; connect a CLIP Text Encode node")
        widths = [embedding.shape[-1] for embedding, _options in conditioning]
        got = next((one for one in widths if one != width), width)
        if isinstance(width, int) and got != width:
            raise InputError(
                f"the {socket} conditioning is {got} wide and the MODEL ({name}) reads "
                f"{width}; encode the text with the CLIP that belongs to the MODEL"
            )
        _check_hints(socket, conditioning)


def without_nothing(conditioning: list) -> list:
    """The same, less what is None in its options: some nodes hand on an empty mask or control so, which ComfyUI's
    sampling reads as one."""
    return [
        [embedding, {key: value for key, value in options.items() if value is not None}]
        for embedding, options in conditioning
    ]


def _check_hints(socket: str, conditioning: list) -> None:
    """Refuse what is placed in the whole picture: each region is painted in a window of its own."""
    for _embedding, options in conditioning:
        for key, node in _PLACED.items():
            if options.get(key) is not None:
                raise InputError(
                    f"the {socket} conditioning has {node}, which is made for the whole "
                    "picture, and regions are painted in windows of it; connect the text's "
                    "conditioning from before that node"
                )


def reads_mask(model: Any, shape: tuple[int, ...], size: int) -> bool:
    """Whether a MODEL takes mask and masked picture beside the noise: asked of itself.

    shape (c, h, w) of a latent, or (c, 1, h, w), size of the picture in pixels. Raises InputError for a model that
    reads something else beside the noise: a picture without a mask, a depth map, a frame.
    """
    probe = torch.zeros((1, *shape), dtype=torch.float32, device="cpu")

    def beside(value: float) -> torch.Tensor | None:
        return model.model.concat_cond(
            noise=probe,
            concat_latent_image=probe,
            latent_image=probe,
            device=probe.device,
            concat_mask=torch.full((1, 1, size, size), value, dtype=torch.float32, device="cpu"),
        )

    name = kind_of(model)
    masked, free = beside(1.0), beside(0.0)
    if masked is not None and len(shape) == 4:
        raise InputError(
            f"the MODEL that is connected ({name}) reads the first pictures of a film beside the noise; {WAY_OUT}, or "
            "one that makes pictures of a text alone"
        )
    if masked is not None and free is not None and torch.equal(masked, free):
        raise InputError(
            f"the MODEL that is connected ({name}) reads a second picture but no mask; {WAY_OUT}, or a plain one"
        )
    takes = _shape_of(model).get("in_channels")
    gets = shape[0] + (0 if masked is None else masked.shape[1])
    unet = hasattr(getattr(model.model, "diffusion_model", None), "input_blocks")
    if unet and takes != gets:  # other families count patches here
        raise InputError(
            f"the MODEL that is connected ({name}) takes {takes} channels, where an "
            f"inpainting model takes {2 * shape[0] + 1} and a plain one {shape[0]}; "
            f"{WAY_OUT}"
        )
    return masked is not None
