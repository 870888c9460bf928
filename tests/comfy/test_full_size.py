"""The SD2 workflow as it is shipped, on models of the real size: what it takes, and what takes it.

Minutes and gigabytes: `python -m pytest -m slow tests/comfy/test_full_size.py`.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from . import flows
from .conftest import Comfy
from .full_size import write_clip, write_dino, write_sd2_inpainting
from .parts import PeakMemory

FLOW = flows.SD2
SIDE = 512
# all else as shipped; this much is done in minutes on a CPU
FEW = {"preset": "fast", "steps": 2}


class Clock:
    """Seconds spent in modules, and how often they ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.runs: dict[str, int] = {}

    @contextmanager
    def on(self, name: str, module: torch.nn.Module) -> Any:
        started = [0.0]
        self.seconds[name], self.runs[name] = 0.0, 0

        def before(*_: Any) -> None:
            started[0] = time.perf_counter()

        def after(*_: Any) -> None:
            self.seconds[name] += time.perf_counter() - started[0]
            self.runs[name] += 1

        handles = (module.register_forward_pre_hook(before), module.register_forward_hook(after))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def as_queued(comfy: Comfy) -> dict[str, dict]:
    """The workflow as a prompt, less the nodes for show that only a server loads, and with the text
    nodes' texts written where they lead."""
    prompt = flows.as_prompt(flows.load(FLOW))
    texts = {
        key: node["inputs"]["value"] for key, node in prompt.items() if node["class_type"] == "PrimitiveString"
    }  # no node of the core that is loaded here
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in texts:
                node["inputs"][name] = texts[value[0]]
    return {key: node for key, node in prompt.items() if node["class_type"] in comfy.nodes.NODE_CLASS_MAPPINGS}


@pytest.mark.slow
def test_the_sd2_workflow_on_a_checkpoint_of_full_size(comfy: Comfy, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = as_queued(comfy)
    checkpoint = flows.find(prompt, "CheckpointLoaderSimple")
    dino, scorer = (flows.find(prompt, name) for name in ("LoadDinoEncoder", "LoadClipScorer"))
    edit = flows.find(prompt, "RegionInpaintOptimize")
    models = comfy.base / "models"
    place = models / "checkpoints" / prompt[checkpoint]["inputs"]["ckpt_name"]
    write_sd2_inpainting(place)
    name = prompt[dino]["inputs"]["dino_name"].split("/")[-1]
    write_dino(models / "dino" / name)
    write_clip(models / "open_clip" / prompt[scorer]["inputs"]["clip_name"].split(": ")[-1])
    inputs = comfy.base / "input"
    inputs.mkdir(exist_ok=True)
    noise = np.random.default_rng(5).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((SIDE, SIDE))
    source = flows.find(prompt, "LoadImage")
    picture.save(inputs / prompt[source]["inputs"]["image"])
    # a random CLIP cannot say what is in a picture; of the background that is not asked
    prompt[flows.find(prompt, "ClipRegionLoss")]["inputs"]["image_caption"] = "background"

    loading = {key: prompt[key] for key in (checkpoint, dino, scorer)}
    sink = {"v0": [checkpoint, 0], "v1": [checkpoint, 2], "v2": [dino, 0], "v3": [scorer, 0]}
    loaded = comfy.run({**loading, "sink": {"class_type": "TestSink", "inputs": sink}})
    assert loaded.success, (loaded.messages, loaded.problems)
    model, vae, eyes, judge = (loaded.seen[f"v{i}"] for i in range(4))
    assert type(model.model.model_config).__name__ == "SD20"
    assert sum(p.numel() for p in model.model.diffusion_model.parameters()) == 865_925_124
    sizes: set[tuple[int, ...]] = set()
    see = model.model.diffusion_model.register_forward_pre_hook(
        lambda _module, args: sizes.add(tuple(args[0].shape[1:]))
    )

    prompt[edit]["inputs"].update(FEW)
    prompt["sink"] = {"class_type": "TestSink", "inputs": {f"v{i}": [edit, i] for i in range(8)}}
    clock = Clock()
    with ExitStack() as stack:
        for part, module in (
            ("UNet", model.model.diffusion_model),
            ("VAE encoder", vae.first_stage_model.encoder),
            ("VAE decoder", vae.first_stage_model.decoder),
            ("CLIP's image tower", judge.encoder.model.visual.transformer),
            ("CLIP's text tower", judge.encoder.model.transformer),
            ("DINO", eyes.encoder.model),
        ):
            stack.enter_context(clock.on(part, module))
        memory = stack.enter_context(PeakMemory())
        started = time.perf_counter()
        run = comfy.run(prompt)
        spent = time.perf_counter() - started
    see.remove()
    assert run.success, (run.messages, run.problems)
    assert {checkpoint, dino, scorer} <= run.cached
    assert run.seen["v0"].shape == (1, SIDE, SIDE, 3)
    assert run.seen["v1"].shape == (1, SIDE, SIDE)
    assert run.seen["v3"].shape == (1, SIDE, SIDE, 3)
    assert run.seen["v0"].isfinite().all()
    assert sizes == {(9, SIDE // 8, SIDE // 8)}
    assert clock.runs["UNet"] >= 2
    shown(capsys, clock, memory, spent, run.seen["v6"])


def shown(capsys: pytest.CaptureFixture[str], clock: Clock, memory: PeakMemory, spent: float, report: str) -> None:
    """Print the bill, and what it would be at the settings that are shipped."""
    inside = clock.seconds["UNet"] + clock.seconds["VAE encoder"] + clock.seconds["VAE decoder"]
    evaluations = int(re.search(r"(\d+) unet evaluations", report)[1])
    # what is done once a picture stays as it is; what is done at each look is a small part of it
    whole = spent - clock.seconds["UNet"] + 200 * clock.seconds["UNet"] / evaluations
    with capsys.disabled():
        print("\n" + report)
        for name, seconds in clock.seconds.items():
            print(f"{name:20} {seconds:8.1f} s in {clock.runs[name]} runs")
        print(f"{'everything':20} {spent:8.1f} s, {evaluations} evaluations of the UNet")
        print(
            f"outside UNet and VAE: {1 - inside / spent:.0%} here; at 200 evaluations about "
            f"{(spent - inside) / whole:.0%}"
        )
        print(
            f"resident memory: {memory.start / 2**30:.1f} GiB with all models loaded, at most "
            f"{memory.more / 2**30:.1f} GiB more while it ran"
        )
