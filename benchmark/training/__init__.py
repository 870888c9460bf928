"""How the embedded models, the judge and the worlds' own were trained."""

PARTS = ("tokenizer", "vae", "clip", "dino", "judge", "unet")
WORLD_PARTS = ("things-conv", "things-dino", "things-vit")  # not of what is embedded
