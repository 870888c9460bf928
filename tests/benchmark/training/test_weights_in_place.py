"""The worlds' weights in the repository: small, read by the loaders of the real ones, and as good as said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmark.training.contrastive import judging
from benchmark.worlds.opening import WEIGHTS
from benchmark.worlds.things.kinds import make_case
from benchmark.worlds.things.world import World
from region_core.encoders import load_clip
from region_core.errors import with_article

CLIPS = sorted(p.parent.name for p in WEIGHTS.glob("*/open_clip_config.json"))


def test_they_are_at_most_12_mb():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) < 12_000_000


@pytest.mark.parametrize("name", CLIPS)
def test_none_was_trained_with_a_bias_a_floor_or_maximum_pooling(name):
    config = json.loads((WEIGHTS / name / "open_clip_config.json").read_text())
    assert "evidence_floor" not in config
    assert "init_logit_bias" not in config["model_cfg"]
    assert config["model_cfg"]["vision_cfg"].get("timm_pool", "avg") == "avg"


@pytest.mark.parametrize(("name", "least"), [("things-conv", 0.7), ("things-vit", 0.6)])
def test_crops_of_unseen_things_are_named(name, least):
    if name not in CLIPS:
        pytest.skip(f"{name} is not in benchmark/weights")
    scorer, world, right = load_clip(str(WEIGHTS / name)), World(), []
    texts = torch.cat([scorer.encode_text(with_article(n)) for n in world.names])
    for i in range(30):
        case = make_case(world, "plain", 71, i)
        crop = torch.from_numpy(judging.crop(case.scene.image, case.boxes[0], 128))[None]
        right.append(world.names[int((scorer.encode_images(crop) @ texts.T).argmax())] == case.name)
    assert np.mean(right) >= least
