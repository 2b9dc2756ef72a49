import numpy as np

from perception3d.simulation.light import WEATHERS, Light
from perception3d.simulation.street import Street


def test_light_depends_on_seed_and_name_alone():
    first, again = Light.of(Street.of(3, "scene-0061")), Light.of(Street.of(3, "scene-0061"))
    assert first.weather == again.weather
    np.testing.assert_array_equal(first.sun, again.sun)
    assert first.key == again.key
    assert Light.of(Street.of(4, "scene-0061")).key != first.key
    assert Light.of(Street.of(3, "scene-0103")).key != first.key


def test_the_light_leaves_the_street_as_it_is():
    street = Street.of(0, "08")
    before = street.rng("block", 3).random()
    Light.of(street)
    assert street.rng("block", 3).random() == before


def test_every_weather_is_met_and_its_sun_stands_as_high_as_stated():
    lights = [Light.of(Street.of(seed, "00")) for seed in range(60)]
    assert {light.weather for light in lights} == set(WEATHERS)
    for light in lights:
        low, high = WEATHERS[light.weather].elevation_deg
        assert np.linalg.norm(light.sun) == np.float32(1.0).item() or abs(np.linalg.norm(light.sun) - 1) < 1e-6
        assert low - 1e-3 <= np.degrees(np.arcsin(light.sun[2])) <= high + 1e-3
    assert sum(weather.share for weather in WEATHERS.values()) == 1.0
