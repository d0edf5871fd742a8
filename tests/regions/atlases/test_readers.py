from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from atlas_files import AFFINE, SHAPE, aal_xml, error_of, label_image, maps, put, put_aal, put_fsl, put_schaefer
from atlas_files import fetch_and_load as fetch_atlas
from nilearn import datasets

from niimasker.regions.atlases.queries import parse_query
from niimasker.regions.atlases.sources import ATLASES

pytestmark = pytest.mark.usefixtures("no_network")


def test_schaefer_is_named_by_its_table(atlas_dir):
    put_schaefer(atlas_dir, "7Networks_LH_Vis_1", "7Networks_LH_Vis_2", "7Networks_RH_Cont_1")
    atlas = fetch_atlas("nilearn:schaefer:100-7-2", atlas_dir)
    assert atlas.name == "schaefer"
    assert atlas.names == {1: "7Networks_LH_Vis_1", 2: "7Networks_LH_Vis_2", 3: "7Networks_RH_Cont_1"}
    assert atlas.img.shape == SHAPE
    assert nibabel.is_proxy(atlas.img.dataobj)


def test_names_without_a_voxel_stay_and_no_name_shifts(atlas_dir):
    put_schaefer(atlas_dir, "first", "empty", "third", voxels=label_image(1, 3))
    assert fetch_atlas("nilearn:schaefer:100-7-2", atlas_dir).names == {1: "first", 2: "empty", 3: "third"}


def test_aal_keeps_gaps_in_its_indices(atlas_dir):
    put_aal(atlas_dir, label_image(2001, 2002, 9170), Precentral_L=2001, Precentral_R=2002, Vermis_10=9170)
    atlas = fetch_atlas("nilearn:aal:SPM12", atlas_dir)
    assert atlas.names == {2001: "Precentral_L", 2002: "Precentral_R", 9170: "Vermis_10"}


def test_aal_out_of_order_is_named_by_index(atlas_dir):
    # nilearn's own look-up table sorts these indices without their names.
    put_aal(atlas_dir, label_image(4001, 2001, 3001), Cingulum=4001, Precentral=2001, Insula=3001)
    assert fetch_atlas("nilearn:aal", atlas_dir).names == {4001: "Cingulum", 2001: "Precentral", 3001: "Insula"}


def test_aal_of_spm8_is_read_from_its_text_table(atlas_dir):
    folder = atlas_dir / "aal_SPM8" / "aal_for_SPM8"
    put(folder / "ROI_MNI_V4.nii", label_image(2001, 2101))
    put(folder / "ROI_MNI_V4.txt", "FAG\tPrecentral_L\t2001\nF1G\tFrontal_Sup_L\t2101\n")
    assert fetch_atlas("nilearn:aal:SPM8", atlas_dir).names == {2001: "Precentral_L", 2101: "Frontal_Sup_L"}


def test_aal3_is_read_from_its_own_folder(atlas_dir):
    put(atlas_dir / "aal_3v2" / "AAL3" / "AAL3v1.nii", label_image(1, 2, 37))
    put(atlas_dir / "aal_3v2" / "AAL3" / "AAL3v1.xml", aal_xml(Precentral_L=1, Precentral_R=2, Cingulate_Mid_L=37))
    names = fetch_atlas("nilearn:aal:3v2", atlas_dir).names
    assert names == {1: "Precentral_L", 2: "Precentral_R", 37: "Cingulate_Mid_L"}


@pytest.mark.parametrize(("sides", "suffix"), [("lateralized", "_lateralized"), ("nonlateralized", "")])
def test_destrieux_keeps_gaps_in_its_indices(sides, suffix, atlas_dir):
    folder = atlas_dir / "destrieux_2009"
    put(folder / f"destrieux2009_rois_labels{suffix}.csv", "index,name\n0,Background\n1,L G\n41,L Pole\n76,R G\n")
    put(folder / f"destrieux2009_rois{suffix}.nii.gz", label_image(1, 41, 76))
    put(folder / "destrieux2009.rst", "about")
    assert fetch_atlas(f"nilearn:destrieux:{sides}", atlas_dir).names == {1: "L G", 41: "L Pole", 76: "R G"}


