"""Installs `corruptions` (the engine: numpy, scipy, numba) and `perception3d` (the mmdet3d plug-in; extra `models`).

The extra `models` needs a set-up in a certain order (mmcv builds against an installed torch), which
tools/setup_env.sh follows.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "perception3d/__init__.py").read_text()).group(1)

CAMERA = ["opencv-python-headless<4.12"]  # 4.12 needs numpy 2
MODELS = [
    "torch>=2.6",
    "mmengine==0.10.7",
    "mmcv==2.1.0",  # mmdet3d 1.4 refuses 2.2
    "mmdet==3.3.0",
    "mmdet3d==1.4.0",
    "spconv==2.3.8",
    "threadpoolctl",  # BSD-3; products within threads of our own stay on one
    "nuscenes-devkit==1.2.0",
    "numpy<2",  # nuscenes-devkit 1.2
    "matplotlib",
    "jinja2",  # the report page; BSD-3
]
SIMULATION = ["open3d==0.20.0", *CAMERA]  # images and maps of the nuScenes format
EXPORT = ["onnx", "onnxscript", "onnxruntime", "numpy<2"]
CLUSTER = ["ray"]
DEV = ["pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", *CLUSTER]

setup(
    name="perception3d",
    version=VERSION,
    description="Robust 3D perception for autonomous driving: CMT, LiDAR segmentation, corruptions; for mmdet3d",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    package_data={"perception3d.robustness": ["templates/*"]},
    packages=find_packages(include=["perception3d", "perception3d.*", "corruptions", "corruptions.*"]),
    install_requires=["numpy>=1.26", "scipy", "numba"],
    extras_require={
        "camera": CAMERA,
        "models": MODELS,
        "simulation": SIMULATION,
        "export": EXPORT,
        "cluster": CLUSTER,
        "dev": DEV,
    },
)
