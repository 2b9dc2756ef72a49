import numpy as np
import pytest

from corruptions.core import INTENSITY, KEPT, MOVED, InputError, Scan
from corruptions.files import read_labels, read_points
from corruptions.weather.snow_flakes import SnowLaw
from corruptions.weather.snowfall import SNOWFALL, snowfall

HEAVY = SNOWFALL.levels["heavy"]


def wall(range_m, intensity, count=20_000, intensity_max=1.0):
    """Equal returns all around at one range."""
    azimuth = np.linspace(-np.pi, np.pi, count, endpoint=False)
    points = np.zeros((count, 4), np.float32)
    points[:, 0], points[:, 1], points[:, INTENSITY] = range_m * np.cos(azimuth), range_m * np.sin(azimuth), intensity
    return Scan(points, intensity_max)


def run(scan, seed=0, **parameters):
    return snowfall(scan, np.random.default_rng(seed), **parameters)


@pytest.mark.parametrize("level", SNOWFALL.levels)
def test_kept_points_stay_and_are_never_brighter(level, kitti_scan):
    out = SNOWFALL(kitti_scan, np.random.default_rng(0), level)
    kept = out.status == KEPT
    clear = kitti_scan.points[out.source[kept]]
    assert np.array_equal(out.points[kept, :3], clear[:, :3])
    assert (out.points[kept, INTENSITY] <= clear[:, INTENSITY]).all()
    assert (out.points[kept, INTENSITY] < clear[:, INTENSITY]).mean() > 0.1


@pytest.mark.parametrize("level", SNOWFALL.levels)
def test_snow_lies_on_the_ray_before_the_target(level, kitti_scan):
    out = SNOWFALL(kitti_scan, np.random.default_rng(0), level)
    moved = out.status == MOVED
    clear = kitti_scan.points[out.source[moved], :3].astype(float)
    snow = out.points[moved, :3].astype(float)
    share = (snow * clear).sum(axis=1) / (clear * clear).sum(axis=1)
    np.testing.assert_allclose(snow, share[:, None] * clear, atol=1e-4)
    assert share.max() < 1
    assert np.linalg.norm(snow, axis=1).min() > 0.9, "flakes nearer than the receiver's overlap are not seen"
    assert out.points[moved, INTENSITY].min() >= 0.5 / 255


def test_no_snow_is_the_identity(kitti_scan):
    out = run(kitti_scan, rate_mm_per_h=0.0)
    assert np.array_equal(out.points, kitti_scan.points)


def test_returns_lose_what_flakes_block():
    # Target at 50 m, far brighter than any flake there: exp(-n E[d] 50) of the power is left on average, with
    # n E[d] = 9.0213e-4 per m at 0.5 mm/h, 2 m/s: exp(-0.045107) = 0.95590
    out = run(wall(50.0, 0.9), rate_mm_per_h=0.5, terminal_velocity_m_per_s=2.0, reference_range_m=0.01)
    assert (out.status == KEPT).all()
    left = out.points[:, INTENSITY] / 0.9
    assert left.mean() == pytest.approx(0.95590, abs=4 * left.std() / np.sqrt(len(left)))


def test_a_wider_beam_meets_more_flakes():
    scan = wall(30.0, 0.5)
    touched = [
        (run(scan, divergence_rad=width, **HEAVY).points[:, INTENSITY] < 0.5).mean() for width in (1e-3, 3e-3, 9e-3)
    ]
    # n = 17 950 / (pi 80^2) = 0.8927 per m^2; a beam of 3 mrad to 30 m has 1.35 m^2 and edges of 30 m x 1.695 mm:
    # 1.2506 flakes, none in exp(-1.2506) = 0.2863 of the beams
    assert touched[1] == pytest.approx(1 - 0.2863, abs=0.012)
    assert touched[0] < touched[1] < touched[2]


def changes(scan, out):
    """Share of points moved, lost, or weakened by a tenth, and share of the targets' energy lost."""
    clear = scan.points[out.source, INTENSITY].astype(float)
    kept = out.status == KEPT
    left = out.points[:, INTENSITY].astype(float)
    weakened = kept & (left < 0.9 * clear)
    gone = len(scan.points) - len(out.points)
    changed = ((~kept).sum() + weakened.sum() + gone) / len(scan.points)
    return changed, 1 - left[kept].sum() / scan.points[:, INTENSITY].sum(dtype=float), (~kept).mean(), gone


