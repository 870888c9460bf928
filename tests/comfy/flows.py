"""The workflow files as data: what the front end would queue, and stand-ins for what is not here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PACK = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((PACK / "workflows").glob("*.json"))
BLUEPRINTS = sorted((PACK / "subgraphs").glob("*.json"))
DEMO = PACK / "workflows" / "Edit by Text - Demo.json"
SD2 = PACK / "workflows" / "Edit by Text - SD2.json"
PUBLISHED = PACK / "workflows" / "Published Method - Demo.json"
FINDING = PACK / "workflows" / "Find Region by Text.json"
PHOTOGRAPH = PACK / "workflows" / "Find Region by Text - Photograph.json"
APP = PACK / "workflows" / "Edit by Text.app.json"
SEVERAL = PACK / "workflows" / "Several Edits - Demo.json"
API_DEMO = PACK / "workflows" / "api" / "learnable_regions_demo.json"
SOCKETS = PACK / "tests" / "comfy" / "sockets.json"
MUTED = 2
NOTES = {"MarkdownNote", "Note"}  # the front end's own, which never run
WIDGETS = {"INT", "FLOAT", "STRING", "COMBO", "BOOLEAN", "COMFY_DYNAMICCOMBO_V3"}
SEEDS = {"seed", "noise_seed"}
CONTROLS = {"fixed", "increment", "decrement", "randomize"}
OURS: dict[str, dict] = json.loads(SOCKETS.read_text(encoding="utf-8"))

# Inputs in the front end's order and outputs of the core nodes
CORE: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "CLIPTextEncode": ({"clip": "CLIP", "text": "STRING"}, [("CONDITIONING", "CONDITIONING")]),
    "CheckpointLoaderSimple": ({"ckpt_name": "COMBO"}, [("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")]),
    "LoadImage": ({"image": "COMBO"}, [("IMAGE", "IMAGE"), ("MASK", "MASK")]),
    "PreviewImage": ({"images": "IMAGE"}, []),
    "SaveImage": ({"images": "IMAGE", "filename_prefix": "STRING"}, []),
    "ImageStitch": (
        {
            "image1": "IMAGE",
            "image2": "IMAGE",
            "direction": "COMBO",
            "match_image_size": "BOOLEAN",
            "spacing_width": "INT",
            "spacing_color": "COMBO",
        },
        [("IMAGE", "IMAGE")],
    ),
    "MaskPreview": ({"mask": "MASK"}, []),
    "MaskToImage": ({"mask": "MASK"}, [("IMAGE", "IMAGE")]),
    # what it switches, and gives, has the type of what is connected
    "ComfySwitchNode": ({"on_false": "*", "on_true": "*", "switch": "BOOLEAN"}, [("output", "*")]),
    "PreviewAny": ({"source": "*"}, []),
    "PrimitiveString": ({"value": "STRING"}, [("STRING", "STRING")]),
    "UNETLoader": ({"unet_name": "COMBO", "weight_dtype": "COMBO"}, [("MODEL", "MODEL")]),
    "DualCLIPLoader": (
        {"clip_name1": "COMBO", "clip_name2": "COMBO", "type": "COMBO", "device": "COMBO"},
        [("CLIP", "CLIP")],
    ),
    "CLIPLoader": ({"clip_name": "COMBO", "type": "COMBO", "device": "COMBO"}, [("CLIP", "CLIP")]),
    "VAELoader": ({"vae_name": "COMBO"}, [("VAE", "VAE")]),
    "LoraLoaderModelOnly": ({"model": "MODEL", "lora_name": "COMBO", "strength_model": "FLOAT"}, [("MODEL", "MODEL")]),
    "ModelSamplingAuraFlow": ({"model": "MODEL", "shift": "FLOAT"}, [("MODEL", "MODEL")]),
    "ReferenceLatent": ({"conditioning": "CONDITIONING", "latent": "LATENT"}, [("CONDITIONING", "CONDITIONING")]),
    "TextEncodeQwenImageEditPlus": (
        {"clip": "CLIP", "vae": "VAE", "image1": "IMAGE", "image2": "IMAGE", "image3": "IMAGE", "prompt": "STRING"},
        [("CONDITIONING", "CONDITIONING")],
    ),
    "EmptyFlux2LatentImage": ({"width": "INT", "height": "INT", "batch_size": "INT"}, [("LATENT", "LATENT")]),
    "Flux2Scheduler": ({"steps": "INT", "width": "INT", "height": "INT"}, [("SIGMAS", "SIGMAS")]),
    "KSamplerSelect": ({"sampler_name": "COMBO"}, [("SAMPLER", "SAMPLER")]),
    "RandomNoise": ({"noise_seed": "INT"}, [("NOISE", "NOISE")]),
    "BasicGuider": ({"model": "MODEL", "conditioning": "CONDITIONING"}, [("GUIDER", "GUIDER")]),
    "SamplerCustomAdvanced": (
        {"noise": "NOISE", "guider": "GUIDER", "sampler": "SAMPLER", "sigmas": "SIGMAS", "latent_image": "LATENT"},
        [("output", "LATENT"), ("denoised_output", "LATENT")],
    ),
    "SAM3_Detect": (
        {
            "model": "MODEL",
            "image": "IMAGE",
            "conditioning": "CONDITIONING",
            "bboxes": "BOUNDING_BOX",
            "threshold": "FLOAT",
            "refine_iterations": "INT",
            "individual_masks": "BOOLEAN",
        },
        [("masks", "MASK"), ("bboxes", "BOUNDING_BOX")],
    ),
    "FluxGuidance": ({"conditioning": "CONDITIONING", "guidance": "FLOAT"}, [("CONDITIONING", "CONDITIONING")]),
    "ConditioningZeroOut": ({"conditioning": "CONDITIONING"}, [("CONDITIONING", "CONDITIONING")]),
    "InpaintModelConditioning": (
        {
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "vae": "VAE",
            "pixels": "IMAGE",
            "mask": "MASK",
            "noise_mask": "BOOLEAN",
        },
        [("positive", "CONDITIONING"), ("negative", "CONDITIONING"), ("latent", "LATENT")],
    ),
    "KSampler": (
        {
            "model": "MODEL",
            "positive": "CONDITIONING",
            "negative": "CONDITIONING",
            "latent_image": "LATENT",
            "seed": "INT",
            "steps": "INT",
            "cfg": "FLOAT",
            "sampler_name": "COMBO",
            "scheduler": "COMBO",
            "denoise": "FLOAT",
        },
        [("LATENT", "LATENT")],
    ),
    "VAEEncode": ({"pixels": "IMAGE", "vae": "VAE"}, [("LATENT", "LATENT")]),
    "VAEDecode": ({"samples": "LATENT", "vae": "VAE"}, [("IMAGE", "IMAGE")]),
    "ImageCompositeMasked": (
        {"destination": "IMAGE", "source": "IMAGE", "mask": "MASK", "x": "INT", "y": "INT", "resize_source": "BOOLEAN"},
        [("IMAGE", "IMAGE")],
    ),
}

OPEN = {"TextEncodeQwenImageEditPlus": {"image2", "image3"}, "SAM3_Detect": {"conditioning"}}  # may stay open


def load(path: Path) -> dict[str, Any]:
    """A workflow file."""
    return json.loads(path.read_text(encoding="utf-8"))


# those in which one node makes one edit, with a prompt of its own
EDITS = [path for path in WORKFLOWS if '"LearnableRegions_RegionInpaintOptimize"' in path.read_text(encoding="utf-8")]


def running(flow: dict) -> list[dict]:
    """Its nodes, less the notes."""
    return [node for node in flow["nodes"] if node["type"] not in NOTES]


def inputs_of(node: dict) -> tuple[dict[str, str], set[str]]:
    """Types of a node's inputs by name in order, those that its choices show too, and which may stay open."""
    kind = node["type"]
    if kind in CORE:
        return CORE[kind][0], OPEN.get(kind, set())
    groups = OURS[kind]["inputs"]
    types: dict[str, str] = {}
    for name, one in {**groups["required"], **groups["optional"]}.items():
        types[name] = one
        if name in OURS[kind].get("shown", {}):  # the first widget of its node
            types.update(OURS[kind]["shown"][name][node["widgets_values"][0]])
    return types, set(groups["optional"])


