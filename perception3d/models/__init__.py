"""Models. Importing this package repairs the installed stack first (see ``perception3d.compat``)."""

from perception3d.compat import repair_stack

repair_stack()

from perception3d.models import backbones, cmt, necks, segmentation  # noqa: E402

__all__ = ["backbones", "cmt", "necks", "segmentation"]
