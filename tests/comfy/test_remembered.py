"""No work twice: what is changed decides what is done again."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from .conftest import Comfy, Run
from .parts import demo_parts, take, tiny_graph


@pytest.fixture
def work(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """Counts what is asked of the models, and searches; nothing is remembered before."""
    done: Counter = Counter()
    regions = comfy.part("region_core.find.regions")
    for owner, name in (
        (comfy.part("region_core.encoders.dino").DinoEncoder, "_encode"),
        (regions, "propose_regions"),
        (comfy.part("nodes.comfy.painter").ComfyInpainter, "_advance_rows"),
    ):
        real = getattr(owner, name)

        def counted(*args: Any, _real: Any = real, _name: str = name, **kwargs: Any) -> Any:
            done[_name] += 1
            return _real(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)
    forget(comfy)
    yield done
    forget(comfy)


def forget(comfy: Comfy) -> None:
    comfy.forget()
    node = comfy.part("nodes.region_inpaint_optimize")
    for memory in (node._FOUND, node._DONE, comfy.part("nodes.region_generator")._SEEN):
        memory.clear()


def graph_with(comfy: Comfy, parts: dict, **widgets: Any) -> dict:
    """The demo, whose models stay the same objects from run to run."""
    graph = tiny_graph(comfy, previews="never", **widgets)
    for socket, name in (("edit.model", "model"), ("edit.vae", "vae"), ("generator.dino", "dino")):
        take(comfy, graph, socket, parts[name])
    take(comfy, graph, "loss.scorer", parts["scorer"])
    for text in ("positive", "negative"):
        take(comfy, graph, f"{text}.clip", parts["clip"])
    return graph


def ran(comfy: Comfy, work: Counter, graph: dict) -> tuple[Run, Counter]:
    work.clear()
    run = comfy.run(graph)
    assert run.success, (run.problems, run.messages)
    return run, Counter(work)


PAINTING = [
    ("edit", {"seed": 7}),
    ("edit", {"steps": 3}),
    ("edit", {"cfg": 3.0}),
    ("edit", {"sampler_name": "euler"}),
    ("edit", {"mask_feather": 3}),
    ("positive", {"text": "a green star"}),
    ("edit", {"test_alpha": 1.0, "lr": 0.01, "previews": "always"}),
    ("loss", {"loss_beta": 0.5, "loss_crop": 0.5, "views": 3}),
]


@pytest.mark.parametrize(("node", "inputs"), PAINTING, ids=lambda value: str(value))
def test_what_concerns_painting_alone_is_not_searched_for_again(
    comfy: Comfy, work: Counter, node: str, inputs: dict
) -> None:
    parts = demo_parts(comfy)
    first, done = ran(comfy, work, graph_with(comfy, parts))
    assert done["propose_regions"] == 1
    graph = graph_with(comfy, parts)
    graph[node]["inputs"].update(inputs)
    again, done = ran(comfy, work, graph)
    assert done["propose_regions"] == done["_encode"] == 0
    assert done["_advance_rows"] > 0
    forget(comfy)
    anew, done = ran(comfy, work, graph)
    assert done["propose_regions"] == 1
    for output in ("v0", "v1", "v3"):
        assert torch.equal(again.seen[output], anew.seen[output]), output
    assert again.seen["v2"] == anew.seen["v2"] == first.seen["v2"]


SEEDS = ((3, 4, 5), (6, 7, 8))  # of films of three frames
SEARCH = [
    ("scene", {"seed": 4}),
    ("generator", {"max_window_size": 5}),
    ("generator", {"point_number": 6}),
    ("loss", {"image_caption": "a yellow ring"}),
    ("loss", {"editing_prompt": "a yellow ring"}),
]


@pytest.mark.parametrize(("node", "inputs"), SEARCH, ids=lambda value: str(value))
def test_what_concerns_the_search_is(comfy: Comfy, work: Counter, node: str, inputs: dict) -> None:
    parts = demo_parts(comfy)
    ran(comfy, work, graph_with(comfy, parts))
    graph = graph_with(comfy, parts)
    graph[node]["inputs"].update(inputs)
    _, done = ran(comfy, work, graph)
    assert done["propose_regions"] == 1


def test_the_search_reads_nothing_but_what_its_finding_is_remembered_by(
    comfy: Comfy, work: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions, read = comfy.part("region_core.find.regions"), set()

    class Recording:
        def __init__(self, settings: Any) -> None:
            self._settings = settings

        def __getattr__(self, name: str) -> Any:
            read.add(name)
            return getattr(self._settings, name)

    real = regions.propose_regions
    monkeypatch.setattr(
        regions, "propose_regions", lambda evidence, settings, *rest: real(evidence, Recording(settings), *rest)
    )
    graph = graph_with(comfy, demo_parts(comfy))
    for prior in (False, True):
        if prior:
            take(comfy, graph, "generator.region_prior", torch.ones(1, 64, 64))
        _, done = ran(comfy, work, graph)
        assert done["propose_regions"] == 1
    assert read == set(comfy.part("nodes.region_inpaint_optimize")._SEARCHED)


def test_other_models_are_asked_anew_and_old_ones_are_let_go(comfy: Comfy, work: Counter) -> None:
    parts = demo_parts(comfy)
    ran(comfy, work, graph_with(comfy, parts))
    _, done = ran(comfy, work, graph_with(comfy, {**parts, "scorer": demo_parts(comfy)["scorer"]}))
    assert done["propose_regions"] == 1
    held = [weakref.ref(parts.pop(name)) for name in ("scorer", "dino")]
    ran(comfy, work, graph_with(comfy, demo_parts(comfy)))
    comfy.forget()
    gc.collect()
    assert [one() for one in held] == [None, None]


def test_the_generators_seed_alone_redoes_nothing_where_nothing_is_learned(comfy: Comfy, work: Counter) -> None:
    parts = demo_parts(comfy)
    first, _ = ran(comfy, work, graph_with(comfy, parts))
    graph = graph_with(comfy, parts)
    graph["generator"]["inputs"]["seed"] = 43
    again, done = ran(comfy, work, graph)
    assert not done, done
    assert "edit" not in again.cached  # ComfyUI asked for it
    assert torch.equal(first.seen["v0"], again.seen["v0"])
    graph["edit"]["inputs"]["previews"] = "always"
    _, done = ran(comfy, work, graph)
    assert done["_advance_rows"] > 0
    graph["generator"]["inputs"]["seed"] = 44
    _, done = ran(comfy, work, graph)
    assert done["_advance_rows"] > 0, "another seed learns otherwise"
    assert done["propose_regions"] == 0


@pytest.mark.parametrize("more", [{1, 2}, np.ones(3)], ids=lambda value: type(value).__name__)
def test_a_conditioning_may_hold_what_has_no_key(comfy: Comfy, work: Counter, more: Any) -> None:
    """Such as another pack puts there: then the outputs are not remembered, and nothing fails."""
    parts = demo_parts(comfy)
    with torch.inference_mode():
        ((words, told),) = comfy.nodes.CLIPTextEncode().encode(parts["clip"], "a red ring")[0]
    for seed in (42, 43):
        graph = graph_with(comfy, parts)
        graph["generator"]["inputs"]["seed"] = seed
        take(comfy, graph, "edit.positive", [[words, {**told, "another_pack": more}]])
        _, done = ran(comfy, work, graph)
        assert done["_advance_rows"] > 0


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


@pytest.mark.parametrize("bytes_of_one", [1.0, 4.5, 1000.0], ids=["no picture", "the picture, not the outputs", "all"])
def test_large_outputs_are_not_held_and_give_the_same(
    comfy: Comfy, work: Counter, monkeypatch: pytest.MonkeyPatch, bytes_of_one: float
) -> None:
    memory = comfy.part("nodes.region_inpaint_optimize")._DONE
    parts = demo_parts(comfy)
    first, _ = ran(comfy, work, graph_with(comfy, parts))
    memory.clear()
    monkeypatch.setattr(memory, "most_bytes", first.seen["v8"].numel() * bytes_of_one)
    for seed in (43, 44):
        graph = graph_with(comfy, parts)
        graph["generator"]["inputs"]["seed"] = seed
        again, done = ran(comfy, work, graph)
        assert torch.equal(first.seen["v0"], again.seen["v0"])
    assert bool(done) == (bytes_of_one < 1000)


def test_of_a_film_longer_than_the_memory_the_first_frames_are_not_done_again(
    comfy: Comfy, work: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy.part("nodes.region_inpaint_optimize")._FOUND, "most", 2)
    monkeypatch.setattr(comfy.part("nodes.region_generator")._SEEN, "most", 2)
    parts = demo_parts(comfy)
    scene = comfy.part("nodes.shapes_demo").ShapesScene
    films = [torch.cat([scene.execute(seed=seed, kind="recolour").args[0] for seed in seeds]) for seeds in SEEDS]
    for seed, (film, searched) in enumerate([(films[0], 3), (films[0], 1), (films[1], 3), (films[1], 1)]):
        graph = graph_with(comfy, parts)
        for node in ("generator", "edit"):
            take(comfy, graph, f"{node}.image", film)
        graph["edit"]["inputs"]["seed"] = seed
        comfy.forget()
        _, done = ran(comfy, work, graph)
        assert done["propose_regions"] == done["_encode"] == searched


def test_a_fresh_generators_seed_stays(comfy: Comfy) -> None:
    info = comfy.classes["LearnableRegions_RegionGenerator"].GET_NODE_INFO_V1()
    control = info["input"]["optional"]["seed"][1]["control_after_generate"]
    assert control == ("fixed" if hasattr(comfy.part("nodes.common").io, "ControlAfterGenerate") else True)
