import math

import numpy as np
import pytest
import torch
from cmt_comparison import assert_close
from cmt_world import projections

from corruptions.core import InputError
from perception3d.models.cmt.cameras import Cameras
from perception3d.models.cmt.encodings import (
    BEVEmbedding,
    RayEmbedding,
    bev_cell_centres,
    denormalise_points,
    pixel_grid,
    project,
    rays,
    sine_encoding,
)
from perception3d.models.cmt.queries import encode_queries

RANGE = (-54.0, -54.0, -5.0, 54.0, 54.0, 3.0)


def cameras(views=3, **meta):
    return Cameras.from_metas([dict(lidar2img=projections(views), **meta)], views, (64, 96), "cpu")


def explicit_ray_inputs(pixels, lidar_from_img, depths_m, point_cloud_range):
    """The points one by one: (u d, v d, d, 1) through the inverse projection, in a row."""
    columns = []
    low, high = torch.tensor(point_cloud_range).view(2, 3)
    for depth in depths_m:
        ones = torch.ones_like(pixels[..., :1])
        homogeneous = torch.cat([pixels * depth, ones * depth, ones], dim=-1)
        points_m = (homogeneous @ lidar_from_img.transpose(-1, -2))[..., :3]
        columns.append((points_m - low) / (high - low))
    return torch.cat(columns, dim=-1)


def test_sine_encoding_by_hand():
    """Four channels an axis: divisors 1, 1, 1.5, 1.5; y comes first."""
    x, y = 0.3, 0.7
    expected = [
        f(2 * math.pi * value / divisor) for value in (y, x) for divisor in (1, 1.5) for f in (math.sin, math.cos)
    ]
    found = sine_encoding(torch.tensor([x, y]), channels=4)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bev_cells_run_along_x_first():
    cells = bev_cell_centres(height=2, width=4)
    np.testing.assert_allclose(cells[:5], [[0.125, 0.25], [0.375, 0.25], [0.625, 0.25], [0.875, 0.25], [0.125, 0.75]])


def test_image_cells_are_top_left_corners():
    grid = pixel_grid(height=2, width=3, image_size=(64, 96))
    np.testing.assert_allclose(grid, [[0, 0], [32, 0], [64, 0], [0, 32], [32, 32], [64, 32]])


def test_projection_by_hand():
    """View 0 looks along x with focal length 60 and centre (48, 32): (10, 2, 1) lands at (48 - 12, 32 - 6)."""
    points_m = torch.tensor([[[10.0, 2.0, 1.0], [-10.0, 0.0, 0.0], [10.0, 20.0, 0.0]]])
    pixels, visible = project(points_m, cameras())
    np.testing.assert_allclose(pixels[0, 0, 0], [36, 26], rtol=1e-5)
    assert visible[0, 0].tolist() == [True, False, False]


def test_rays_return_to_their_pixels():
    views = cameras()
    pixels = pixel_grid(4, 6, (64, 96))
    origin_m, direction = rays(pixels, views.lidar_from_img)
    for depth_m in (1.0, 30.0):
        points_m = origin_m[..., None, :] + depth_m * direction
        for view in range(3):
            back, _ = project(points_m[:, view], views)
            np.testing.assert_allclose(back[0, view], pixels, atol=2e-4)


def test_ray_embedding_equals_its_two_layers_on_explicit_points():
    torch.manual_seed(0)
    network = RayEmbedding(16, RANGE)
    views, pixels = cameras(), pixel_grid(4, 6, (64, 96))
    points = explicit_ray_inputs(pixels, views.lidar_from_img, network.depths_m, RANGE)
    expected = network[2](network[1](network[0](points)))
    assert_close(network(pixels, views.lidar_from_img), expected, 2e-6)
    assert network.depths_m[[0, -1]].tolist() == pytest.approx([1, 1 + 63 * 53 / 64])


