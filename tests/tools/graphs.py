"""Random mutations of the shipped API graphs against a real server.

`python -m tests.tools.graphs --comfyui FOLDER --mutations 300`: 300 of each graph, with inputs missing, of nothing,
of another type, extreme, or linked to the wrong place. Whatever is refused is refused in one sentence, the
server lives, and a good run afterwards gives what an undisturbed one does.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import hashlib
import io
import json
import random
import re
import tempfile
import time
import urllib.error
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from region_core.demo.scenes import make_scene

from ..comfy.flows import PACK, WORKFLOWS, as_prompt, load, with_shapes
from ..comfy.served import PACK_FOLDER, Server
from .workflow_painters import PAINTERS

EXTREMES: list[Any] = [
    -1,
    0,
    1,
    2**31,
    -(2**63),
    2**64,
    1e308,
    -1e-308,
    "",
    " ",
    "\U0001f600" * 50,
    "\ud83d",
    "a \udfff",
    "../../x",
    "CON",
    "\0",
    True,
    [],
    {},
    "nan",
    0.5,
    "x" * 5000,
    "\u7ea2",
]
OURS = "LearnableRegions_"
NAMES = [node["display_name"] for node in json.loads((PACK / "locales/en/nodeDefs.json").read_text("utf-8")).values()]


def scene_png() -> bytes:
    """A picture of shapes with a region painted into its transparency."""
    image = np.dstack([make_scene(1).image, np.full((128, 128), 255, np.uint8)])
    image[30:100, 30:100, 3] = 0
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def graphs(server: Server, picture: bytes) -> dict[str, dict]:
    """Every shipped workflow as a script would send it, with the embedded models and little work."""
    name = server.upload("in.png", picture)
    made = {}
    for path in (path for path in WORKFLOWS if path.stem not in PAINTERS):
        graph = with_shapes(as_prompt(load(path)), name, "a red circle", "a blue square")
        for node in graph.values():
            if node["class_type"] == f"{OURS}RegionInpaintOptimize":
                node["inputs"].update({"preset": node["inputs"].get("preset", "fast"), "steps": 2})
        made[path.stem] = graph
    for path in sorted((PACK / "workflows" / "api").glob("*.json")):
        made[path.stem] = json.loads(path.read_text(encoding="utf-8"))
    return made


def mutated(graph: dict, rng: random.Random) -> tuple[dict, str]:
    """(the graph with something wrong with one of our nodes, what)."""
    graph = copy.deepcopy(graph)
    key = rng.choice([key for key, node in graph.items() if node["class_type"].startswith(OURS) and node["inputs"]])
    node = graph[key]
    name = rng.choice(sorted(node["inputs"]))
    kind = rng.choice(["missing", "nothing", "extreme", "extreme", "extreme", "link", "link", "gone"])
    if kind == "link" and name == "preset":  # ComfyUI follows a link there without a look at it, and may not come back
        kind = "nothing"
    if kind == "missing":
        del node["inputs"][name]
    elif kind == "nothing":
        node["inputs"][name] = None
    elif kind == "extreme":
        node["inputs"][name] = rng.choice(EXTREMES)
    elif kind == "link":
        node["inputs"][name] = [rng.choice(sorted(graph)), rng.choice([0, 0, 1, 2, 3, 7, 99, -1])]
    else:
        del graph[rng.choice(sorted(graph))]
    value = ascii(graph.get(key, {}).get("inputs", {}).get(name))[:40]
    return graph, f"{kind} {node['class_type'].removeprefix(OURS)}.{name} = {value}"


def wrong_with(server: Server, graph: dict, seconds: float) -> tuple[str, str]:
    """(what came of it, what is wrong with that or "")."""
    try:
        heard = server.run(graph, seconds=seconds)
    except (urllib.error.URLError, OSError, asyncio.TimeoutError, TimeoutError) as error:
        return "lost", f"{type(error).__name__}: {error}"
    if server.process.poll() is not None:
        return "died", "the server has ended"
    refused = json.dumps([heard.problem, heard.refused], default=str)
    if heard.status != "error" and "exception_during" in refused and of_pack(refused):
        return heard.status, f"an exception while the graph was checked: {refused[:300]}"
    if heard.status == "error":
        text = str(heard.problem).strip()
        ours = text.split(": ")[0] in NAMES
        return "told", "" if ours and len(text.splitlines()) == 1 else f"not our sentence: {text[:300]}"
    return heard.status, ""


def what_came(server: Server, heard: Any) -> list:
    """Texts, less their seconds, and pictures of a run: pixels, for a file's name counts up."""
    came: list = []
    for node, output in sorted(heard.outputs.items()):
        came.append((node, re.sub(r"seconds[ :]*[\d.]+|[\d.]+ ?(s|seconds)\b", "", json.dumps(output.get("text")))))
        for picture in output.get("images", []):
            with Image.open(io.BytesIO(server.picture(picture))) as opened:
                came.append((node, opened.size, hashlib.sha256(opened.convert("RGBA").tobytes()).hexdigest()))
    return came


