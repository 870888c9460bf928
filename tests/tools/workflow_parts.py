"""What several workflows share: a picture and what is found in it, loaders and where files are had, the way back."""

from __future__ import annotations

from typing import Any

from .workflow_file import Frame, Link, Node

OURS = "LearnableRegions_"
HUB = "https://huggingface.co/"
EXAMPLE = "example.png"  # ComfyUI brings it
WAS, WISH = "a pink dress", "a red dress with white dots"
ORDER = f"Replace the dress with {WISH}. Keep everything else."  # as an editing model wants it
PREFIX = "learnable regions"


def ours(kind: str, title: str = "", /, **more: Any) -> Node:
    """One of the pack's own nodes."""
    return Node(OURS + kind, title, **more)


def save(images: Link, title: str, **more: Any) -> Node:
    """Save Image."""
    return Node("SaveImage", title, images=images, filename_prefix=PREFIX, **more)


class Shapes:
    """The embedded models and a scene."""

    def __init__(self, seed: int, kind: str) -> None:
        self.models = ours("LoadShapesDemo", wide=320)
        self.scene = ours("ShapesScene", wide=320, seed=seed, kind=kind)
        self.image = self.scene["image"]


class Found:
    """A photograph, the encoders, and what they find in it."""

    def __init__(self) -> None:
        self.picture = Node("LoadImage", "The picture to edit · 待编辑的图像", image=EXAMPLE)
        self.dino = ours("LoadDinoEncoder", dino_name="download: facebook/dino-vitb8", image_size=0)
        self.scorer = ours("LoadClipScorer", clip_name="download: ViT-B-16-openai.safetensors")
        self.image = self.picture["IMAGE"]
        self.find = ours(
            "FindRegion",
            "What is there · 现有之物",
            image=self.image,
            dino=self.dino["dino"],
            scorer=self.scorer["scorer"],
            image_caption=WAS,
            max_window_size=15,
            detections_only=False,
        )

    def frames(self) -> list[Frame]:
        """What goes in."""
        return [
            Frame("1. Picture and caption · 图像与描述", "models", [self.picture, self.find], room=30),
            Frame("What finds it · 用于寻找的模型", "models", [self.dino, self.scorer]),
        ]

    def shown(self) -> Frame:
        """What was found, or why nothing was."""
        return Frame(
            "2. What was found · 找到的区域",
            "models",
            [
                Node("PreviewImage", "Regions, 1 the best · 区域，1 为最佳", images=self.find["ranked"]),
                Node("PreviewAny", "What was found, or why not · 结果或原因", source=self.find["report"]),
            ],
        )


class Cut:
    """The region as a square crop for a painter, and the way back into the picture. Where nothing was found the switch
    asks for no painting, and the picture comes out as it was."""

    def __init__(self, found: Found, size: int) -> None:
        self.found = found
        self.crop = ours(
            "RegionCrop",
            image=found.image,
            regions=found.find["regions"],
            which="best",
            size=size,
            multiple_of=16,
            mask_grow_percent=10.0,
            mask_feather_percent=15.0,
            mask_shape="box",
        )

    def back(self, painted: Link) -> Frame:
        """The last frame."""
        stitch = ours("RegionStitch", stitch=self.crop["stitch"], painted=painted)
        switch = Node(
            "ComfySwitchNode",
            "Found, or as it was · 未找到则原样输出",
            on_false=self.found.image,
            on_true=stitch["edited"],
            switch=self.crop["found"],
        )
        after = save(switch["output"], "After · 编辑后", wide=400)
        return Frame("5. Back into the picture · 放回图像", "models", [stitch, switch, after])


def checkpoint(url: str) -> Node:
    """Load Checkpoint."""
    return Node("CheckpointLoaderSimple", ckpt_name=url.rsplit("/", 1)[1]).fetch("checkpoints", url)


def unet(url: str) -> Node:
    """Load Diffusion Model."""
    node = Node("UNETLoader", unet_name=url.rsplit("/", 1)[1], weight_dtype="default")
    return node.fetch("diffusion_models", url)


def vae(url: str) -> Node:
    """Load VAE."""
    return Node("VAELoader", vae_name=url.rsplit("/", 1)[1]).fetch("vae", url)


def text_encoders(kind: str, *urls: str) -> Node:
    """Load CLIP, or DualCLIPLoader."""
    names = [url.rsplit("/", 1)[1] for url in urls]
    files = {"clip_name": names[0]} if len(urls) == 1 else {"clip_name1": names[0], "clip_name2": names[1]}
    node = Node("CLIPLoader" if len(urls) == 1 else "DualCLIPLoader", **files, type=kind, device="default")
    return node.fetch("text_encoders", *urls)


def lora(url: str, model: Link) -> Node:
    """LoraLoaderModelOnly."""
    node = Node("LoraLoaderModelOnly", model=model, lora_name=url.rsplit("/", 1)[1], strength_model=1.0)
    return node.fetch("loras", url)


def wish(clip: Link, text: str, title: str = "What should be there · 应有之物") -> Node:
    """CLIP Text Encode."""
    return Node("CLIPTextEncode", title, clip=clip, text=text)


def sampler(model: Link, positive: Link, negative: Link, latent: Link, steps: int, cfg: float, *how: str) -> Node:
    """KSampler with its sampler and scheduler."""
    return Node(
        "KSampler",
        model=model,
        positive=positive,
        negative=negative,
        latent_image=latent,
        seed=42,
        steps=steps,
        cfg=cfg,
        sampler_name=how[0],
        scheduler=how[1],
        denoise=1.0,
    )


def decoded(samples: Link, vae: Link) -> Node:
    """VAE Decode."""
    return Node("VAEDecode", samples=samples, vae=vae)
