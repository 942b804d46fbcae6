"""Chapter 6: OMNet, the orientation of a cubic crystal from its electron backscatter diffraction (EBSD) pattern.

The method:
    1. A dynamical master pattern, projected on the detector, gives the pattern of any orientation.
    2. A network learns to invert that: pattern in, orientation out, whatever its form (Euler angles in the thesis).
    3. The disorientation, smallest over all pairs of the 24 cubic operators, is the measure and, as a graph of tensors,
       the loss.
    4. Dictionary indexing is what it is held against; refinement makes the answers of both exact.
    5. The shipped network answers for nickel at 20 kV on the detector of its card; `omnet train` makes one for another.

Citation:
    D. Jha, S. Singh, R. Al-Bahrani, W.-k. Liao, A. Choudhary, M. De Graef, A. Agrawal, "Extracting Grain Orientations
    from EBSD Patterns of Polycrystalline Materials Using Convolutional Neural Networks", Microsc. Microanal. 24,
    497-502 (2018), doi:10.1017/S1431927618015131; chapter 6 of D. Jha, "Deep Learning Methodologies for Scientific
    Knowledge Discovery", Northwestern (2020).

Examples:
    >>> import omnet
    >>> quaternions, confidence = omnet.load_pretrained().predict(patterns)  # doctest: +SKIP
"""

from common.lazy import make_lazy

__all__ = make_lazy(
    __name__,
    {
        "RECIPES": ("omnet.config", "RECIPES"),
        "Detector": ("omnet.detector", "Detector"),
        "Dictionary": ("omnet.dictionary", "Dictionary"),
        "OMNetConfig": ("omnet.config", "OMNetConfig"),
        "Predictor": ("omnet.predict", "Predictor"),
        "Simulator": ("omnet.simulator", "Simulator"),
        "build_omnet": ("omnet.model", "build_omnet"),
        "cubochoric_grid": ("omnet.sampling", "cubochoric_grid"),
        "disorientation_deg": ("omnet.disorientation", "disorientation_deg"),
        "load_master_pattern": ("omnet.master_pattern", "load_master_pattern"),
        "load_pretrained": ("omnet.predict", "load_pretrained"),
        "read_scan": ("omnet.scans", "read_scan"),
        "refine": ("omnet.refinement", "refine"),
        "train": ("omnet.train", "run"),
    },
)
