import numpy as np


def street(views: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Bright sky over a dark, textured ground with blocks of colour: uint8 (views, height, width, 3)."""
    rng = np.random.default_rng(seed)
    images = np.empty((views, height, width, 3))
    images[:] = np.linspace(230, 60, height)[:, None, None]
    images += rng.normal(0, 12, images.shape)
    for image in images:
        for _ in range(12):
            y, x = rng.integers(height), rng.integers(width)
            image[y : y + height // 4 + 1, x : x + width // 6 + 1] = rng.integers(10, 240, 3)
    return np.clip(images, 0, 255).astype(np.uint8)
