"""What a caption is compared with: what else could have been said of a picture, or of a part of it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import Tensor

from ..encoders import ClipScorer

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
RIVALS = tuple(text.strip() for text in _NOUNS.split(","))
NEAREST = 5  # of the rivals; one alone may be the caption in other words
GROUND = ("background", "the background", "a background")

_encoded: WeakKeyDictionary[ClipScorer, Tensor] = WeakKeyDictionary()


def rivals(scorer: ClipScorer) -> Tensor:
    """Unit embeddings [n, E] of `RIVALS`, encoded once for each scorer."""
    if scorer not in _encoded:
        _encoded[scorer] = scorer.encode_texts([f"{_article(text)} {text}" for text in RIVALS])
    return _encoded[scorer].to(scorer.device)


def contrast(seen: Tensor, caption: Tensor, others: Tensor) -> Tensor:
    """seen [N, E] -> [N]: cosine with the caption [1, E] less the mean of the `NEAREST` highest among
    those with the other texts [n, E]: what is seen more like something else is not the caption."""
    against = (seen @ others.T).topk(min(NEAREST, len(others)), dim=1).values.mean(dim=1)
    return (seen @ caption.T).squeeze(1) - against


def spread(seen: Tensor, caption: Tensor, others: Tensor) -> Tensor:
    """seen [N, E] -> [N]: how far the caption stands out among the other texts, in standard deviations
    of their cosines. The same for every model in which the cosines are an increasing line of another's."""
    against = seen @ others.T
    return ((seen @ caption.T).squeeze(1) - against.mean(dim=1)) / against.std(dim=1).clamp(min=1e-8)


def is_ground(caption: str) -> bool:
    """Whether the caption asks for an empty place, to add something there."""
    return " ".join(caption.lower().split()) in GROUND


def standardised(values: Tensor) -> Tensor:
    """Values [N] less their mean, over their spread: deviations among the regions of one picture."""
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-8)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
