"""Files of surfaces and grayordinates: GIFTI, FreeSurfer's annotations and CIFTI-2, from arrays."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import nibabel as nib
import numpy as np

TIME_SERIES, LABEL, NONE = "NIFTI_INTENT_TIME_SERIES", "NIFTI_INTENT_LABEL", "NIFTI_INTENT_NONE"
ASCII, BASE64, GZIP, EXTERNAL = "ASCII", "Base64Binary", "GZipBase64Binary", "ExternalFileBinary"
LITTLE, BIG = "LittleEndian", "BigEndian"
ROWS, COLUMNS = "RowMajorOrder", "ColumnMajorOrder"
SIDES = {"L": "CortexLeft", "R": "CortexRight"}
_TYPES = {"f4": "FLOAT32", "f8": "FLOAT64", "i4": "INT32", "i2": "INT16", "u1": "UINT8"}

# GIFTI


def save_gifti(
    path: Path | str,
    arrays: Sequence[np.ndarray],
    *,
    primary: str | None = None,
    intent: str = TIME_SERIES,
    encoding: str = GZIP,
    endian: str = LITTLE,
    order: str = ROWS,
    table: Mapping[int, str] | None = None,
    time_step: str | None = None,
) -> Path:
    """Write arrays as a GIFTI file, in their own type.

    Parameters
    ----------
    primary
        AnatomicalStructurePrimary of the file; None leaves it out.
    table
        Names by key, written in the order of the mapping.
    time_step
        TimeStep in the metadata of each array; None leaves it out.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    external = bytearray()
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">\n'
        f'<GIFTI Version="1.0" NumberOfDataArrays="{len(arrays)}">\n',
        _metadata({} if primary is None else {"AnatomicalStructurePrimary": primary}),
        _label_table({} if table is None else table),
    ]
    for values in arrays:
        stored, place = _encode(np.asarray(values), encoding, endian, order), ""
        if encoding == EXTERNAL:
            place = f' ExternalFileName="{path.name}.data" ExternalFileOffset="{len(external)}"'
            external += stored
            stored = b""
        dims = "".join(f' Dim{axis}="{n}"' for axis, n in enumerate(values.shape))
        parts.append(
            f'<DataArray Intent="{intent}" DataType="NIFTI_TYPE_{_TYPES[values.dtype.str[1:]]}" '
            f'ArrayIndexingOrder="{order}" Dimensionality="{values.ndim}"{dims} Encoding="{encoding}" '
            f'Endian="{endian}"{place}>\n'
            f"{_metadata({} if time_step is None else {'TimeStep': time_step})}"
            f"<Data>{stored.decode()}</Data>\n</DataArray>\n"
        )
    parts.append("</GIFTI>\n")
    content = "".join(parts).encode()
    with nib.openers.Opener(str(path), "wb") as file:
        file.write(content)
    if encoding == EXTERNAL:
        path.with_name(f"{path.name}.data").write_bytes(bytes(external))
    return path


def _metadata(items: Mapping[str, str]) -> str:
    entries = "".join(
        f"<MD><Name><![CDATA[{name}]]></Name><Value><![CDATA[{value}]]></Value></MD>" for name, value in items.items()
    )
    return f"<MetaData>{entries}</MetaData>\n"


def _label_table(table: Mapping[int, str]) -> str:
    labels = "".join(
        f'<Label Key="{key}" Red="{key % 7 / 7:.3f}" Green="0.5" Blue="0.2" Alpha="1">{escape(name)}</Label>'
        for key, name in table.items()
    )
    return f"<LabelTable>{labels}</LabelTable>\n"


def _encode(values: np.ndarray, encoding: str, endian: str, order: str) -> bytes:
    flat = values.reshape(-1, order="C" if order == ROWS else "F")
    if encoding == ASCII:
        return " ".join(map(repr, flat.tolist())).encode()
    stored = flat.astype(values.dtype.newbyteorder("<" if endian == LITTLE else ">")).tobytes()
    if encoding == EXTERNAL:
        return stored
    return base64.b64encode(zlib.compress(stored, 1) if encoding == GZIP else stored)


def save_func(path: Path | str, values: np.ndarray, **options: object) -> Path:
    """Write values of shape (n_volumes, n_vertices), an array for each volume, as float32."""
    return save_gifti(path, list(np.asarray(values, dtype=np.float32)), **options)  # type: ignore[arg-type]


def save_pair(pattern: str | Path, left: np.ndarray, right: np.ndarray, **options: object) -> list[Path]:
    """Write the values of both hemispheres, each of shape (n_volumes, n_vertices); {hemi} stands for L or R."""
    return [
        save_func(str(pattern).format(hemi=side), values, primary=SIDES[side], **options)
        for side, values in (("L", left), ("R", right))
    ]


