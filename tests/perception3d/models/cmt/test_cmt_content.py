"""Features sampled at reference points, against interpolation by hand and maps whose values are their coordinates."""

import numpy as np
import pytest
import torch

from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.content import SampledContent, sample_bev, sample_images
from perception3d.models.cmt.encodings import BEVEmbedding, RayEmbedding, pixel_grid
from perception3d.models.cmt.tokens import Tokens, image_tokens, lidar_tokens

RANGE = torch.tensor([-10.0, -10.0, -2.0, 10.0, 10.0, 2.0])
# looking along x: u = 50 - 50 y / x, v = 20 - 50 z / x on an image of 40 x 100
FORWARD = torch.tensor([[50.0, -50, 0, 0], [20, 0, -50, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
BACKWARD = FORWARD * torch.tensor([-1.0, -1, 1, 1])


def cameras(present: list[list[bool]]) -> Cameras:
    matrices = torch.stack([FORWARD, BACKWARD]).expand(len(present), 2, 4, 4)
    inverses = torch.linalg.inv(matrices.double()).float()
    return Cameras(matrices, inverses, (40, 100), torch.tensor(present))


def test_bev_features_are_those_of_the_place() -> None:
    """A map that holds its own coordinates in metres gives a place back."""
    centres = (torch.arange(20) + 0.5) - 10.0
    bev = torch.stack([centres.expand(20, 20), centres[:, None].expand(20, 20)])[None]
    tokens = lidar_tokens(bev, torch.tensor([True]), BEVEmbedding(2))
    places_m = torch.tensor([[[3.2, -7.4], [-9.0, 9.1], [0.0, 0.0]]])
    sampled, seen = sample_bev(tokens, (places_m + 10) / 20)
    torch.testing.assert_close(sampled, places_m)
    assert seen.shape == (1, 1, 1) and seen.all()


def test_bev_of_a_sample_without_lidar_is_not_seen() -> None:
    tokens = lidar_tokens(torch.ones(1, 4, 8, 8), torch.tensor([False, True]), BEVEmbedding(4))
    _, seen = sample_bev(tokens, torch.full((2, 3, 2), 0.5))
    assert seen.flatten().tolist() == [0.0, 1.0]


def image_feats(per_view: list[float], batch: int = 1) -> torch.Tensor:
    """Maps of 8 x 20 cells that hold u and v of the pixel they stand for, a number of the view, and 0."""
    pixels = pixel_grid(8, 20, (40, 100)).T.reshape(2, 8, 20)
    views = [torch.cat([pixels, torch.full((1, 8, 20), value), torch.zeros(1, 8, 20)]) for value in per_view]
    return torch.stack(views * batch)


def test_image_features_are_those_of_the_projected_pixel() -> None:
    seen_by = cameras([[True, True]])
    tokens = image_tokens(image_feats([1.0, 2.0]), seen_by, RayEmbedding(4, RANGE.tolist()))
    # ahead: u = 50 - 50 * 1 / 5 = 40, v = 20 - 50 * 0.5 / 5 = 15
    points = torch.tensor([[[5.0, 1.0, 0.5], [-8.0, 2.0, 0.0], [0.1, 9.0, 0.0]]])
    sampled, seen = sample_images(tokens, points, seen_by)
    torch.testing.assert_close(sampled[0, 0], torch.tensor([40.0, 15.0, 1.0, 0.0]))
    # behind: (u d, v d, d) = (400 + 100, 160, 8) -> u = 62.5, v = 20
    torch.testing.assert_close(sampled[0, 1], torch.tensor([62.5, 20.0, 2.0, 0.0]))
    assert seen[0, :, 0].tolist() == [1.0, 1.0, 0.0]
    assert not sampled[0, 2].any()


def test_cameras_that_are_missing_are_not_sampled() -> None:
    seen_by = cameras([[True, False], [True, True]])
    feats = torch.cat([image_feats([1.0]), image_feats([3.0, 4.0])])
    tokens = image_tokens(feats, seen_by, RayEmbedding(4, RANGE.tolist()))
    points = torch.tensor([[[5.0, 0.0, 0.0], [-5.0, 0.0, 0.0]]]).expand(2, 2, 3)
    sampled, seen = sample_images(tokens, points, seen_by)
    assert seen[..., 0].tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert sampled[0, 0, 2] == 1.0 and sampled[1, :, 2].tolist() == [3.0, 4.0]


def test_view_that_no_sample_has_gives_no_tokens_and_no_content() -> None:
    seen_by = cameras([[False, True]])
    tokens = image_tokens(image_feats([7.0]), seen_by, RayEmbedding(4, RANGE.tolist()))
    sampled, seen = sample_images(tokens, torch.tensor([[[5.0, 0, 0], [-5.0, 0, 0]]]), seen_by)
    assert seen[0, :, 0].tolist() == [0.0, 1.0] and sampled[0, 1, 2] == 7.0


@pytest.mark.parametrize("sensors", [("lidar",), ("camera",), ("lidar", "camera")])
def test_content_is_the_sum_over_the_sensors_that_are_there(sensors: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    content = SampledContent(4, ("lidar", "camera"))
    seen_by = cameras([[True, True]])
    every = {
        "lidar": lidar_tokens(torch.randn(1, 4, 8, 8), torch.tensor([True]), BEVEmbedding(4)),
        "camera": image_tokens(image_feats([1.0, 2.0]), seen_by, RayEmbedding(4, RANGE.tolist())),
    }
    references = torch.tensor([[[0.75, 0.55, 0.5]]])
    tokens = {name: every[name] for name in sensors}
    got = content(tokens, references, seen_by, RANGE)
    parts = []
    if "lidar" in sensors:
        parts.append(content.sensors["lidar"](sample_bev(every["lidar"], references[..., :2])[0]))
    if "camera" in sensors:
        parts.append(
            content.sensors["camera"](sample_images(every["camera"], torch.tensor([[[5.0, 1.0, 0.0]]]), seen_by)[0])
        )
    torch.testing.assert_close(got, sum(parts))


def test_no_sensor_gives_zeros() -> None:
    nothing = torch.zeros(2, 0, 4)
    got = SampledContent(4, ("lidar",))({"none": Tokens(nothing, nothing)}, torch.rand(2, 5, 3), None, RANGE)
    assert got.shape == (2, 5, 4) and not got.any()


def test_gradients_reach_the_maps() -> None:
    bev = torch.randn(1, 4, 8, 8, requires_grad=True)
    tokens = lidar_tokens(bev, torch.tensor([True]), BEVEmbedding(4))
    sampled, _ = sample_bev(tokens, torch.tensor([[[0.5, 0.5]]]))
    sampled.sum().backward()
    # the middle of an even map lies between four cells, a quarter each
    np.testing.assert_allclose(bev.grad[0, 0, 3:5, 3:5], 0.25)
    assert bev.grad.count_nonzero() == 16