def outputs_of(kind: str) -> list[list[str]]:
    """Name and type of each output."""
    return [list(pair) for pair in (CORE[kind][1] if kind in CORE else OURS[kind]["outputs"])]


def widgets_of(node: dict) -> dict[str, Any]:
    """Values by widget; a seed's second entry and the upload button's are stepped over."""
    names = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    values, found = list(node["widgets_values"]), {}
    for name in names:
        found[name] = values.pop(0)
        if name in SEEDS:
            assert values.pop(0) in CONTROLS, node["type"]
    if node["type"] == "LoadImage":
        assert values.pop(0) == "image"
    assert not values, f"{node['type']} has {len(values)} widget values too many"
    return found


def as_prompt(flow: dict) -> dict[str, dict]:
    """What the front end would queue: without nodes that are muted."""
    awake = {node["id"] for node in running(flow) if node["mode"] != MUTED}
    links = {link[0]: [str(link[1]), link[2]] for link in flow["links"] if link[1] in awake}
    prompt = {}
    for node in running(flow):
        if node["id"] not in awake:
            continue
        inputs = widgets_of(node)
        inputs.update({slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] in links})
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def unpacked(blueprint: dict, **given: Any) -> tuple[dict[str, dict], dict[str, list]]:
    """What is inside a blueprint as a prompt, with `given` at its sockets by name (a value, or a link
    [node, slot]; those not given keep their widget's value), and where its outputs come from."""
    (graph,) = blueprint["definitions"]["subgraphs"]
    links, names = {}, [slot["name"] for slot in graph["inputs"]]
    ends: dict[str, list] = {}
    for link in graph["links"]:
        start = [str(link["origin_id"]), link["origin_slot"]]
        if link["origin_id"] != -10:  # its inputs
            links[link["id"]] = start
        elif names[link["origin_slot"]] in given:
            links[link["id"]] = given[names[link["origin_slot"]]]
        if link["target_id"] == -20:  # its outputs
            ends[graph["outputs"][link["target_slot"]]["name"]] = start
    prompt = {}
    for node in graph["nodes"]:
        inputs = widgets_of(node)
        inputs.update({slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] in links})
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt, ends


