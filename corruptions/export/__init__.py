"""Write a corrupted copy of a data set: parallel, resumable, checked, the same bytes as corrupting on the fly.

from corruptions.export import export
from corruptions.readers import semantickitti
from corruptions.suites import SEMANTICKITTI_C

export(semantickitti(root), SEMANTICKITTI_C, out, seed=0, workers=8)
"""

from corruptions.export.nuscenes import SENSORS, export_nuscenes
from corruptions.export.run import Report
from corruptions.export.settings import catalog_suite, choose, possible
from corruptions.export.sweeps import export
from corruptions.export.verify import verify

__all__ = ["SENSORS", "Report", "catalog_suite", "choose", "export", "export_nuscenes", "possible", "verify"]
