"""Run the command line in this process, in a folder with one small study."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from answers import Result
from images import N_VOLUMES, make_labels, make_series, save

from niimasker.cli import main

LABELS = make_labels((1, 2, 5))
RUN = ("out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--no_report")
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def run(*words: str) -> Result:
    """Run a command; what is no failure that niimasker foresees is raised."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Result(code, out.getvalue(), err.getvalue())


def write_study(folder: Path) -> None:
    """Write an image whose regions' means are index * 10 + volume, an atlas, a mask, seeds and confounds."""
    save(folder / "atlas.nii.gz", LABELS)
    save(folder / "mask.nii.gz", (LABELS > 0).astype(np.uint8))
    save(folder / "bold.nii.gz", make_series(LABELS), t_r=2.0)
    rows = np.random.default_rng(0).normal(size=(N_VOLUMES, len(MOTION) + 2)).round(6)
    names = (*MOTION, "a_comp_cor_00", "cosine00")
    text = "\n".join("\t".join(map(str, row)) for row in [names, *rows.tolist()])
    (folder / "confounds.tsv").write_text(text + "\n")
    components = {"a_comp_cor_00": {"Method": "aCompCor", "Mask": "combined", "Retained": True}}
    (folder / "confounds.json").write_text(json.dumps(components))
    (folder / "censor.txt").write_text("0\n" * (N_VOLUMES - 1) + "1\n")
    (folder / "labels.tsv").write_text("index\tname\n1\ta\n2\tb\n5\tc\n")
    (folder / "seeds.tsv").write_text("x\ty\tz\n0\t0\t5\n3\t3\t10\n")