def save_label_gii(path: Path | str, keys: np.ndarray, table: Mapping[int, str], *, primary: str | None = None) -> Path:
    """Write a key for each vertex, and the names of the keys."""
    return save_gifti(path, [np.asarray(keys, dtype=np.int32)], primary=primary, intent=LABEL, table=table)


def save_label_pair(
    pattern: str | Path,
    left: np.ndarray,
    right: np.ndarray,
    left_table: Mapping[int, str],
    right_table: Mapping[int, str] | None = None,
) -> list[Path]:
    """Write the keys of both hemispheres; {hemi} in the pattern stands for L or R."""
    tables = {"L": left_table, "R": left_table if right_table is None else right_table}
    return [
        save_label_gii(str(pattern).format(hemi=side), keys, tables[side], primary=SIDES[side])
        for side, keys in (("L", left), ("R", right))
    ]


def save_shape(path: Path | str, values: np.ndarray, *, primary: str | None = None) -> Path:
    """Write one value for each vertex, or maps of shape (n_maps, n_vertices), as Workbench writes metrics."""
    maps = np.atleast_2d(np.asarray(values, dtype=np.float32))
    return save_gifti(path, list(maps), primary=primary, intent="NIFTI_INTENT_NORMAL")


def save_annot(path: Path | str, keys: np.ndarray, table: Mapping[int, str]) -> Path:
    """Write an annotation as FreeSurfer does; vertices of key -1 have a colour that is not in the table."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = {key: (20 + 5 * key % 200, 100 + key, 7, 0) for key in table}
    codes = {key: red + (green << 8) + (blue << 16) for key, (red, green, blue, _) in colours.items()}
    codes[-1] = 0
    content = bytearray()

    def put(*numbers: int) -> None:
        content.extend(np.array(numbers, dtype=">i4").tobytes())

    def put_text(text: str) -> None:
        put(len(text) + 1)
        content.extend(text.encode() + b"\0")

    put(len(keys))
    for vertex, key in enumerate(np.asarray(keys).tolist()):
        put(vertex, codes[key])
    put(1, -2, max(table) + 1)
    put_text("NOFILE")
    put(len(table))
    for key, name in table.items():
        put(key)
        put_text(name)
        put(*colours[key])
    path.write_bytes(bytes(content))
    return path


# Points of CIFTI-2

LAS_2MM = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])


@dataclass(frozen=True, eq=False)
class Structure:
    """Some points of a brain structure.

    Parameters
    ----------
    name
        CIFTI's name without its prefix, such as `CORTEX_LEFT`.
    points
        Vertices of shape (n_points,), or voxels i, j, k of shape (n_points, 3).
    n_vertices
        Vertices of the whole mesh; 0 for voxels.
    """

    name: str
    points: np.ndarray
    n_vertices: int = 0


@dataclass(frozen=True, eq=False)
class Models:
    """Points of brain structures, in the order of a file, and the grid of the voxels."""

    structures: tuple[Structure, ...]
    affine: np.ndarray | None = None
    shape: tuple[int, int, int] | None = None

    @property
    def n_points(self) -> int:
        """The number of points."""
        return sum(len(structure.points) for structure in self.structures)

    @property
    def parts(self) -> list[np.ndarray]:
        """The positions of the points of each structure."""
        ends = np.cumsum([len(structure.points) for structure in self.structures])
        return np.split(np.arange(self.n_points), ends[:-1])

    @property
    def is_vertex(self) -> np.ndarray:
        """Which points are vertices."""
        return np.concatenate([np.full(len(each.points), each.n_vertices > 0) for each in self.structures])

    def take(self, positions: np.ndarray) -> Models:
        """Return some points, in another order; points of a structure must follow each other."""
        owners = np.repeat(np.arange(len(self.structures)), [len(each.points) for each in self.structures])
        within = np.concatenate([np.arange(len(each.points)) for each in self.structures])
        owners, within = owners[positions], within[positions]
        first = np.flatnonzero(np.diff(owners, prepend=-1))
        groups = np.split(within, first[1:])
        taken = [self.structures[owners[start]] for start in first]
        structures = [replace(each, points=each.points[group]) for each, group in zip(taken, groups, strict=True)]
        return replace(self, structures=tuple(structures))


def make_models(
    *structures: Structure, affine: np.ndarray = LAS_2MM, shape: tuple[int, int, int] = (91, 109, 91)
) -> Models:
    """Return the points of structures; the grid is left out where none has voxels."""
    has_voxels = any(not structure.n_vertices for structure in structures)
    return Models(structures, affine, shape) if has_voxels else Models(structures)


def cortex(side: str, vertices: Sequence[int] | np.ndarray, n_vertices: int) -> Structure:
    """Return some vertices of a hemisphere, L or R."""
    return Structure(f"CORTEX_{'LEFT' if side == 'L' else 'RIGHT'}", np.asarray(vertices), n_vertices)


def flip_first_axis(models: Models) -> Models:
    """Return the same voxels on the grid whose first axis runs the other way."""
    affine, last = models.affine.copy(), models.shape[0] - 1
    affine[:3, 3] += affine[:3, 0] * last
    affine[:3, 0] *= -1
    return _with_grid(models, np.array([-1, 1, 1]), np.array([last, 0, 0]), affine, models.shape)


def crop_grid(models: Models, first: Sequence[int], shape: tuple[int, int, int]) -> Models:
    """Return the same voxels on a smaller grid, which begins at the voxel `first` of the larger one."""
    affine = models.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array(first)
    return _with_grid(models, np.ones(3, dtype=int), -np.array(first), affine, shape)


def _with_grid(
    models: Models, factors: np.ndarray, offsets: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int]
) -> Models:
    structures = tuple(
        each if each.n_vertices else replace(each, points=each.points * factors + offsets) for each in models.structures
    )
    return Models(structures, affine, shape)


# Mappings of CIFTI-2, as the content of their XML elements, and their lengths

_PREFIX = "CIFTI_STRUCTURE_"


@dataclass(frozen=True)
class Axis:
    """What an axis of a CIFTI file stands for: its length, and the attributes and the content of its XML element."""

    length: int
    attributes: str
    content: str = ""


def series_axis(
    n_volumes: int, *, start: float = 0.0, step: float = 2.0, unit: str = "SECOND", exponent: int = 0
) -> Axis:
    """Return volumes at equal distances."""
    return Axis(
        n_volumes,
        f'IndicesMapToDataType="CIFTI_INDEX_TYPE_SERIES" NumberOfSeriesPoints="{n_volumes}" '
        f'SeriesExponent="{exponent}" SeriesStart="{start}" SeriesStep="{step}" SeriesUnit="{unit}"',
    )


def models_axis(models: Models) -> Axis:
    """Return points of structures."""
    elements = [_volume(models)]
    for structure, part in zip(models.structures, models.parts, strict=True):
        kind, tag, size = "VOXELS", "VoxelIndicesIJK", ""
        if structure.n_vertices:
            kind, tag, size = "SURFACE", "VertexIndices", f' SurfaceNumberOfVertices="{structure.n_vertices}"'
        elements.append(
            f'<BrainModel IndexOffset="{part[0]}" IndexCount="{len(part)}" ModelType="CIFTI_MODEL_TYPE_{kind}" '
            f'BrainStructure="{_PREFIX}{structure.name}"{size}><{tag}>{_numbers(structure.points)}</{tag}></BrainModel>'
        )
    return Axis(models.n_points, 'IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS"', "".join(elements))


def labels_axis(tables: Mapping[str, Mapping[int, str]]) -> Axis:
    """Return maps of labels: the names by key of each map, by the name of the map."""
    maps = []
    for name, table in tables.items():
        labels = _label_table(table)
        maps.append(f"<NamedMap><MapName>{escape(name)}</MapName>{labels}</NamedMap>")
    return Axis(len(maps), 'IndicesMapToDataType="CIFTI_INDEX_TYPE_LABELS"', "".join(maps))


def scalars_axis(names: Sequence[str]) -> Axis:
    """Return named maps."""
    maps = "".join(f"<NamedMap><MapName>{escape(name)}</MapName></NamedMap>" for name in names)
    return Axis(len(names), 'IndicesMapToDataType="CIFTI_INDEX_TYPE_SCALARS"', maps)


def parcels_axis(parcels: Mapping[str, Models], models: Models) -> Axis:
    """Return parcels: the members of each, by its name, among some points."""
    surfaces = "".join(
        f'<Surface BrainStructure="{_PREFIX}{each.name}" SurfaceNumberOfVertices="{each.n_vertices}"/>'
        for each in models.structures
        if each.n_vertices
    )
    elements = []
    for name, members in parcels.items():
        voxels = [each.points for each in members.structures if not each.n_vertices]
        inside = f"<VoxelIndicesIJK>{_numbers(np.concatenate(voxels))}</VoxelIndicesIJK>" if voxels else ""
        for each in members.structures:
            if each.n_vertices:
                inside += f'<Vertices BrainStructure="{_PREFIX}{each.name}">{_numbers(each.points)}</Vertices>'
        elements.append(f"<Parcel Name={quoteattr(name)}>{inside}</Parcel>")
    content = _volume(models) + surfaces + "".join(elements)
    return Axis(len(parcels), 'IndicesMapToDataType="CIFTI_INDEX_TYPE_PARCELS"', content)


def members_of(models: Models, keys: np.ndarray, names: Mapping[int, str]) -> dict[str, Models]:
    """Return the points of each key by its name, in the order of the names."""
    return {name: models.take(np.flatnonzero(keys == key)) for key, name in names.items()}


def _volume(models: Models) -> str:
    if models.affine is None:
        return ""
    dimensions = ",".join(map(str, models.shape))
    matrix = "\n".join(" ".join(map(repr, row)) for row in models.affine.tolist())
    return (
        f'<Volume VolumeDimensions="{dimensions}"><TransformationMatrixVoxelIndicesIJKtoXYZ MeterExponent="-3">'
        f"{matrix}</TransformationMatrixVoxelIndicesIJKtoXYZ></Volume>"
    )


def _numbers(points: np.ndarray) -> str:
    return " ".join(map(str, points.reshape(-1).tolist()))


# Files of CIFTI-2

_INTENTS = {
    ".dconn.nii": (3001, "ConnDense"),
    ".dtseries.nii": (3002, "ConnDenseSeries"),
    ".pconn.nii": (3003, "ConnParcels"),
    ".ptseries.nii": (3004, "ConnParcelSries"),
    ".dscalar.nii": (3006, "ConnDenseScalar"),
    ".dlabel.nii": (3007, "ConnDenseLabel"),
    ".pscalar.nii": (3008, "ConnParcelScalr"),
}


def save_cifti(
    path: Path | str,
    values: np.ndarray,
    rows: Axis,
    columns: Axis,
    *,
    dtype: str = "<f4",
    slope: float = 1.0,
    intercept: float = 0.0,
    kind: str = "",
) -> Path:
    """Write values of shape (n_rows, n_columns), stored column after column.

    Parameters
    ----------
    rows, columns
        What the axes stand for: volumes and points of a dtseries, maps and points of a dlabel, and so on.
    dtype
        The type as which values are stored, with its byte order.
    slope, intercept
        The scaling in the header; `values` are those that are stored.
    kind
        The ending whose intent the header has; that of the path if not given.
    """
    path, dtype_ = Path(path), np.dtype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    assert values.shape == (rows.length, columns.length), (values.shape, rows.length, columns.length)
    elements = "".join(
        f'<MatrixIndicesMap AppliesToMatrixDimension="{number}" {axis.attributes}>{axis.content}</MatrixIndicesMap>'
        for number, axis in enumerate((rows, columns))
    )
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<CIFTI Version="2"><Matrix>{elements}</Matrix></CIFTI>'.encode()
    (intent,) = (each for ending, each in _INTENTS.items() if (kind or path.name).endswith(ending))
    stored = np.ascontiguousarray(values.T).astype(dtype_)
    return write_nifti2(path, xml, (1, 1, 1, 1, *values.shape), stored, intent, slope=slope, intercept=intercept)


def write_nifti2(
    path: Path,
    xml: bytes,
    shape: Sequence[int],
    stored: np.ndarray,
    intent: tuple[int, str],
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> Path:
    """Write a NIfTI-2 file with an extension of CIFTI's XML, in the byte order of the stored values."""
    order = ">" if stored.dtype.str[0] == ">" else "<"
    size = 8 + len(xml) + -(8 + len(xml)) % 16
    extension = np.array([size, 32], dtype=f"{order}i4").tobytes() + xml.ljust(size - 8, b"\0")
    header = nib.Nifti2Header(endianness=order)
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(shape)
    header["intent_code"], header["intent_name"] = intent
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["vox_offset"] = 544 + len(extension)
    with nib.openers.Opener(str(path), "wb") as file:
        file.write(header.binaryblock + b"\1\0\0\0" + extension + stored.tobytes())
    return path


def save_dtseries(
    path: Path | str, values: np.ndarray, models: Models, *, dtype: str = "<f4", **series: object
) -> Path:
    """Write values of shape (n_volumes, n_points)."""
    axis = series_axis(len(values), **series)  # type: ignore[arg-type]
    return save_cifti(path, values, axis, models_axis(models), dtype=dtype)


def save_dlabel(
    path: Path | str,
    keys: np.ndarray,
    models: Models,
    table: Mapping[int, str],
    *,
    maps: Sequence[str] = ("parcels",),
    dtype: str = "<f4",
) -> Path:
    """Write a key for each point, or several maps of shape (n_maps, n_points), and the names of the keys."""
    return save_cifti(
        path, np.atleast_2d(keys), labels_axis(dict.fromkeys(maps, table)), models_axis(models), dtype=dtype
    )


def save_dscalar(path: Path | str, values: np.ndarray, models: Models, names: Sequence[str] = ()) -> Path:
    """Write a value for each point, or maps of shape (n_maps, n_points)."""
    maps = np.atleast_2d(values)
    axis = scalars_axis(list(names) or [f"map {number}" for number in range(1, len(maps) + 1)])
    return save_cifti(path, maps, axis, models_axis(models))
