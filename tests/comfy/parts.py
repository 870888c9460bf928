"""Small stand-ins for what a person loads: random models of several families, and a way to hand any
object to a node; the memory that something takes."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import psutil
import torch

from .conftest import Comfy, demo_graph

NATIVE = 64  # pixels a side
TINY = {"preset": "custom", "steps": 2, "num_regions": 1}  # of Region Inpaint Optimize
TINY_PAPER = {"preset": "paper", "steps": 2, "point_number": 3, "per_image_iteration": 2, "generator_steps": 1}
DEMO_NAMES = ("model", "clip", "vae", "dino", "scorer")


class Shelf:
    """A node that gives what lies on a shelf; `name` picks it, `version` makes it run again."""

    things: dict[str, Any] = {}
    RETURN_TYPES = ("*",)
    FUNCTION = "give"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict:  # noqa: N802
        return {"required": {"name": ("STRING", {}), "version": ("INT", {})}}

    @classmethod
    def IS_CHANGED(cls, name: str, version: int) -> str:  # noqa: N802
        return f"{name} {id(cls.things[name])} {version}"

    def give(self, name: str, version: int) -> tuple:
        return (type(self).things[name],)


def take(comfy: Comfy, graph: dict, socket: str, thing: Any) -> None:
    """Connect an object to a socket named "node.input" of a graph."""
    comfy.nodes.NODE_CLASS_MAPPINGS["TestShelf"] = Shelf
    node, name = socket.split(".")
    Shelf.things[socket] = thing
    graph[f"shelf {socket}"] = {"class_type": "TestShelf", "inputs": {"name": socket, "version": 0}}
    graph[node]["inputs"][name] = [f"shelf {socket}", 0]


def tiny_graph(comfy: Comfy, image: torch.Tensor | None = None, **optimize: Any) -> dict:
    """The demo graph with as little work as there can be, on a picture [B,H,W,C] if one is given."""
    graph = demo_graph(**{**TINY, **optimize})
    if image is not None:
        for node in ("generator", "edit"):
            take(comfy, graph, f"{node}.image", image)
        # there is no thing to be found in it, and of the background that is not asked
        graph["loss"]["inputs"].update(image_caption="background", editing_prompt="blue square")
        graph["positive"]["inputs"]["text"] = "blue square"
    return graph


def demo_parts(comfy: Comfy) -> dict[str, Any]:
    """What Load Shapes Demo gives, by name: to hold on to and to hook into."""
    with torch.inference_mode():
        out = comfy.part("nodes.shapes_demo").LoadShapesDemo.execute()
    return dict(zip(DEMO_NAMES, out.args, strict=True))


def watch(model: Any, see: Callable[[torch.Tensor], None]) -> Any:
    """A clone of a MODEL that shows what goes into it, by ComfyUI's own means."""
    clone = model.clone()

    def look(apply_model: Callable, args: dict) -> torch.Tensor:
        see(args["input"])
        return apply_model(args["input"], args["timestep"], **args["c"])

    clone.set_model_unet_function_wrapper(look)
    return clone


def picture(height: int, width: int, channels: int = 3, count: int = 1) -> torch.Tensor:
    """A soft random picture [B,H,W,C]."""
    noise = torch.rand(count, channels, 12, 16, generator=torch.Generator().manual_seed(4))
    return torch.nn.functional.interpolate(noise, (height, width), mode="bilinear").movedim(1, -1)


def _filled(model: torch.nn.Module) -> torch.nn.Module:
    """Random weights: ComfyUI's layers come with whatever was in memory."""
    source = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.zero_()
            elif "norm" in name or name.endswith("gamma"):
                weight.fill_(1)
            else:
                fan = weight[0].numel() if weight.ndim > 1 else 1
                weight.copy_(torch.randn(weight.shape, generator=source) * fan**-0.5)
    return model


def _patcher(config: Any) -> Any:
    from comfy.model_patcher import ModelPatcher

    config.set_inference_dtype(torch.float32, None)
    cpu = torch.device("cpu")
    model = _filled(config.get_model({}, "", device=cpu)).eval().requires_grad_(False)
    return ModelPatcher(model, load_device=cpu, offload_device=cpu)


def tiny_unet(family: str, in_channels: int, **more: Any) -> Any:
    """A MODEL of a UNet family of ComfyUI ("SD15", "SD20", "SDXL", ...) with random weights."""
    from comfy import supported_models

    base = getattr(supported_models, family)
    wide = "SDXL" in family
    config = {
        "image_size": 32,
        "in_channels": in_channels,
        "out_channels": 4,
        "model_channels": 64 if wide else 32,
        "num_res_blocks": [1, 1],
        "channel_mult": [1, 2],
        "transformer_depth": [0, 1] if wide else [1, 1],
        "transformer_depth_output": [0, 0, 1, 1] if wide else [1, 1, 1, 1],
        "transformer_depth_middle": 1,
        "use_spatial_transformer": True,
        "legacy": False,
        "context_dim": 48,
        "use_linear_in_transformer": family != "SD15",
        "adm_in_channels": None,
        "use_temporal_attention": False,
        **more,
    }
    if wide:
        config.update(adm_in_channels=2816, num_classes="sequential")
    tiny = type(
        f"Tiny{family}",
        (base,),
        {
            "native_size": NATIVE,
            "unet_extra_config": {
                **base.unet_extra_config,
                "num_heads": -1 if wide else 4,
                "num_head_channels": 32 if wide else -1,
            },
        },
    )
    return _patcher(tiny(config))


