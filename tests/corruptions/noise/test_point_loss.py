import numpy as np
import pytest

from corruptions.core import KEPT, InputError, Scan
from corruptions.noise.point_loss import CUTOUT, DENSITY_DECREASE, cutout, density_decrease

LEVELS = ("light", "moderate", "heavy")


def test_density_decrease_removes_an_exact_share_everywhere(street_scan):
    out = density_decrease(street_scan, np.random.default_rng(0), drop_share=0.4)
    assert len(out.points) == 7680  # 0.6 * 12 800
    assert np.array_equal(out.points, street_scan.points[out.source]) and (out.status == KEPT).all()
    # 64 rings of 200 points: standard deviation of the share kept in a ring sqrt(0.6 * 0.4 / 200) = 0.035
    share_by_ring = np.bincount(street_scan.ring[out.source], minlength=64) / 200
    assert share_by_ring == pytest.approx(0.6, abs=0.15)


def test_a_cutout_patch_is_a_point_and_its_nearest_neighbours(street_scan):
    out = cutout(street_scan, np.random.default_rng(0), patches=1, patch_share=0.02)
    gone = np.setdiff1d(np.arange(12_800), out.source)
    assert len(gone) == 256  # 0.02 * 12 800
    # Some point of the patch must have every other patch point nearer than all that is left.
    xyz = street_scan.points[:, :3].astype(np.float64)
    reach = [np.linalg.norm(xyz[gone] - xyz[centre], axis=1).max() for centre in gone]
    nearest_left = [np.linalg.norm(xyz[out.source] - xyz[centre], axis=1).min() for centre in gone]
    assert any(inside <= outside + 1e-4 for inside, outside in zip(reach, nearest_left, strict=True))


def test_patches_do_not_overlap(street_scan):
    out = cutout(street_scan, np.random.default_rng(0), patches=50, patch_share=0.02)
    assert len(out.points) == 0  # 50 * 256 = 12 800


@pytest.mark.parametrize("corruption", [DENSITY_DECREASE, CUTOUT], ids=lambda corruption: corruption.name)
@pytest.mark.parametrize("scan_fixture", ["street_scan", "kitti_scan"])
def test_levels_lose_more_points(corruption, scan_fixture, request):
    scan = request.getfixturevalue(scan_fixture)
    lost = [1 - len(corruption(scan, np.random.default_rng(0), level).points) / len(scan.points) for level in LEVELS]
    expected = [0.2, 0.4, 0.6] if corruption is DENSITY_DECREASE else [0.04, 0.1, 0.2]
    assert lost == pytest.approx(expected, abs=1e-3)


def test_scans_smaller_than_a_patch_stay_whole(street_scan):
    scan = Scan(street_scan.points[:30], 1.0)
    assert len(cutout(scan, np.random.default_rng(0), patches=10).points) == 30


@pytest.mark.parametrize(
    ("fn", "bad"),
    [
        (density_decrease, {"drop_share": 1.5}),
        (density_decrease, {"drop_share": -0.5}),
        (cutout, {"patches": -1}),
        (cutout, {"patches": 60}),
        (cutout, {"patches": 2, "patch_share": 0.6}),
    ],
)
def test_bad_values_are_named(fn, bad, street_scan):
    with pytest.raises(InputError, match=next(iter(bad))):
        fn(street_scan, np.random.default_rng(0), **bad)