def test_each_level_changes_more_than_the_one_before(data_root):
    """On three sequences with open and narrow scenes; the number of snow returns and of lost points grows as well."""
    for sequence in ("01", "07", "08"):
        path = data_root / "semantickitti" / "sequences" / sequence
        points = read_points(path / "velodyne" / "000000.bin", columns=4)
        scan = Scan(points, 1.0, labels=read_labels(path / "labels" / "000000.label", len(points)) & 0xFFFF)
        measures = np.array([changes(scan, SNOWFALL(scan, np.random.default_rng(1), lv)) for lv in SNOWFALL.levels])
        assert (np.diff(measures, axis=0) > 0).all(), f"{sequence}: {measures}"


def test_levels_are_in_order_of_snow_in_the_air_and_the_stock_pairs_are_not():
    laws = [SnowLaw(**level) for level in SNOWFALL.levels.values()]
    assert [law.occupancy for law in laws] == sorted(law.occupancy for law in laws)
    assert [law.extinction_per_m for law in laws] == sorted(law.extinction_per_m for law in laws)
    stock = [SnowLaw(rate, velocity) for rate, velocity in ((0.5, 2.0), (1.5, 0.6), (2.5, 1.6))]
    assert stock[1].occupancy == pytest.approx(1.6 * stock[2].occupancy)


def test_stock_values_are_reachable(street_scan):
    out = run(
        street_scan,
        rate_mm_per_h=1.5,
        terminal_velocity_m_per_s=0.6,
        reference_range_m=1.0,
        least_intensity_share=0.0,
        noise_floor=0.0,
    )
    dark = street_scan.points[out.source, INTENSITY] == 0
    # read as "no power", every dark return that a flake beyond 0.9 m touches is lost to it
    assert (out.status[dark] == MOVED).mean() > 20 * (out.status[~dark] == MOVED).mean()


def test_a_dark_return_yields_only_to_flakes_above_half_a_step():
    # A flake is stronger than 0.5 / 255 while 0.9 (5 / r)^2 share > 1.96e-3; the widest flake of 20 mm at 40 m takes
    # 0.5 mrad of 3: 0.9 / 64 / 6 = 2.3e-3. At 60 m it has 0.7e-3.
    out = run(wall(80.0, 0.0), noise_floor=0.0, **HEAVY)
    snow_m = np.linalg.norm(out.points[out.status == MOVED, :3], axis=1)
    assert (out.status == MOVED).mean() > 0.2
    assert np.quantile(snow_m, 0.5) < 25
    assert snow_m.max() < 60


def test_weak_returns_are_lost_with_what_they_lose_and_strong_ones_stay(make_street):
    street = make_street(steps=1000)
    points, road = street.points.copy(), street.labels == 40
    points[road, INTENSITY] = 0.05 + 0.5 * np.random.default_rng(0).random(np.count_nonzero(road))
    scan = Scan(points, 1.0, labels=street.labels)
    # Ten times the weakest ground: at 10..20 m the floor is about 10 * 0.05 = 0.5, above nearly all of the road.
    lost = np.ones(len(points), bool)
    lost[run(scan, noise_floor=10.0, reference_range_m=0.01, **HEAVY).source] = False  # flakes too faint to be seen
    range_m = np.linalg.norm(points[:, :3], axis=1)
    far = road & (range_m > 10)
    # A return at the floor is lost with the chance 1 - T; on average T = exp(-n E[d] r), n E[d] = 1.5132e-3 per m.
    expected = 1 - np.exp(-1.5132e-3 * range_m[far]).mean()
    assert lost[far].mean() == pytest.approx(expected, rel=0.25)
    assert lost[~road & (points[:, INTENSITY] > 0.6)].mean() < 0.3 * lost[far].mean()
    # The upper walls show no ground: no floor, and nothing but fully blocked beams is lost.
    walls = Scan(points[points[:, 2] > -0.4], 1.0)
    assert len(run(walls, noise_floor=10.0, **HEAVY).points) > 0.997 * len(walls.points)