def tiny_flux(family: str = "Flux", **more: Any) -> Any:
    """A MODEL of a Flux family of ComfyUI ("Flux", "FluxInpaint", "Flux2") with random weights."""
    from comfy import supported_models
    from comfy.ldm.flux.model import FluxParams

    config = {
        "in_channels": 16,
        "out_channels": 16,
        "vec_in_dim": 24,
        "context_in_dim": 48,
        "hidden_size": 64,
        "mlp_ratio": 2.0,
        "num_heads": 2,
        "depth": 1,
        "depth_single_blocks": 1,
        "axes_dim": [4, 14, 14],
        "theta": 10_000,
        "patch_size": 2,
        "qkv_bias": True,
        "guidance_embed": True,
        "txt_ids_dims": [],
        **more,
    }
    known = {field.name for field in dataclasses.fields(FluxParams)}
    tiny = type(f"Tiny{family}", (getattr(supported_models, family),), {"native_size": NATIVE})
    image_model = "flux2" if family == "Flux2" else "flux"
    return _patcher(tiny({"image_model": image_model, **{key: config[key] for key in config if key in known}}))


def tiny_flux_fill() -> Any:
    """A MODEL like Flux Fill: mask and masked picture folded into 96 channels."""
    return tiny_flux("FluxInpaint", in_channels=96)


def tiny_flux2() -> Any:
    """A MODEL like Flux.2 Klein: 128 channels at a sixteenth, no pooled words, no guidance."""
    return tiny_flux(
        "Flux2",
        in_channels=128,
        out_channels=128,
        vec_in_dim=None,
        axes_dim=[8, 8, 8, 8],
        theta=2000,
        patch_size=1,
        qkv_bias=False,
        guidance_embed=False,
        txt_ids_dims=[3],
        global_modulation=True,
        mlp_silu_act=True,
        ops_bias=False,
        default_ref_method="index",
        ref_index_scale=10.0,
    )


def tiny_vae(channels: int = 4, down: int = 8) -> Any:
    """A VAE, `down` times down, with random weights."""
    import comfy.sd
    from comfy.ldm.models.autoencoder import AutoencoderKL

    params = {
        "embed_dim": channels,
        "ddconfig": {
            "double_z": True,
            "z_channels": channels,
            "resolution": 64,
            "in_channels": 3,
            "out_ch": 3,
            "ch": 32,
            "ch_mult": [1] * down.bit_length(),
            "num_res_blocks": 1,
            "attn_resolutions": [],
            "dropout": 0.0,
        },
    }
    with torch.random.fork_rng(devices=[]):
        state = _filled(AutoencoderKL(**params)).state_dict()
    vae = comfy.sd.VAE(sd=state, config={"params": params})
    vae.latent_channels = channels
    vae.downscale_ratio = vae.upscale_ratio = down
    return vae


def tiny_qwen_image() -> Any:
    """A MODEL like Qwen Image: latents with a time axis."""
    from comfy import supported_models

    config = {
        "in_channels": 64,
        "out_channels": 16,
        "num_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 48,
        "axes_dims_rope": [4, 6, 6],
    }
    tiny = type("TinyQwenImage", (supported_models.QwenImage,), {"native_size": NATIVE})
    return _patcher(tiny({"image_model": "qwen_image", **config}))


def tiny_cosmos() -> Any:
    """A MODEL like Cosmos Predict 2: latents with a time axis."""
    from comfy import supported_models

    config = {
        "max_img_h": 16,
        "max_img_w": 16,
        "max_frames": 4,
        "in_channels": 16,
        "out_channels": 16,
        "patch_spatial": 2,
        "patch_temporal": 1,
        "model_channels": 64,
        "num_blocks": 1,
        "num_heads": 2,
        "crossattn_emb_channels": 48,
        "pos_emb_cls": "rope3d",
        "concat_padding_mask": True,
        "use_adaln_lora": True,
        "adaln_lora_dim": 8,
    }
    tiny = type("TinyCosmos", (supported_models.CosmosT2IPredict2,), {"native_size": NATIVE})
    return _patcher(tiny({"image_model": "cosmos_predict2", **config}))


def tiny_film_vae() -> Any:
    """A VAE of films, as Qwen Image, Anima, Cosmos and Wan have it, with random weights."""
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    with torch.random.fork_rng(devices=[]):
        small = WanVAE(dim=8, z_dim=16, num_res_blocks=2, temperal_downsample=[False, True, True])
        return comfy.sd.VAE(sd=_filled(small).state_dict())


def words(width: int = 48, pooled: int = 0) -> list:
    """A CONDITIONING of random numbers."""
    source = torch.Generator().manual_seed(8)
    more = {"pooled_output": torch.randn(1, pooled, generator=source)} if pooled else {}
    return [[torch.randn(1, 12, width, generator=source), more]]


class PeakMemory:
    """Resident memory of this process in bytes: at the `start`, and at most so much `more`."""

    def __enter__(self) -> PeakMemory:
        process, self.stop = psutil.Process(), threading.Event()
        self.start, self.more = process.memory_info().rss, 0

        def look() -> None:
            while not self.stop.wait(0.02):
                self.more = max(self.more, process.memory_info().rss - self.start)

        self.thread = threading.Thread(target=look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