def put_yeo(atlas_dir, voxels):
    folder = atlas_dir / "yeo_2011" / "Yeo_JNeurophysiol11_MNI152"
    for n_networks in (7, 17):
        rows = "".join(f"  {i}  {n_networks}Networks_{i}  120  18  134  0\n" for i in range(1, n_networks + 1))
        put(folder / f"Yeo2011_{n_networks}Networks_ColorLUT.txt", f"  0  NONE  0  0  0  0\n{rows}")
        for mask in ("", "_LiberalMask"):
            put(folder / f"Yeo2011_{n_networks}Networks_MNI152_FreeSurferConformed1mm{mask}.nii.gz", voxels)
    put(folder / "FSL_MNI152_FreeSurferConformed_1mm.nii.gz", voxels)


@pytest.mark.parametrize(
    ("variant", "n_networks", "file"),
    [
        ("thin_7", 7, "Yeo2011_7Networks_MNI152_FreeSurferConformed1mm.nii.gz"),
        ("thick_17", 17, "Yeo2011_17Networks_MNI152_FreeSurferConformed1mm_LiberalMask.nii.gz"),
    ],
)
def test_yeo_variant_chooses_image_and_names(variant, n_networks, file, atlas_dir):
    put_yeo(atlas_dir, label_image(1, 2))
    atlas = fetch_atlas(f"nilearn:yeo:{variant}", atlas_dir)
    assert atlas.names == {i: f"{n_networks}Networks_{i}" for i in range(1, n_networks + 1)}
    assert Path(atlas.img.get_filename()).name == file


def test_singleton_fourth_axis_of_yeo_is_dropped(atlas_dir):
    put_yeo(atlas_dir, label_image(1, 2)[..., np.newaxis])
    atlas = fetch_atlas("nilearn:yeo:thick_7", atlas_dir)
    np.testing.assert_array_equal(np.asarray(atlas.img.dataobj), label_image(1, 2))


def test_basc_has_default_names_as_in_0_0_4(atlas_dir):
    folder = atlas_dir / "basc_multiscale_2015" / "template_cambridge_basc_multiscale_nii_sym"
    put(folder / "template_cambridge_basc_multiscale_sym_scale007.nii.gz", label_image(1, 2, 3))
    assert fetch_atlas("nilearn:basc:sym-7", atlas_dir).names == {i: f"roi {i}" for i in range(1, 8)}


def test_talairach_level_is_named_by_its_list(atlas_dir):
    put(atlas_dir / "talairach_atlas" / "lobe.nii.gz", label_image(1, 2))
    put(atlas_dir / "talairach_atlas" / "lobe-labels.json", json.dumps(["Background", "Frontal Lobe", "Limbic Lobe"]))
    assert fetch_atlas("nilearn:talairach:lobe", atlas_dir).names == {1: "Frontal Lobe", 2: "Limbic Lobe"}


def test_msdl_maps_are_named_by_position(atlas_dir):
    put(atlas_dir / "msdl_atlas" / "MSDL_rois" / "msdl_rois.nii", maps(2))
    table = "x,y,z,name,net name\n1,2,3,L Aud,Aud\n4,5,6,Striate ,Vis\n"
    put(atlas_dir / "msdl_atlas" / "MSDL_rois" / "msdl_rois_labels.csv", table)
    atlas = fetch_atlas("nilearn:msdl", atlas_dir)
    assert atlas.names == {1: "L Aud", 2: "Striate"}
    assert atlas.img.shape == (*SHAPE, 2)


def test_difumo_maps_are_named_by_component(atlas_dir):
    folder = atlas_dir / "difumo_atlases"
    put(folder / "README.md", "about")
    put(folder / "64" / "2mm" / "maps.nii.gz", maps(3))
    table = {"Component": [2, 1, 3], "Difumo_names": ["Fornix", "Calcarine", "Insula"], "GM": [0.1, 0.2, 0.3]}
    put(folder / "64" / "labels_64_dictionary.csv", pd.DataFrame(table).to_csv(index=False))
    assert fetch_atlas("nilearn:difumo", atlas_dir).names == {1: "Calcarine", 2: "Fornix", 3: "Insula"}


