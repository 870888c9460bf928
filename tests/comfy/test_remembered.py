"""No work twice: what is changed decides what is done again."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import Any

import pytest
import torch

from .conftest import Comfy, Run
from .parts import demo_parts, take, tiny_graph


class Work:
    """Counts the pictures and texts that go through the demo's models."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self.done: Counter = Counter()
        clip = parts["scorer"].encoder.model
        for name, module in (
            ("dino", parts["dino"].encoder.model),
            ("pictures", next(m for m in clip.visual.modules() if isinstance(m, torch.nn.Conv2d))),
            ("unet", parts["model"].model.diffusion_model),
        ):
            module.register_forward_pre_hook(lambda _module, args, name=name: self.add(name, args))

    def add(self, name: str, args: tuple) -> None:
        self.done[name] += len(args[0]) if args else 1


@pytest.fixture
def parts(comfy: Comfy) -> dict[str, Any]:
    """The demo's models; nothing is remembered of others."""
    forget(comfy)
    return demo_parts(comfy)


def forget(comfy: Comfy) -> None:
    comfy.forget()
    comfy.part("nodes.steps").forget()


def graph_with(comfy: Comfy, parts: dict, **widgets: Any) -> dict:
    """The demo, whose models stay the same objects from run to run."""
    graph = tiny_graph(comfy, **widgets)
    for socket, name in (("edit.model", "model"), ("edit.vae", "vae"), ("generator.dino", "dino")):
        take(comfy, graph, socket, parts[name])
    take(comfy, graph, "loss.scorer", parts["scorer"])
    for text in ("positive", "negative"):
        take(comfy, graph, f"{text}.clip", parts["clip"])
    return graph


def find_graph(comfy: Comfy, parts: dict, caption: str) -> dict:
    """Find Region by Text on the demo's scene, without any painting model."""
    scene = graph_with(comfy, parts)["scene"]
    graph: dict = {"scene": scene, "find": {"class_type": "LearnableRegions_FindRegion"}}
    graph["find"]["inputs"] = {"image": ["scene", 0], "image_caption": caption}
    for name in ("dino", "scorer"):
        take(comfy, graph, f"find.{name}", parts[name])
    graph["sink"] = {"class_type": "TestSink", "inputs": {f"v{i}": ["find", i] for i in range(8)}}
    return graph


def ran(comfy: Comfy, work: Work, graph: dict) -> tuple[Run, Counter]:
    work.done.clear()
    run = comfy.run(graph)
    assert run.success, (run.problems, run.messages)
    return run, Counter(work.done)


PAINTING = [
    ("edit", {"seed": 7}),
    ("edit", {"steps": 3}),
    ("edit", {"cfg": 3.0}),
    ("edit", {"sampler_name": "euler"}),
    ("edit", {"mask_feather": 3}),
    ("positive", {"text": "a green star"}),
    ("loss", {"editing_prompt": "a green star"}),
    ("edit", {"preset.test_alpha": 1.0}),
]


@pytest.mark.parametrize(("node", "inputs"), PAINTING, ids=lambda value: str(value))
def test_what_concerns_painting_alone_is_not_searched_for_again(
    comfy: Comfy, parts: dict, node: str, inputs: dict
) -> None:
    work = Work(parts)
    first, found = ran(comfy, work, graph_with(comfy, parts))
    assert found["dino"] == 1
    graph = graph_with(comfy, parts)
    graph[node]["inputs"].update(inputs)
    again, done = ran(comfy, work, graph)
    assert done["dino"] == 0
    assert 0 < done["pictures"] < 5 < found["pictures"]  # the edits alone are judged
    assert done["unet"] > 0
    forget(comfy)
    anew, done = ran(comfy, work, graph)
    assert done["pictures"] == found["pictures"]
    for output in ("v0", "v1", "v3"):
        assert torch.equal(again.seen[output], anew.seen[output]), output
    assert again.seen["v2"] == anew.seen["v2"] == first.seen["v2"]


SEARCH = [("scene", {"seed": 4}), ("generator", {"max_window_size": 5}), ("loss", {"image_caption": "a yellow ring"})]


@pytest.mark.parametrize(("node", "inputs"), SEARCH, ids=lambda value: str(value))
def test_what_concerns_the_search_is(comfy: Comfy, parts: dict, node: str, inputs: dict) -> None:
    work = Work(parts)
    ran(comfy, work, graph_with(comfy, parts))
    graph = graph_with(comfy, parts)
    graph[node]["inputs"].update(inputs)
    run, done = ran(comfy, work, graph)
    forget(comfy)
    anew, _ = ran(comfy, work, graph)
    assert done["dino"] == (node == "scene")
    assert torch.equal(run.seen["v0"], anew.seen["v0"])
    assert torch.equal(run.seen["v8"], anew.seen["v8"])


