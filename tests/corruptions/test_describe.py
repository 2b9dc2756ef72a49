from __future__ import annotations

import pytest

from corruptions.camera import VIEW_CORRUPTIONS
from corruptions.catalog import CATALOG
from corruptions.describe import lines, parameter_docs, summary

EVERY = [*CATALOG.values(), *VIEW_CORRUPTIONS.values()]


@pytest.mark.parametrize("corruption", EVERY, ids=lambda corruption: corruption.name)
def test_every_parameter_is_explained(corruption):
    docs = parameter_docs(corruption)
    assert all(docs.values()), docs
    assert set().union(*corruption.levels.values()) <= set(docs)
    assert summary(corruption)


def test_text_of_an_entry():
    def model(scan, rng, *, share: float, width_m: float = 0.5):
        """Do a thing.

        Args:
            scan: the sweep.
            rng: draws.
            share: share of the points,
                in [0, 1]: ``all`` of them at 1.
            width_m: width in metres.

        Returns:
            Another sweep: nothing else.
        """

    corruption = CATALOG["fog"].__class__("thing", "group", "the paper", {"light": {"share": 0.25}}, model, "share")
    assert parameter_docs(corruption) == {
        "share": "share of the points, in [0, 1]: all of them at 1.",
        "width_m": "width in metres. [default 0.5]",
    }
    text = list(lines(corruption))
    assert text[0] == "thing: Do a thing."
    assert "    light          share=0.25" in text