@pytest.mark.parametrize(
    ("kind", "file", "voxels"),
    [
        ("deterministic", "pauli_2017_det.nii.gz", label_image(1, 2)),
        ("probabilistic", "pauli_2017_prob.nii.gz", maps(2)),
    ],
)
def test_pauli_names_labels_and_maps_alike(kind, file, voxels, atlas_dir):
    put(atlas_dir / "pauli_2017" / file, voxels)
    put(atlas_dir / "pauli_2017" / "labels.txt", "0 Pu\n1 Ca\n")
    atlas = fetch_atlas(f"nilearn:pauli:{kind}", atlas_dir)
    assert atlas.names == {1: "Pu", 2: "Ca"}
    assert atlas.img.shape == voxels.shape


@pytest.mark.parametrize(
    ("query", "file"), [("nilearn:smith", "PNAS_Smith09_rsn10.nii.gz"), ("nilearn:smith:20-brainmap", "bm20.nii.gz")]
)
def test_smith_maps_have_default_names(query, file, atlas_dir):
    put(atlas_dir / "smith_2009" / file, maps(10))
    assert fetch_atlas(query, atlas_dir).names == {i: f"roi {i}" for i in range(1, 11)}


def put_allen(atlas_dir):
    folder = atlas_dir / "allen_rsn_2011" / "allen_rsn_2011"
    put(folder / "ALL_HC_unthresholded_tmaps.nii.gz", maps(75))
    put(folder / "RSN_HC_unthresholded_tmaps.nii.gz", maps(28))
    put(folder / "rest_hcp_agg__component_ica_.nii.gz", maps(75))


def test_allen_networks_are_named_by_network_and_component(atlas_dir):
    put_allen(atlas_dir)
    atlas = fetch_atlas("nilearn:allen:rsn28", atlas_dir)
    assert [atlas.names[1], atlas.names[3], atlas.names[28]] == [
        "Basal Ganglia IC21",
        "Sensorimotor IC7",
        "Frontal IC49",
    ]
    assert list(atlas.names) == list(range(1, 29))
    assert atlas.img.shape[3] == 28


def test_all_components_of_allen_have_default_names(atlas_dir):
    put_allen(atlas_dir)
    atlas = fetch_atlas("nilearn:allen:all75", atlas_dir)
    assert atlas.names == {i: f"roi {i}" for i in range(1, 76)}


CORTICAL = "HarvardOxford-Cortical.xml"
SUBCORTICAL = "HarvardOxford-Subcortical.xml"


def test_harvard_oxford_is_named_by_index(atlas_dir):
    put_fsl(
        atlas_dir, "HarvardOxford", "cort-maxprob-thr25-2mm", CORTICAL, label_image(1, 3), "Pole", "Insula", "Opercular"
    )
    atlas = fetch_atlas("nilearn:harvard_oxford:cort-maxprob-thr25-2mm", atlas_dir)
    assert atlas.names == {1: "Pole", 2: "Insula", 3: "Opercular"}
    assert nibabel.is_proxy(atlas.img.dataobj)


def test_probabilistic_harvard_oxford_has_no_map_for_the_background(atlas_dir):
    put_fsl(atlas_dir, "HarvardOxford", "cort-prob-2mm", CORTICAL, maps(2), "Pole", "Insula")
    atlas = fetch_atlas("nilearn:harvard_oxford:cort-prob-2mm", atlas_dir)
    assert atlas.names == {1: "Pole", 2: "Insula"}
    assert atlas.img.shape == (*SHAPE, 2)


def test_split_harvard_oxford_cortex_is_the_lateralized_file(atlas_dir):
    labels = "HarvardOxford-Cortical-Lateralized.xml"
    put_fsl(atlas_dir, "HarvardOxford", "cortl-maxprob-thr25-2mm", labels, label_image(1, 2), "Left Pole", "Right Pole")
    atlas = fetch_atlas("nilearn:harvard_oxford:cort-maxprob-thr25-2mm:symmetric_split", atlas_dir)
    assert atlas.names == {1: "Left Pole", 2: "Right Pole"}