def test_three_captions_of_one_picture_encode_it_once(comfy: Comfy, parts: dict) -> None:
    work = Work(parts)
    _, first = ran(comfy, work, find_graph(comfy, parts, "red circle"))
    assert first["dino"] == 1
    assert first["unet"] == 0
    for caption in ("blue square", "green star"):
        run, done = ran(comfy, work, find_graph(comfy, parts, caption))
        assert done["dino"] == done["pictures"] == 0
        assert isinstance(run.seen["v5"], bool)
    _, done = ran(comfy, work, find_graph(comfy, parts, "red circle"))
    assert not done, "what was found a moment ago is known"


def test_another_region_is_painted_without_encoding_or_search(comfy: Comfy, parts: dict) -> None:
    work = Work(parts)
    graph = graph_with(comfy, parts)
    graph["loss"]["inputs"]["image_caption"] = ["scene", 1]
    graph["find"] = find_graph(comfy, parts, "")["find"]
    graph["find"]["inputs"]["image_caption"] = ["scene", 1]
    for name in ("dino", "scorer"):
        take(comfy, graph, f"find.{name}", parts[name])
    graph["pick"] = {"class_type": "LearnableRegions_PickRegion", "inputs": {"regions": ["find", 0], "index": 1}}
    graph["edit"]["inputs"]["regions"] = ["pick", 0]
    del graph["edit"]["inputs"]["generator"], graph["generator"]
    first, done = ran(comfy, work, graph)
    assert done["dino"] == 1
    graph["pick"]["inputs"]["index"] = 2
    second, done = ran(comfy, work, graph)
    assert done["dino"] == 0
    assert done["pictures"] < 5
    assert done["unet"] == 2 * 2  # steps, guidance
    assert first.seen["v2"] != second.seen["v2"]
    graph["loss"]["inputs"]["image_caption"] = "a yellow ring"
    run = comfy.run(graph)
    assert "found for" in run.error["exception_message"]
    assert "'a yellow ring'" in run.error["exception_message"]


def test_an_interrupted_edit_keeps_what_was_found(comfy: Comfy, parts: dict) -> None:
    work = Work(parts)
    unet = parts["model"].model.diffusion_model
    handle = unet.register_forward_pre_hook(lambda *_: comfy.nodes.interrupt_processing(True))
    assert not comfy.run(graph_with(comfy, parts)).success
    handle.remove()
    _, done = ran(comfy, work, graph_with(comfy, parts))
    assert done["dino"] == 0
    assert done["pictures"] < 5


def test_other_models_are_asked_anew_and_old_ones_are_let_go(comfy: Comfy, parts: dict) -> None:
    ran(comfy, Work(parts), graph_with(comfy, parts))
    other = {**parts, "scorer": demo_parts(comfy)["scorer"]}
    _, done = ran(comfy, Work(other), graph_with(comfy, other))
    assert done["pictures"] > 5
    held = [weakref.ref(parts.pop(name)) for name in ("scorer", "dino")]
    del other
    last = demo_parts(comfy)
    ran(comfy, Work(last), graph_with(comfy, last))
    comfy.forget()
    gc.collect()
    assert [one() for one in held] == [None, None]


def test_what_is_remembered_is_bounded(comfy: Comfy) -> None:
    remembered = comfy.part("nodes.remembered")
    memory = remembered.Remembered(3, 100)
    for number in range(5):
        memory.start()
        memory.keep(remembered.key_of(torch.tensor(float(number))), number)
        memory.get(remembered.key_of(torch.tensor(0.0)))
    kept = [number for number in range(5) if memory.get(remembered.key_of(torch.tensor(float(number)))) is not None]
    assert kept == [0, 3, 4]


def test_what_is_remembered_is_bounded_in_bytes(comfy: Comfy) -> None:
    remembered = comfy.part("nodes.remembered")
    memory = remembered.Remembered(9, 100)
    for number, values in enumerate((10, 10, 10, 26, 10)):  # of four bytes each
        memory.start()
        memory.keep(number, ({"a": [torch.zeros(values)]}, "text"))
    assert [memory.get(number) is not None for number in range(5)] == [False, False, True, False, True]


def test_of_a_film_longer_than_the_memory_the_first_frames_are_not_done_again(comfy: Comfy) -> None:
    remembered = comfy.part("nodes.remembered")
    memory, made = remembered.Remembered(2, 1000), Counter()
    for film, wanted in (("abc", 3), ("abc", 1), ("def", 3), ("def", 1)):
        made.clear()
        memory.start()
        for frame in film:
            if memory.get(frame) is None:
                made[frame] += 1
                memory.keep(frame, frame)
        assert made.total() == wanted
