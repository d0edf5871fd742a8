"""Metadata of the package; the settings of the development tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "niimasker" / "__init__.py").read_text("utf-8"))[1]

DASK = ["distributed>=2023.5"]
TEST = [
    *DASK,
    "bids-validator-deno>=3",
    "filelock>=3.12",
    "hypothesis>=6.100",
    "load_confounds==0.6.5",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "selenium>=4.20",
]
DOCS = ["furo>=2024.1.29", "myst-parser>=4", "sphinx>=7.3"]

setup(
    name="niimasker",
    version=VERSION,
    description="Region time series from fMRI images, from the shell, a JSON file or Python",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    keywords=["fMRI", "neuroimaging", "time series", "functional connectivity", "parcellation", "fMRIPrep", "BIDS"],
    packages=find_packages(include=["niimasker", "niimasker.*"]),
    package_data={
        "niimasker": ["py.typed"],
        "niimasker.options": ["presets.json"],
        "niimasker.reports": ["assets/*", "templates/*"],
    },
    python_requires=">=3.11",
    install_requires=[
        "bids2table>=2.1",
        "jinja2>=3.1.2",
        "isal>=1.7",
        "joblib>=1.4",
        "natsort>=8",
        "networkx>=3",
        "nibabel>=5.2",
        "nilearn>=0.13.1,!=0.14.0",  # 0.14.0 truncates every masker's output to the image's integer type
        "numpy>=1.24",
        "pandas>=2.2.1",
        "pillow>=10.1",
        "plotly>=6",
        "pyarrow>=20",
        "pybase64>=1.4",
        "scipy>=1.13",
        "threadpoolctl>=3.1",
        "tqdm>=4.64",
    ],
    extras_require={
        "dask": DASK,
        "docs": DOCS,
        "test": TEST,
        "dev": [*TEST, *DOCS, "import-linter>=2", "mypy>=1.10", "pandas-stubs", "ruff>=0.5"],
    },
    entry_points={"console_scripts": ["niimasker = niimasker.__main__:run"]},
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
)
