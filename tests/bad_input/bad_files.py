"""Files that are broken in one way each."""

from __future__ import annotations

import bz2
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from images import OBLIQUE, SHAPE, make_series, save

LABELS = np.zeros(SHAPE, dtype=np.int16)
LABELS[1:-1, 1:3, 1:-1] = 1

Build = Callable[[], object]


def file(name: str, content: bytes | str) -> Build:
    """Return what writes a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda: Path(name).write_bytes(data)


def header(name: str, klass: type[nib.Nifti1Image] = nib.Nifti1Image, **fields: object) -> Build:
    """Return what writes an image with some fields of its header set to anything."""
    return lambda: Path(name).write_bytes(packed(name, with_fields(make_image(klass), klass, **fields)))


def make_image(klass: type[nib.Nifti1Image] = nib.Nifti1Image) -> bytes:
    """Return the bytes of an image of noise with 12 volumes."""
    noise = np.random.default_rng(0).integers(0, 1000, (*SHAPE, 12), dtype=np.int16)
    return klass(noise, OBLIQUE).to_bytes()


def with_fields(content: bytes, klass: type[nib.Nifti1Image] = nib.Nifti1Image, **fields: object) -> bytes:
    """Return an image's bytes with some fields of its header set to anything."""
    changed = bytearray(content)
    record = np.frombuffer(changed, klass.header_class.template_dtype, count=1)
    for field, value in fields.items():
        record[field] = value
    return bytes(changed)


def packed(name: str, content: bytes) -> bytes:
    """Return a file's bytes, compressed as its name says."""
    compress = {".gz": gzip.compress, ".bz2": bz2.compress}.get(Path(name).suffix, bytes)
    return compress(content)


def cut(name: str, n_bytes: int) -> Build:
    """Return what writes the beginning of an image's file; less than nothing leaves out its end."""
    return lambda: Path(name).write_bytes(packed(name, make_image())[:n_bytes])


def flipped(name: str, place: int) -> Build:
    """Return what writes an image's file with one byte changed."""

    def build() -> None:
        content = bytearray(packed(name, make_image()))
        content[place] ^= 0x55
        Path(name).write_bytes(content)

    return build


def stored(name: str, values: np.ndarray) -> Build:
    """Return what writes a sound image of values that do not fit."""
    return lambda: save(Path(name), values)


def extension(name: str, size: int) -> Build:
    """Return what writes an image with an extension of a size that its first four bytes alone claim."""
    content = with_fields(make_image(), vox_offset=352 + 32)
    claimed = b"\1\0\0\0" + size.to_bytes(4, "little", signed=True) + bytes(28)
    return lambda: Path(name).write_bytes(packed(name, content[:348] + claimed + content[352:]))


def folder(name: str) -> Build:
    """Return what makes a folder in a file's place."""
    return lambda: Path(name).mkdir()


def loop(name: str) -> Build:
    """Return what makes two links that lead to each other."""

    def build() -> None:
        Path(name).symlink_to(f"{name}.other")
        Path(f"{name}.other").symlink_to(name)

    return build


def pipe(name: str) -> Build:
    """Return what makes a pipe that nobody writes to."""
    return lambda: os.mkfifo(name)


def nothing() -> None:
    """Write no file."""


def series(n_volumes: int = 12) -> np.ndarray:
    """Return a run of small volumes."""
    return make_series(LABELS, n_volumes).astype(np.float32)
