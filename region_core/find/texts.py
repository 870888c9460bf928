"""What a caption is compared with: what else could have been said of a picture, or of a part of it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import Tensor

from ..encoders import ClipScorer
from ..errors import with_article

# Everyday nouns from all over, and what is said of plain drawings. A cosine with a caption says little
# by itself; how it stands among the cosines with these says whether the caption is what is seen.
_NOUNS = """
person, man, woman, child, face, dog, cat, horse, cow, sheep, bird, fish, insect, snake, elephant, bear,
monkey, animal, tree, flower, grass, leaf, forest, mountain, sky, cloud, sun, sea, water, river, beach,
snow, rock, road, street, building, house, bridge, window, door, wall, floor, table, chair, sofa, bed,
lamp, book, clock, picture, cup, bottle, bowl, plate, knife, bread, cake, pizza, fruit, apple, banana,
vegetable, meat, drink, car, bus, truck, train, bicycle, motorcycle, boat, airplane, phone, computer,
screen, camera, guitar, shoe, shirt, hat, bag, umbrella, ball, toy, sign, text, fire, background,
red circle, green square, blue triangle, yellow star
"""
DISTRACTORS = tuple(text.strip() for text in _NOUNS.split(","))
_BACKGROUND = ("background", "the background", "a background")

_encoded: WeakKeyDictionary[ClipScorer, Tensor] = WeakKeyDictionary()


def distractors(scorer: ClipScorer) -> Tensor:
    """Unit embeddings [n, E] of `DISTRACTORS`, encoded once for each scorer."""
    if scorer not in _encoded:
        _encoded[scorer] = scorer.encode_texts([with_article(text) for text in DISTRACTORS])
    return _encoded[scorer].to(scorer.device)


def is_background(caption: str) -> bool:
    """Whether the caption asks for an empty place, to add something there."""
    return " ".join(caption.lower().split()) in _BACKGROUND