def of_pack(text: str) -> bool:
    """Whether the pack has a part in what a log or an answer tells: as it is installed, or where it lies."""
    return f"custom_nodes/{PACK_FOLDER}" in text or str(PACK) in text


def tracebacks_in(log: str, status: str) -> list[tuple[str, bool]]:
    """(each traceback in a server's log, in a line; whether the pack has any part in it). What follows one counts to
    it: the log's own faults tell of their callers there. ComfyUI writes one for the error of a node, with its cause,
    which the sentence at its end tells; for what is refused before anything runs, and for what runs, there is none.
    """
    found = []
    for block in log.split("Traceback (most recent call last):")[1:]:
        lines = block.splitlines()[1:]
        end = next((number for number, line in enumerate(lines) if line and not line.startswith(" ")), 0)
        if status == "told" and "InputError" in lines[end]:
            status = "told already"  # once is enough
            continue
        if status == "told" and "The above exception was the direct cause" in block:
            continue
        frames = [line.strip() for line in lines[:end] if line.lstrip().startswith("File ")]
        found.append((f"a traceback of {lines[end]!r} at {frames[-1] if frames else '?'}", of_pack(block)))
    return found


def run(
    comfyui: Path, mutations: int, seed: int, minutes: float, seconds: float = 300
) -> tuple[dict[str, Counter], list[str], int, bool]:
    """(outcomes by graph, what was wrong, how many tracebacks were of ComfyUI alone, whether the good run at the end
    is as at the start)."""
    rng, wrong, cores = random.Random(seed), [], 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(comfyui, PACK, Path(folder) / "base folder")
        try:
            server.wait()
            all_of_them = graphs(server, scene_png())
            name = sorted(all_of_them)[0]
            good = server.run(all_of_them[name], seconds=seconds)
            assert good.status == "success", good
            kept = what_came(server, good)
            assert any(len(one) == 3 for one in kept), "no picture to compare"
            until = time.monotonic() + minutes * 60
            outcomes: dict[str, Counter] = {source: Counter() for source in sorted(all_of_them)}
            for number in range(mutations * len(outcomes)):  # one of each after the other: time may be up
                source = list(outcomes)[number % len(outcomes)]
                graph, what = mutated(all_of_them[source], rng)
                if time.monotonic() > until:
                    break
                said = server.log.stat().st_size
                status, problem = wrong_with(server, graph, seconds)
                log = server.log.read_bytes()[said:].decode("utf-8", "replace")
                traces = tracebacks_in(log, status)
                outcomes[source][status] += 1
                cores += sum(not ours for _, ours in traces)
                for one in [problem] * bool(problem) + [trace for trace, ours in traces if ours]:
                    wrong.append(f"{number} {source}: {what}: {one}")
                    print(wrong[-1], flush=True)
                if status in ("lost", "died"):
                    break
            server.forget()
            again = server.run(all_of_them[name], seconds=seconds)
            came = what_came(server, again)
            pairs = zip(came, kept, strict=False)
            wrong += [f"at the end {one} where at first {other}" for one, other in pairs if one != other]
            return outcomes, wrong, cores, again.status == "success" and came == kept
        finally:
            server.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comfyui", type=Path, default=Path.home() / "comfy" / "ComfyUI")
    parser.add_argument("--mutations", type=int, default=300, help="of each graph")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="no new one after this time")
    args = parser.parse_args()
    started = time.perf_counter()
    outcomes, wrong, cores, same = run(args.comfyui, args.mutations, args.seed, args.minutes)
    total = sum(outcomes.values(), Counter())
    print(
        f"{sum(total.values())} mutations in {time.perf_counter() - started:.0f} s: {dict(total)}, {len(wrong)} wrong, "
        f"{cores} times a traceback of ComfyUI's own; the last good run is {'as' if same else 'NOT as'} the first"
    )
    for name, counts in outcomes.items():
        print(f"  {name}: {sum(counts.values())}, {dict(counts)}")
    print("\n".join(one for one in wrong if one.startswith("at the end")))


if __name__ == "__main__":
    main()
