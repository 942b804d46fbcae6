"""Chapter 7: PADNet, phase regions of a composition spread straight from raw 2D X-ray diffraction images.

The method:
    1. Four slope filters, which smooth backgrounds leave at rest, find the areas under peaks: no background removal, no
       integration to 1D patterns.
    2. Convolutions look at their maps, a small net at the composition, and a classifier at both.
    3. Neighbours on a wafer are alike, so every accuracy stands beside its controls: composition only, position only,
       image only, images shuffled, and folds that are blocks of the wafer.
    4. `padnet train` makes a network for a detector and a material of one's own; none is shipped, as the frames of the
       paper are not public.

Citation:
    D. Jha, A. Gilad Kusne, R. Al-Bahrani, N. Nguyen, W.-k. Liao, A. Choudhary, A. Agrawal, "Peak Area Detection Network
    for Directly Learning Phase Regions from Raw X-ray Diffraction Patterns", IJCNN (2019),
    doi:10.1109/IJCNN.2019.8852096; chapter 7 of D. Jha, "Deep Learning Methodologies for Scientific Knowledge
    Discovery", Northwestern (2020).

Examples:
    >>> import padnet
    >>> probabilities = padnet.load("runs/mine/model.keras").predict_frames(frames, composition)  # doctest: +SKIP
"""

from common.lazy import make_lazy

__all__ = make_lazy(
    __name__,
    {
        "BACKGROUNDS": ("padnet.background", "BACKGROUNDS"),
        "Geometry": ("padnet.geometry", "Geometry"),
        "PADNetConfig": ("padnet.config", "PADNetConfig"),
        "PeakArea": ("padnet.peak_area", "PeakArea"),
        "Predictor": ("padnet.predict", "Predictor"),
        "RECIPES": ("padnet.config", "RECIPES"),
        "XrdDataset": ("padnet.data", "XrdDataset"),
        "build_padnet": ("padnet.model", "build_padnet"),
        "load": ("padnet.predict", "load"),
        "load_bicuvo": ("padnet.bicuvo", "load_bicuvo"),
        "peak_areas": ("padnet.slope_filters", "peak_areas"),
        "read_folder": ("padnet.readers", "read_folder"),
        "read_frame": ("padnet.readers", "read_frame"),
        "reprojected": ("padnet.reprojection", "reprojected"),
        "simulate_wafer": ("padnet.simulator", "simulate_wafer"),
        "train": ("padnet.train", "run"),
    },
)
