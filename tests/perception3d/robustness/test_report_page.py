import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from corruptions.files import write_atomically
from corruptions.multimodal import MULTICORRUPT
from corruptions.suites import SEMANTICKITTI_C
from perception3d.robustness.colours import contrast, loss_shade
from perception3d.robustness.page import Entry, page_html, renamed
from perception3d.robustness.results import result_of_rows
from perception3d.robustness.rows import Row, Score, write_row
from perception3d.robustness.scenes import Scene, scene_bytes, scene_path

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that every element is closed, and keeps tables, identifiers, links and attributes."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tables, self.ids, self.links, self.sources, self.tags = [], [], [], [], [], []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found[name] for name in ("src", "srcset", "data") if name in found]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += data
        # the first text of a cell is its number, what follows is the difference or the name of the level
        if {"td", "th"} & set(self.open) and not self.tables[-1][-1][-1] and data.strip():
            self.tables[-1][-1][-1] = data.strip()

    def lines(self, first):
        """Lines of the tables whose first heading is this, by their first cell."""
        found = [table for table in self.tables if table[0][0] == first]
        return [{line[0]: dict(zip(table[0][1:], line[1:], strict=True)) for line in table[1:]} for table in found]


def entry(rows, model, folder=None):
    return Entry(result_of_rows(rows, model), rows, folder, folder or Path("W"))


def page(*entries, baseline=None):
    suite = entries[0].result.suite
    return page_html({suite: list(entries)}, baseline, "python tools/report.py W")


def detection_rows(make_row, scale=1.0):
    """Rows of MultiCorrupt: clean NDS 70, each type 60, 50, 40 times the scale."""
    rows = {}
    for folder in (MULTICORRUPT.clean_folder, *(setting.folder for setting in MULTICORRUPT.settings)):
        nds = 70.0 if folder == "clean" else {"1": 60.0, "2": 50.0, "3": 40.0}[folder[-1]] * scale
        metrics = {"NDS": nds, "mAP": nds - 5, "mATE": 0.25, "mASE": 0.5, "mAOE": 0.125, "mAVE": None, "mAAE": 0.75}
        classes = {"car": nds + 1, "construction_vehicle": nds - 30}
        score = Score(metrics, {}, list(classes), [], 6, classes)
        bare = make_row("clean_data", 1.0, suite="multicorrupt")
        rows[folder] = Row({**bare.setting, "folder": folder}, bare.fingerprint, score, None, bare.run)
    return rows


def test_every_number_of_the_rows_stands_in_the_page(all_rows):
    found = Page(page(entry(all_rows, "mine")))
    (settings, classes) = found.lines("setting")
    for folder, row in all_rows.items():
        for name, value in row.score.metrics.items():
            assert settings[folder][name] == f"{value:.1f}"
        for name, value in row.score.class_iou.items():
            assert classes[folder][name] == ("-" if value is None else f"{value:.1f}")
    (levels,) = found.lines("type")
    # fog: 76, 72, 68 of clean 80; their mean is 90 % of it
    assert levels["fog"] == {"level 1": "76.0", "level 2": "72.0", "level 3": "68.0", "mean": "72.0", "R": "90.0"}
    assert levels["16beam"]["level 1"] == "51.0"
    (losses,) = found.lines("class")
    # the mean of fog is 8 below clean for every class, as each has a fixed distance to the mean
    assert losses["road"] == {
        "clean": "85.0", "fog": "−8.0", "snowfall": "−20.0", "local distortion": "−40.0",
        "global outliers": "−4.0", "32beam": "−16.0", "16beam": "−32.0",
    }  # fmt: skip
    assert "truck" not in losses
    overall, types, retention = found.lines("model")
    # (72 + 60 + 40 + 76 + 64 + 48) / 6 = 60; of 80 that is 75 %
    assert overall["mine"] == {
        "clean": "80.0", "RmIoU": "60.0", "mR": "75.0", "weather": "66.0", "noise": "58.0", "device": "56.0"
    }  # fmt: skip
    assert types["mine"]["snowfall"] == "60.0"
    assert retention["mine"]["snowfall"] == "75.0"


def test_where_the_numbers_come_from_stands_in_the_page(all_rows):
    text = Page(page(entry(all_rows, "mine"))).text
    row = all_rows["clean_data"]
    for part in (*vars(row.fingerprint).values(), row.run["command"], row.run["device"], "python 3.11, torch 2.13"):
        assert str(part) in text
    assert f"{row.run['finished']} to {row.run['finished']}, 102 s in all" in text  # 17 settings of 6 s
    assert "17 of 17" in text
    assert "RmIoU = mean over types" in text
    assert "python tools/report.py W" in text


def test_differences_to_the_baseline_and_the_best_of_a_column(all_rows, make_row):
    better = {folder: make_row(folder, row.score.metrics["mIoU_present"] + 2) for folder, row in all_rows.items()}
    html = page(entry(all_rows, "base"), entry(better, "mine"), baseline="base")
    assert html.count('<span class="difference better">+2.0</span>') >= 10  # clean, RmIoU, three groups, six types
    # sums of errors: 100 - 62 = 38 of 100 - 60 = 40 if types were alike; over the types the mean of (e - 2) / e
    errors = np.array([28, 40, 60, 24, 36, 52])
    mce = 100 * np.mean((errors - 2) / errors)
    overall = Page(html).lines("model")[0]
    assert overall["mine"]["mCE"] == f"{mce:.1f}"
    assert overall["base"]["mCE"] == "100.0"
    assert "<b>82.0</b>" in html
    assert "<b>80.0</b>" not in html  # clean of the baseline


