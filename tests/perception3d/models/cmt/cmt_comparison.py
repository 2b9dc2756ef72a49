"""Comparisons against known answers."""

import torch


def assert_close(found: torch.Tensor, expected: torch.Tensor, relative: float, what: str = "") -> None:
    """Largest difference within ``relative`` of the largest value."""
    assert found.shape == expected.shape, what
    difference = (found - expected).abs().max().item()
    assert difference <= relative * expected.abs().max().item(), f"{what}: off by {difference}"


def by_pair(detections: dict[str, torch.Tensor]) -> dict[tuple[int, int], torch.Tensor]:
    """Rows of boxes and score by (query, label): tied scores may come in any order."""
    rows = torch.cat([detections["boxes"], detections["scores"][:, None]], dim=1)
    keys = zip(detections["query"].tolist(), detections["labels"].tolist(), strict=True)
    return dict(zip(keys, rows, strict=True))