def test_no_noise_floor_loses_only_blocked_beams(kitti_scan):
    with_floor, without = run(kitti_scan, **HEAVY), run(kitti_scan, noise_floor=0.0, **HEAVY)
    assert len(without.points) > len(with_floor.points)
    assert len(without.points) > 0.998 * len(kitti_scan.points)


@pytest.mark.parametrize("level", SNOWFALL.levels)
def test_the_intensity_scale_changes_nothing_else(level, make_street):
    unit = SNOWFALL(make_street(), np.random.default_rng(3), level)
    byte = SNOWFALL(make_street(intensity_max=255.0), np.random.default_rng(3), level)
    # the scales differ by rounding: a return or two may fall on the other side of a threshold
    common, mine, other = np.intersect1d(unit.source, byte.source, return_indices=True)
    assert len(common) >= len(unit.source) - 2
    assert (unit.status[mine] != byte.status[other]).sum() <= 2
    difference = np.abs(unit.points[mine, INTENSITY] * 255 - byte.points[other, INTENSITY])
    assert np.quantile(difference, 0.999) < 1e-3


def test_divergence_comes_from_the_sensor(street_scan):
    assert np.array_equal(
        run(street_scan, **HEAVY).points,  # HDL-64E: 3 mrad
        run(street_scan, divergence_rad=3e-3, **HEAVY).points,
    )
    narrow = Scan(street_scan.points, 1.0, labels=street_scan.labels, sensor="HDL-32E")
    assert np.array_equal(run(narrow, **HEAVY).points, run(street_scan, divergence_rad=2.79e-3, **HEAVY).points)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rate_mm_per_h": -1.0}, "rate_mm_per_h: expected a number in [0.01, 100], found -1.0"),
        ({"rate_mm_per_h": 1.0, "diameter_law": "gum"}, "unknown diameter_law 'gum'"),
        ({"rate_mm_per_h": 1.0, "divergence_rad": 0.0}, "divergence_rad: expected a number in [1e-06, 0.1]"),
        ({"rate_mm_per_h": 1.0, "noise_floor": -0.1}, "noise_floor: expected a number of at least 0, found -0.1"),
        ({"rate_mm_per_h": 1.0, "reference_range_m": np.nan}, "reference_range_m: expected a number in [0, 1000]"),
    ],
)
def test_bad_parameters(parameters, message, street_scan):
    with pytest.raises(InputError) as error:
        run(street_scan, **parameters)
    assert message in str(error.value)


def test_real_snow(data_root):
    """Snow on a clear Pandar64 scan against WADS, snow recorded by the same device; other scenes, so wide bands.

    What agrees is asserted. Real snow starts at 3 m and reads intensity 0; simulated snow starts at 1 m and is bright.
    """
    clear_path = data_root / "other" / "hesai" / "pandar64_xyzir.bin"
    recorded = sorted((data_root / "wads" / "sequences" / "36" / "velodyne").glob("*.bin"))
    if not (clear_path.exists() and recorded):
        pytest.skip("no Pandar64 or WADS scans")
    clear = Scan(read_points(clear_path, columns=5)[:, :4].copy(), 255.0, sensor="Pandar64")
    out = run(clear, rate_mm_per_h=2.5, terminal_velocity_m_per_s=0.6, reference_range_m=10.0)
    simulated = snow_measures(out.points, out.status == MOVED)
    for path in recorded:
        points = read_points(path, columns=4)
        labels = read_labels(path.parents[1] / "labels" / f"{path.stem}.label", len(points)) & 0xFFFF
        points, rows = np.unique(points, axis=0, return_index=True)  # 40 % of the rows of the files are duplicates
        real = snow_measures(points, labels[rows] == 110)
        assert simulated["share of all"] == pytest.approx(real["share of all"], rel=0.3)
        assert simulated["share inside 10 m"] == pytest.approx(real["share inside 10 m"], rel=0.4)
        assert simulated["median range"] == pytest.approx(real["median range"], rel=0.3)
        assert simulated["upper quartile"] == pytest.approx(real["upper quartile"], rel=0.3)


def snow_measures(points, snow):
    range_m = np.linalg.norm(points[:, :3], axis=1)
    return {
        "share of all": snow.mean(),
        "share inside 10 m": snow[range_m < 10].mean(),
        "median range": np.median(range_m[snow]),
        "upper quartile": np.quantile(range_m[snow], 0.75),
    }
