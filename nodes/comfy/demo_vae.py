"""The shapes world's autoencoder, in diffusers' layout: read without diffusers, which nothing else here needs.

ComfyUI's own normalises in 32 groups and attends in the middle, which this small one does not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import comfy.utils
import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(1, channels, eps=1e-6)


def _conv(inside: int, outside: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, padding=1 if kernel == 3 and stride == 1 else 0)


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(inside), _conv(inside, outside)
        self.norm2, self.conv2 = _norm(outside), _conv(outside, outside)
        self.conv_shortcut = nn.Identity() if inside == outside else _conv(inside, outside, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return self.conv_shortcut(x) + out


class _Resample(nn.Module):
    """Half the side, or with `up` twice."""

    def __init__(self, channels: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv = _conv(channels, channels, stride=1 if up else 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else F.pad(x, (0, 1, 0, 1)))


class _Block(nn.Module):
    """Residual blocks, and but in the last one a resampling; its name is in the weights."""

    def __init__(self, inside: int, outside: int, count: int, resampler: str | None = None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Residual(outside if n else inside, outside) for n in range(count))
        self.resampler = resampler
        if resampler:
            self.add_module(resampler, nn.ModuleList([_Resample(outside, resampler == "upsamplers")]))

    def forward(self, x: Tensor) -> Tensor:
        for block in (*self.resnets, *(getattr(self, self.resampler) if self.resampler else ())):
            x = block(x)
        return x


class _Half(nn.Module):
    """The encoder, or the decoder with `up`."""

    def __init__(self, inside: int, outside: int, widths: list[int], count: int, up: bool) -> None:
        super().__init__()
        self.conv_in = _conv(inside, widths[0])
        middle = widths[0 if up else -1]
        self.mid_block = _Block(middle, middle, 2)
        kind = "upsamplers" if up else "downsamplers"
        last = len(widths) - 1
        blocks = [_Block(widths[max(n - 1, 0)], widths[n], count, kind if n < last else None) for n in range(last + 1)]
        self.blocks_name = "up_blocks" if up else "down_blocks"
        self.add_module(self.blocks_name, nn.ModuleList(blocks))
        self.conv_norm_out, self.conv_out = _norm(widths[-1]), _conv(widths[-1], outside)

    def forward(self, x: Tensor) -> Tensor:
        blocks = getattr(self, self.blocks_name)
        order = [self.mid_block, *blocks] if self.blocks_name == "up_blocks" else [*blocks, self.mid_block]
        x = self.conv_in(x)
        for block in order:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class DemoVae(nn.Module):
    """`encode` pictures [N, 3, H, W] in -1..1 to latents [N, 4, H/8, W/8], unscaled: the posterior's mean; `decode`
    back. Further arguments, which ComfyUI gives to all autoencoders, mean nothing here."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        widths, count, latent = config["block_out_channels"], config["layers_per_block"], config["latent_channels"]
        self.encoder = _Half(3, 2 * latent, widths, count, up=False)
        self.decoder = _Half(latent, 3, widths[::-1], count + 1, up=True)
        self.quant_conv, self.post_quant_conv = _conv(2 * latent, 2 * latent, 1), _conv(latent, latent, 1)

    def encode(self, x: Tensor, **_: Any) -> Tensor:
        return self.quant_conv(self.encoder(x)).chunk(2, dim=1)[0]

    def decode(self, z: Tensor, **_: Any) -> Tensor:
        return self.decoder(self.post_quant_conv(z))


def read_vae(folder: Path) -> DemoVae:
    """The autoencoder of a folder with config.json and weights, in float32."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    with torch.random.fork_rng(devices=[]):  # building draws random weights
        vae = DemoVae(config)
    path = next(iter(sorted(folder.glob("*.safetensors"))))
    vae.load_state_dict(comfy.utils.load_torch_file(str(path), safe_load=True))
    return vae.float().eval()