def find(prompt: dict[str, dict], kind: str) -> str:
    """The id of the first node of a kind; ours by the name without the prefix."""
    return next(key for key, node in prompt.items() if node["class_type"] in (kind, f"LearnableRegions_{kind}"))


def show_text(prompt: dict[str, dict], **ends: tuple[str, int]) -> dict[str, dict]:
    """The prompt with a Preview as Text node of each name at the outputs named."""
    extra = {name: {"class_type": "PreviewAny", "inputs": {"source": list(end)}} for name, end in ends.items()}
    return {**json.loads(json.dumps(prompt)), **extra}


_SHAPES_OUTPUTS = {
    "CheckpointLoaderSimple": (0, 1, 2),
    "UNETLoader": (0,),
    "DualCLIPLoader": (1,),
    "VAELoader": (2,),
    "CLIPLoader": (1,),
    "LoraLoaderModelOnly": (0,),
    "LearnableRegions_LoadEditingModels": (0, 1, 2, 3, 4),
    "LearnableRegions_LoadDinoEncoder": (3,),
    "LearnableRegions_LoadClipScorer": (4,),
}


def with_shapes(prompt: dict[str, dict], picture: str, caption: str, wish: str) -> dict[str, dict]:
    """The same graph with the embedded models in the place of all loaders, a picture of shapes, its
    two texts, and settings that suit them."""
    loaders = {
        key: _SHAPES_OUTPUTS[node["class_type"]]
        for key, node in prompt.items()
        if node["class_type"] in _SHAPES_OUTPUTS
    }
    made: dict[str, dict] = {"shapes": {"class_type": "LearnableRegions_LoadShapesDemo", "inputs": {}}}
    strings = iter((caption, wish))  # in the order of the graph: the caption comes first
    for key, node in prompt.items():
        if key in loaders:
            continue
        inputs = {
            name: ["shapes", loaders[value[0]][value[1]]] if isinstance(value, list) and value[0] in loaders else value
            for name, value in node["inputs"].items()
        }
        kind = node["class_type"]
        if kind == "LoadImage":
            inputs["image"] = picture
        elif kind == "PrimitiveString" and isinstance(inputs["value"], str):
            inputs["value"] = next(strings)
        elif kind == "LearnableRegions_FindRegion" and isinstance(inputs["image_caption"], str):
            inputs["image_caption"] = caption
        elif kind == "LearnableRegions_RegionInpaintOptimize":
            few = {"preset.per_image_iteration": 2, "preset.point_number": 3, "steps": 4}
            inputs |= {"cfg": 3.0, **(few if inputs["preset"] == "paper" else {"preset": "standard"})}
        elif kind == "KSampler":
            inputs |= {"cfg": 3.0, "sampler_name": "ddim", "scheduler": "ddim_uniform"}
        made[key] = {"class_type": kind, "inputs": inputs}
    return made
