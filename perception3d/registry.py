"""Child registries in scope "perception3d" under the mmengine roots.

A config that writes ``type="perception3d.X"`` makes mmengine import the ``locations`` below by itself, so no
``custom_imports`` is needed. Keep this file light: mmengine swallows an ImportError here and reports the class as
missing.
"""

from mmengine import registry as root
from mmengine.registry import Registry

MODELS = Registry("model", parent=root.MODELS, scope="perception3d", locations=["perception3d.models"])
DATASETS = Registry("dataset", parent=root.DATASETS, scope="perception3d", locations=["perception3d.datasets"])
TRANSFORMS = Registry("transform", parent=root.TRANSFORMS, scope="perception3d", locations=["perception3d.transforms"])
METRICS = Registry("metric", parent=root.METRICS, scope="perception3d", locations=["perception3d.metrics"])
HOOKS = Registry("hook", parent=root.HOOKS, scope="perception3d", locations=["perception3d.hooks"])
TASK_UTILS = Registry("task util", parent=root.TASK_UTILS, scope="perception3d", locations=["perception3d.models"])
