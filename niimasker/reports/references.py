"""The publications that pages cite: in short as in a text, and in full."""

from __future__ import annotations

ABRAHAM_2014 = (
    "Abraham et al., 2014",
    "Abraham A, Pedregosa F, Eickenberg M, et al. Machine learning for neuroimaging with scikit-learn. Frontiers in "
    "Neuroinformatics 2014; 8: 14. doi:10.3389/fninf.2014.00014",
)
POWER_2014 = (
    "Power et al., 2014",
    "Power JD, Mitra A, Laumann TO, Snyder AZ, Schlaggar BL, Petersen SE. Methods to detect, characterize, and remove "
    "motion artifact in resting state fMRI. NeuroImage 2014; 84: 320-341. doi:10.1016/j.neuroimage.2013.08.048",
)
CIRIC_2017 = (
    "Ciric et al., 2017",
    "Ciric R, Wolf DH, Power JD, et al. Benchmarking of participant-level confound regression strategies for the "
    "control of motion artifact in studies of functional connectivity. NeuroImage 2017; 154: 174-187. "
    "doi:10.1016/j.neuroimage.2017.03.020",
)
FAIR_2020 = (
    "Fair et al., 2020",
    "Fair DA, Miranda-Dominguez O, Snyder AZ, et al. Correction of respiratory artifacts in MRI head motion estimates. "
    "NeuroImage 2020; 208: 116400. doi:10.1016/j.neuroimage.2019.116400",
)
GRATTON_2020 = (
    "Gratton et al., 2020",
    "Gratton C, Dworetsky A, Coalson RS, et al. Removal of high frequency contamination from motion estimates in "
    "single-band fMRI saves data without biasing functional connectivity. NeuroImage 2020; 217: 116866. "
    "doi:10.1016/j.neuroimage.2020.116866",
)
POWER_2012 = (
    "Power et al., 2012",
    "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic correlations in functional "
    "connectivity MRI networks arise from subject motion. NeuroImage 2012; 59: 2142-2154. "
    "doi:10.1016/j.neuroimage.2011.10.018",
)
PARKES_2018 = (
    "Parkes et al., 2018",
    "Parkes L, Fulcher B, Yücel M, Fornito A. An evaluation of the efficacy, reliability, and sensitivity of motion "
    "correction strategies for resting-state functional MRI. NeuroImage 2018; 171: 415-436. "
    "doi:10.1016/j.neuroimage.2017.12.073",
)
DUPRE_2021 = (
    "DuPre et al., 2021",
    "DuPre E, Salo T, Ahmed Z, et al. TE-dependent analysis of multi-echo fMRI with tedana. Journal of Open Source "
    "Software 2021; 6: 3669. doi:10.21105/joss.03669",
)
FRITSCH_1984 = (
    "Fritsch and Butland, 1984",
    "Fritsch FN, Butland J. A method for constructing local monotone piecewise cubic interpolants. SIAM Journal on "
    "Scientific and Statistical Computing 1984; 5: 300-304. doi:10.1137/0905021",
)
LEDOIT_2004 = (
    "Ledoit and Wolf, 2004",
    "Ledoit O, Wolf M. A well-conditioned estimator for large-dimensional covariance matrices. Journal of Multivariate "
    "Analysis 2004; 88: 365-411. doi:10.1016/S0047-259X(03)00096-4",
)
LINDQUIST_2019 = (
    "Lindquist et al., 2019",
    "Lindquist MA, Geuter S, Wager TD, Caffo BS. Modular preprocessing pipelines can reintroduce artifacts into fMRI "
    "data. Human Brain Mapping 2019; 40: 2358-2376. doi:10.1002/hbm.24528",
)
# Those that the methods paragraph of a run may cite.
OF_RUNS = (
    ABRAHAM_2014,
    CIRIC_2017,
    DUPRE_2021,
    FAIR_2020,
    FRITSCH_1984,
    GRATTON_2020,
    LEDOIT_2004,
    LINDQUIST_2019,
    POWER_2012,
    POWER_2014,
)