def brain_stem_and_sides(left, right, middle):
    """Return a label image with a region on each side and one across the midline; axis 0 runs from right to left."""
    voxels = np.zeros(SHAPE, dtype=np.int16)
    voxels[:4, 1] = right
    voxels[4:, 1] = left
    voxels[:, 3] = middle
    return voxels


def side_of(atlas, index):
    """Return on which side of the image's middle a region lies."""
    x = nibabel.affines.apply_affine(atlas.img.affine, np.argwhere(np.asarray(atlas.img.dataobj) == index))[:, 0]
    middle = np.diag(AFFINE)[0] * (SHAPE[0] - 1) / 2
    return {True: "Left", False: "Right"}[bool((x < middle).all())]


SPLIT_QUERIES = {
    "HarvardOxford": (
        "nilearn:harvard_oxford:sub-maxprob-thr0-2mm:symmetric_split",
        "sub-maxprob-thr0-2mm",
        SUBCORTICAL,
    ),
    "Juelich": ("nilearn:juelich:maxprob-thr0-2mm:symmetric_split", "maxprob-thr0-2mm", "Juelich.xml"),
}


@pytest.mark.parametrize("family", SPLIT_QUERIES)
def test_split_names_are_nilearns_when_no_region_is_empty(family, atlas_dir):
    query, file, labels = SPLIT_QUERIES[family]
    names = ("Left Ventrical", "Right Ventrical", "Stem") if family == "HarvardOxford" else ("GM L", "GM R", "WM")
    put_fsl(atlas_dir, family, file, labels, brain_stem_and_sides(1, 2, 3), *names)
    fetcher = getattr(datasets, parse_query(query, ATLASES).source.fetcher)
    nilearns = fetcher(file, data_dir=atlas_dir, symmetric_split=True, verbose=0)
    atlas = fetch_atlas(query, atlas_dir)
    assert list(atlas.names.items()) == list(enumerate(nilearns.labels))[1:]
    assert len(atlas.names) == 4


@pytest.mark.parametrize("family", SPLIT_QUERIES)
def test_split_names_do_not_shift_after_an_empty_region(family, atlas_dir):
    query, file, labels = SPLIT_QUERIES[family]
    put_fsl(atlas_dir, family, file, labels, brain_stem_and_sides(3, 1, 4), "Thalamus", "Empty", "Pallidum", "Stem")
    atlas = fetch_atlas(query, atlas_dir)
    assert atlas.names == {1: "Thalamus", 2: "Pallidum", 3: "Left Stem", 4: "Right Stem"}
    assert [side_of(atlas, index) for index in (1, 2, 3, 4)] == ["Right", "Left", "Left", "Right"]


def test_juelich_sides_are_merged(atlas_dir):
    put_fsl(atlas_dir, "Juelich", "maxprob-thr0-2mm", "Juelich.xml", label_image(1, 2, 3), "WM tract", "GM L", "GM R")
    atlas = fetch_atlas("nilearn:juelich:maxprob-thr0-2mm", atlas_dir)
    assert atlas.names == {1: "GM", 2: "WM tract"}
    np.testing.assert_array_equal(np.unique(np.asarray(atlas.img.dataobj)[:, 2:4]), [1])


def test_probabilistic_juelich_has_one_name_a_map(atlas_dir):
    put_fsl(atlas_dir, "Juelich", "prob-2mm", "Juelich.xml", maps(3), "WM tract", "GM L", "GM R")
    atlas = fetch_atlas("nilearn:juelich:prob-2mm", atlas_dir)
    assert atlas.names == {1: "GM", 2: "WM tract"}
    assert atlas.img.shape == (*SHAPE, 2)


@pytest.fixture
def craddock_dir(atlas_dir):
    """Lay out a stack of parcellations of 2, 3, 3 and 4 regions, the last with a gap in its indices."""
    volumes = [label_image(1, 2), label_image(1, 2, 3), label_image(1, 2, 3), label_image(1, 2, 4, 5)]
    put(atlas_dir / "craddock_2012" / "scorr05_mean_all.nii.gz", np.stack(volumes, axis=-1))
    put(atlas_dir / "craddock_2012" / "tcorr05_2level_all.nii.gz", np.stack(volumes[:1], axis=-1))
    return atlas_dir


