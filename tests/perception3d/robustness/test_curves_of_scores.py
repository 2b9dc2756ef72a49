import math
from dataclasses import replace

import pytest

from corruptions import InputError
from corruptions.curves import curve_suite
from perception3d.robustness.curves import Curve, breaking_text, curve_figure, curve_markdown, curve_of
from perception3d.robustness.plan import clean_setting
from perception3d.robustness.rows import Fingerprint, Row, Score

FINGERPRINT = Fingerprint("curve", 0, "c", "d", "e", "1.0.0")


def curve(values, kept):
    return Curve("visibility_m", tuple(values), tuple(kept), tuple(kept), 100.0, "NDS")


def row(setting, nds, draws=()):
    score = Score({"NDS": nds, "mAP": nds}, {}, ["car"], [], 1, {"car": nds}, list(draws)) if nds is not None else None
    error = None if score else {"message": "broken", "traceback": ""}
    return Row({"folder": setting.folder, "parts": [{}]}, FINGERPRINT, score, error, {"seconds": 1.0})


def test_straight_lines_by_hand():
    line = curve([0, 1, 3], [100, 80, 40])
    assert not line.is_logarithmic
    assert line.breaking_point(75) == pytest.approx(1 + 2 * 5 / 40)
    assert line.breaking_point(90) == pytest.approx(0.5)
    assert line.area() == pytest.approx((90 * 1 + 60 * 2) / 3)
    assert line.breaking_point(40) is None
    assert curve([0, 1], [60, 50]).breaking_point(75) == 0


def test_a_wide_range_counts_by_its_logarithm():
    line = curve([1000, 100, 10], [100, 90, 50])
    assert line.is_logarithmic
    assert line.breaking_point(70) == pytest.approx(10**1.5)
    assert line.area() == pytest.approx((95 + 70) / 2)


def test_the_first_fall_counts():
    assert curve([1, 2, 3, 4], [100, 60, 90, 50]).breaking_point(80) == pytest.approx(1.5)


def test_from_rows():
    suite = curve_suite("weather.visibility_m=1000,300,100")
    scores = {"clean": 60.0, "visibility_m=1000": 54.0, "visibility_m=300": 45.0, "visibility_m=100": 15.0}
    settings = [clean_setting(suite), *suite.settings]
    rows = {setting.folder: row(setting, scores[setting.folder]) for setting in settings}
    found = curve_of(suite, rows)
    assert found.kept == pytest.approx((90, 75, 25))
    assert found.breaking_point(50) == pytest.approx(math.sqrt(300 * 100))
    text = curve_markdown(found, 50)
    assert "|          300 | 45.0 |       75.0 |" in text or "| 300          | 45.0 |       75.0 |" in text
    assert "Below 50 % of clean: visibility_m = 173." in text
    assert curve_markdown(found, 10).count("not within these values") == 1
    axis = curve_figure({"a": found, "b": found}, 50).axes[0]
    assert axis.get_xscale() == "log"
    assert axis.xaxis_inverted()
    partly = {**rows, "visibility_m=300": row(suite.settings[1], None)}
    assert curve_of(suite, partly).values == (1000, 100)
    with pytest.raises(InputError, match="two scored values, found 0"):
        curve_of(suite, {"clean": rows["clean"]})
    with pytest.raises(InputError, match="only grow or only fall"):
        mixed = curve_suite("weather.visibility_m=1000,100,300")
        curve_of(mixed, rows)


def test_intervals_by_hand():
    # kept at the second value is 0, 0.5, ... 100 %, and the line falls below 50 % at 1000 (1 / 10) ** (50 / (100 - k))
    draws = tuple((50.0, 50.0, k / 4) for k in range(201))
    line = replace(curve([1000, 100], [100, 40]), draws=draws)
    assert line.kept_bounds() == [(100, 100), (2.5, 97.5)]
    assert line.area_bounds() == (51.25, 98.75)
    mild, late = line.breaking_bounds(50)
    assert mild == pytest.approx(1000 * 0.1 ** (50 / 97.5)) and late is None
    assert breaking_text(line, 50) == f"{mild:.3g} to beyond"
    assert breaking_text(replace(line, draws=draws[180:]), 50) == "beyond"
    assert "(95 %: 307 to beyond)" in curve_markdown(line, 50) and "51.2 to 98.8 %" in curve_markdown(line, 50)
    assert "2.5 to 97.5" in curve_markdown(line, 50) and "from 201 draws" in curve_markdown(line, 50)
    assert curve_figure({"a": line}, 50).axes[0].collections


def test_a_draw_without_a_clean_score_does_not_count():
    line = replace(curve([1, 2], [100, 40]), draws=((0.0, 0.0, 0.0), (50.0, 50.0, 25.0)))
    assert line.kept_bounds() == [(100, 100), (50, 50)]
    assert replace(line, draws=()).breaking_bounds(50) is None


def test_draws_come_from_the_rows_where_all_have_them():
    suite = curve_suite("weather.visibility_m=1000,300")
    settings = [clean_setting(suite), *suite.settings]
    rows = {s.folder: row(s, nds, [nds, nds / 2]) for s, nds in zip(settings, (60.0, 54.0, 30.0), strict=True)}
    assert curve_of(suite, rows).draws == ((60.0, 54.0, 30.0), (30.0, 27.0, 15.0))
    assert curve_of(suite, rows).kept_bounds() == [(90, 90), (50, 50)]  # every scene loses the same
    rows["clean"] = row(settings[0], 60.0)
    assert curve_of(suite, rows).draws == ()