def test_absent_cameras_see_nothing():
    torch.manual_seed(0)
    networks = BEVEmbedding(16), RayEmbedding(16, RANGE)
    logits = torch.logit(torch.rand(1, 50, 3), eps=1e-5)
    none = encode_queries(logits, *networks, cameras(camera_present=[False] * 3))
    torch.testing.assert_close(none, encode_queries(logits, *networks, None))
    one = encode_queries(logits, *networks, cameras(camera_present=[False, True, False]))
    alone = Cameras.from_metas([dict(lidar2img=projections(3)[1:2])], 1, (64, 96), "cpu")
    torch.testing.assert_close(one, encode_queries(logits, *networks, alone))
    assert not torch.equal(one, none)


def test_grid_is_computed_once_and_follows_the_weights():
    network = BEVEmbedding(8).eval()

    def fresh():
        return network(bev_cell_centres(4, 4))

    with torch.no_grad():
        first = network.grid(4, 4)
        assert network.grid(4, 4) is first
        torch.testing.assert_close(first, fresh())
        network[0].weight.mul_(2)
        torch.testing.assert_close(network.grid(4, 4), fresh())
        network.load_state_dict(BEVEmbedding(8).state_dict())
        torch.testing.assert_close(network.grid(4, 4), fresh())
        network[2].bias.data.add_(1)  # an EMA swap writes like this, before it sets the mode
        network.eval()
        torch.testing.assert_close(network.grid(4, 4), fresh())
        network.double()  # a device or a type: memory that was freed may hold the new weights
        assert network._grid is None
        assert network.float().grid(2, 4).shape == (8, 8)
    assert network.grid(4, 4).requires_grad
    assert set(network.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    with torch.inference_mode():
        assert BEVEmbedding(8).eval().grid(4, 4).shape == (16, 8)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "images came without calibration"),
        ({"lidar2img": np.eye(4)[None]}, r"shape \(3, 4, 4\) for 3 images, found \(1, 4, 4\)"),
        ({"lidar2img": np.zeros((3, 4, 4))}, "invertible"),
        ({"lidar2img": np.full((3, 4, 4), np.nan)}, "finite"),
        ({"lidar2img": projections(3), "camera_present": [True]}, "camera_present"),
    ],
)
def test_bad_calibration_is_named(meta, message):
    with pytest.raises(InputError, match=f"sample 7: .*{message}"):
        Cameras.from_metas([dict(sample_idx=7, **meta)], 3, (64, 96), "cpu")


def test_encodings_equal_the_published_ones(known):
    answers = known("I_position_encodings")
    bev, ray = BEVEmbedding(256).eval(), RayEmbedding(256, RANGE).eval()
    bev.load_state_dict(answers.weights_of("pts_bbox_head.bev_embedding."))
    ray.load_state_dict(answers.weights_of("pts_bbox_head.rv_embedding."))
    views = Cameras.from_metas([dict(lidar2img=answers["f64_lidar2img0"].numpy())], 6, (128, 320), "cpu")
    assert_close(sine_encoding(answers.input("xy"), 256), answers["sine"], 1e-6)
    assert_close(bev_cell_centres(40, 40)[:45], answers["bev_coords_first45"], 1e-6)

    cells = torch.tensor(answers.meta["pixels_row_col"])
    pixels = pixel_grid(8, 20, (128, 320))[cells[:, 0] * 20 + cells[:, 1]]
    explicit = explicit_ray_inputs(pixels, views.lidar_from_img[0], ray.depths_m, RANGE)
    assert_close(explicit, answers["image_ray_input"], 1e-6)
    with torch.no_grad():
        assert_close(bev.grid(40, 40)[::100], answers["bev_pe_every_100th"], 2e-6)
        assert_close(ray(pixels, views.lidar_from_img[0]), answers["image_pe"], 2e-6)
        logits = torch.logit(answers.input("ref"), eps=1e-5)[None]
        on_plane = bev(logits.sigmoid()[..., :2])
        assert_close(on_plane[0], answers["query_bev_embed"], 2e-6)
        on_rays = encode_queries(logits, bev, ray, views) - on_plane
        assert_close(on_rays[0], answers["query_image_embed"], 5e-6)
    points_m = denormalise_points(logits.sigmoid(), ray.point_cloud_range)
    assert torch.equal(project(points_m, views)[1][0], answers["query_visible"])