def test_scores_of_other_data_are_not_compared(all_rows, make_row):
    other = {
        folder: make_row(folder, row.score.metrics["mIoU_present"], data="f" * 64) for folder, row in all_rows.items()
    }
    html = page(entry(all_rows, "base"), entry(other, "mine"), baseline="base")
    assert "Not all scores are of the same corrupted data" in html
    assert 'class="difference' not in html
    assert "<b>" not in html


def test_missing_settings_are_dashes_and_no_mean_is_shown(make_row):
    rows = {"clean_data": make_row("clean_data", 80.0), "fog_light": make_row("fog_light", 60.0)}
    rows["fog_heavy"] = make_row("fog_heavy", None)
    found = Page(page(entry(rows, "mine")))
    overall, types, retention = found.lines("model")
    assert overall["mine"] == {name: "80.0" if name == "clean" else "-" for name in overall["mine"]}
    assert set(types["mine"].values()) == set(retention["mine"].values()) == {"-"}
    (levels,) = found.lines("type")
    assert list(levels["fog"].values()) == ["60.0", "-", "-", "-", "-"]
    assert "mine has no score for fog_moderate, fog_heavy, snowfall_light" in found.text
    assert "TypeError: broken" in found.text


def test_detection_fits_without_change(make_row):
    base, mine = detection_rows(make_row), detection_rows(make_row, scale=1.1)
    found = Page(page(entry(base, "base"), entry(mine, "mine"), baseline="base"))
    overall = found.lines("model")[0]
    # mean of 60, 50, 40 is 50, times 1.1 is 55; of 70 that is 78.6 %; the gain is 10 % in every type
    assert {name: overall["mine"][name] for name in ("clean", "mean NDS", "mRA", "mRRA")} == {
        "clean": "70.0", "mean NDS": "55.0", "mRA": "78.6", "mRRA": "10.00"
    }  # fmt: skip
    settings, _, classes, _ = found.lines("setting")
    assert settings["fog_1"]["mATE"] == "0.250"
    assert settings["fog_1"]["mAVE"] == "-"
    assert classes["fog_1"]["construction vehicle"] == "30.0"
    assert "nuScenes detection score" in found.text
    assert "AP = mean over the distances" in found.text


def test_names_are_escaped(all_rows):
    model = "<script>alert('x')</script> & \"$a_b$\""
    html = page(entry(all_rows, model))
    assert "<script>alert" not in html
    found = Page(html)
    assert found.tags.count("script") == 1
    assert model in found.text


def test_nothing_is_loaded_from_elsewhere(all_rows):
    html = page(entry(all_rows, "mine"))
    found = Page(html)
    assert found.sources
    assert all(source.startswith("data:image/") for source in found.sources)
    assert all(link.startswith("#") for link in found.links)
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(|https?://", html)
    assert "link" not in found.tags


def test_the_same_rows_make_the_same_bytes(all_rows):
    shuffled = dict(reversed(all_rows.items()))
    assert page(entry(all_rows, "mine")) == page(entry(shuffled, "mine"))


def test_example_scans_show_each_model(tmp_path, all_rows):
    rng = np.random.default_rng(0)
    for model in ("a", "b"):
        for folder, row in all_rows.items():
            write_row(tmp_path / model, row)
            points = rng.uniform(-40, 40, (200, 3)).astype(np.float32)
            labels = np.arange(200, dtype=np.uint8) % 4
            scan = Scene("08/000000", points, labels, np.zeros(200, np.uint8), labels)
            write_atomically(scene_path(tmp_path / model, "semantickitti_c", folder), scene_bytes(scan))
    found = Page(page(*(entry(all_rows, model, tmp_path / model) for model in ("a", "b"))))
    png = [source for source in found.sources if source.startswith("data:image/png")]
    assert len(png) == len(SEMANTICKITTI_C.types)
    assert "fog, heavy: scan 08/000000; 200 points untouched" in found.text
    assert "16beam, sparse: scan 08/000000" in found.text


def test_a_result_file_stands_beside_runs(all_rows):
    mine = entry(all_rows, "mine")
    source = replace(mine.result.source, kind="quoted", citation="Somebody, a paper")
    quoted = renamed(Entry(replace(mine.result, source=source), {}, None, Path("quoted.json")), "theirs")
    found = Page(page(mine, quoted))
    assert "theirs: quoted from Somebody, a paper." in found.text
    assert len(found.lines("setting")) == 2  # settings and classes of the run alone
    assert found.lines("model")[0]["theirs"]["RmIoU"] == "60.0"


@pytest.mark.parametrize("share", [None, -2.0, -0.3, *np.linspace(0, 1, 41), 1.3])
def test_text_is_readable_on_every_shade(share):
    shade = loss_shade(share)
    assert contrast(shade.ink, shade.background) >= 4.5  # WCAG 2.1, level AA


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # a known pair of WCAG's tools


def test_shades_darken_with_the_loss():
    backgrounds = [contrast(loss_shade(share).background, "#ffffff") for share in np.linspace(0, 1, 21)]
    assert backgrounds == sorted(backgrounds)
