"""How good a small CLIP is on scenes that no training saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from open_clip.model import CLIP
from torch.nn import functional as F
from transformers import CLIPTokenizer

from . import clips

TEMPLATE = "a high quality image of {}."
CROP = 1.3  # a crop's side against the longest side of its thing


def crop(picture: np.ndarray, box: tuple[int, int, int, int], side: int) -> np.ndarray:
    """The square about a box, moved into the picture: float [3, side, side] in 0..1."""
    height, width = picture.shape[:2]
    extent = min(max(box[2] - box[0], box[3] - box[1]) * CROP, width, height)
    x = min(max((box[0] + box[2] - extent) / 2, 0), width - extent)
    y = min(max((box[1] + box[3] - extent) / 2, 0), height - extent)
    part = picture[int(y) : int(y + extent), int(x) : int(x + extent)]
    image = torch.from_numpy(part.copy()).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(image, (side, side), mode="bicubic", antialias=True)[0].clamp(0, 1).numpy()


@torch.no_grad()
def scores(
    model: CLIP, tokenizer: CLIPTokenizer, names: Iterable[str], scene: Callable[[int], tuple], scenes: int = 120
) -> dict[str, float]:
    """Crop accuracy, and cosines of whole pictures with what is and is not there.

    `scene(index)` gives (picture uint8 [S, S, 3], [(name, box), ...]).
    """
    names = list(names)
    ids = tokenizer([TEMPLATE.format(f"a {n}") for n in names], padding=True, return_tensors="pt").input_ids
    texts = clips.encode_texts(model, ids)

    def encode(pictures: list[np.ndarray]) -> torch.Tensor:
        parts = torch.from_numpy(np.stack(pictures)).split(64)
        return torch.cat([F.normalize(model.encode_image(clips.normalise(p)).float(), dim=-1) for p in parts])

    held = [scene(i) for i in range(scenes)]
    whole = encode([p.transpose(2, 0, 1).astype(np.float32) / 255 for p, _ in held])
    cosines = whole @ texts.T
    there = torch.zeros_like(cosines, dtype=torch.bool)
    crops, wanted, ranked = [], [], []
    for i, (picture, things) in enumerate(held):
        for name, box in things:
            there[i, names.index(name)] = True
            crops.append(crop(picture, box, clips.SIDE))
            wanted.append(names.index(name))
        count = int(there[i].sum())
        if count:
            ranked.append(there[i, cosines[i].topk(count).indices].float().mean().item())
    right = (encode(crops) @ texts.T).argmax(dim=1) == torch.tensor(wanted)
    others = whole @ whole.T
    apart = ~torch.eye(len(whole), dtype=torch.bool)
    values = {
        "crop_accuracy": right.float().mean(),
        "r_precision": torch.tensor(ranked).mean(),
        "present": cosines[there].mean(),
        "present_sd": cosines[there].std(),
        "absent": cosines[~there].mean(),
        "absent_sd": cosines[~there].std(),
        "pictures": others[apart].mean(),
        "logit_scale": model.logit_scale.exp(),
    }
    return {k: round(float(v), 4) for k, v in values.items()}