def test_craddock_is_chosen_by_the_number_of_regions(craddock_dir):
    atlas = fetch_atlas("nilearn:craddock:4", craddock_dir)
    assert atlas.names == {1: "roi 1", 2: "roi 2", 4: "roi 4", 5: "roi 5"}
    np.testing.assert_array_equal(np.asarray(atlas.img.dataobj), label_image(1, 2, 4, 5))


def test_craddock_is_chosen_by_position(craddock_dir):
    np.testing.assert_array_equal(
        np.asarray(fetch_atlas("nilearn:craddock:v2", craddock_dir).img.dataobj), label_image(1, 2, 3)
    )


def test_craddock_homogeneity_and_group_choose_the_file(craddock_dir):
    assert fetch_atlas("nilearn:craddock:2-temporal-2level", craddock_dir).names == {1: "roi 1", 2: "roi 2"}


def test_number_of_regions_that_craddock_lacks_lists_those_it_has(craddock_dir):
    assert error_of("nilearn:craddock:6", craddock_dir) == (
        "nilearn:craddock: there is no parcellation '6' (spatial, mean). The nearest is 4. Give the number of regions, "
        "or the volume as v<position>; volumes and their numbers of regions: v1: 2, v2: 3, v3: 3, v4: 4."
    )


def test_number_of_regions_that_two_volumes_have_is_refused(craddock_dir):
    assert error_of("nilearn:craddock:3", craddock_dir).startswith("nilearn:craddock: 2 volumes have 3 regions")


def test_position_past_the_stack_is_refused(craddock_dir):
    assert error_of("nilearn:craddock:v5", craddock_dir).startswith("nilearn:craddock: there is no parcellation 'v5'")


def test_names_are_plain_strings_and_indices_plain_integers(atlas_dir):
    put_fsl(atlas_dir, "Juelich", "maxprob-thr0-2mm", "Juelich.xml", label_image(1, 2), "A", "B")
    names = fetch_atlas("nilearn:juelich:maxprob-thr0-2mm", atlas_dir).names
    assert {(type(index), type(name)) for index, name in names.items()} == {(int, str)}


@pytest.fixture
def real_atlases(data_dir):
    return data_dir / "atlas"


def test_real_schaefer_is_named_by_its_table(real_atlases, atlas_dir):
    image = "Schaefer2018_100Parcels_7Networks_order_FSLMNI152_2mm.nii.gz"
    centroids = pd.read_csv(real_atlases / image.replace(".nii.gz", ".Centroid_XYZ.tsv"), sep="\t")
    folder = atlas_dir / "schaefer_2018"
    folder.mkdir(parents=True)
    shutil.copyfile(real_atlases / image, folder / image)
    # Colours are not in the centroids' table and are not used.
    rows = [f"{index}\troi-{index}\t1\t2\t3\t0" for index in range(1, len(centroids) + 1)]
    put(folder / "Schaefer2018_100Parcels_7Networks_order.txt", "\n".join(rows) + "\n")
    atlas = fetch_atlas("nilearn:schaefer:100-7-2", atlas_dir)
    assert list(atlas.names) == sorted(set(np.unique(np.asarray(atlas.img.dataobj))) - {0})
    assert atlas.names[100] == "roi-100"


def test_real_aal_is_named_by_its_table(real_atlases, atlas_dir):
    img = nibabel.load(real_atlases / "AAL_space-MNI152NLin6_res-4x4x4.nii.gz")
    indices = [int(index) for index in np.unique(np.asarray(img.dataobj)) if index != 0]
    put_aal(atlas_dir, np.zeros(SHAPE, dtype=np.int16), **{f"region_{index}": index for index in indices})
    img.to_filename(atlas_dir / "aal_SPM12" / "aal" / "atlas" / "AAL.nii")
    atlas = fetch_atlas("nilearn:aal:SPM12", atlas_dir)
    assert atlas.names == {index: f"region_{index}" for index in indices}
    assert atlas.img.shape == img.shape
