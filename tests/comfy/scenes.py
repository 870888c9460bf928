"""Pictures of shapes for workflows that load their picture from a file."""

from __future__ import annotations

import io

from PIL import Image

from .flows import show_text
from .served import Server


def drawn_scene(server: Server, seed: int) -> tuple[Image.Image, str, str, dict]:
    """A Shapes Scene as a person would have it: a picture, two texts, and where the object is."""
    graph = show_text(
        {
            "scene": {"class_type": "LearnableRegions_ShapesScene", "inputs": {"seed": seed, "kind": "replace"}},
            "see": {"class_type": "PreviewImage", "inputs": {"images": ["scene", 0]}},
        },
        caption=("scene", 1),
        wish=("scene", 2),
        truth=("scene", 4),
    )
    heard = server.run(graph)
    picture = Image.open(io.BytesIO(server.picture(heard.outputs["see"]["images"][0])))
    return picture, heard.text("caption"), heard.text("wish"), heard.text("truth")


def painted(picture: Image.Image, box: dict, margin: int) -> bytes:
    """The picture as ComfyUI's mask editor saves it: see-through where a hand painted."""
    alpha = Image.new("L", picture.size, 255)
    x, y = box["x"], box["y"]
    alpha.paste(0, (max(x - margin, 0), max(y - margin, 0), x + box["width"] + margin, y + box["height"] + margin))
    made = picture.convert("RGB")
    made.putalpha(alpha)
    file = io.BytesIO()
    made.save(file, "PNG")
    return file.getvalue()
