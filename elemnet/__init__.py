"""Chapter 3: ElemNet, formation enthalpy from elemental composition alone.

The method:
    1. A formula becomes 86 element fractions; no physical attribute is computed.
    2. Seventeen fully connected layers with ReLU and dropout map them to eV/atom.
    3. The mean absolute error is minimised on the lowest enthalpy of each OQMD composition.
    4. Training rows alone decide the elements and the outlier limits.
    5. The network then answers for any composition, some thousand a second on a laptop.

Citation:
    D. Jha, L. Ward, A. Paul, W.-k. Liao, A. Choudhary, C. Wolverton, A. Agrawal, "ElemNet: Deep Learning the
    Chemistry of Materials From Only Elemental Composition", Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y;
    chapter 3 of D. Jha, "Deep Learning Methodologies for Scientific Knowledge Discovery", Northwestern (2020).

Examples:
    >>> import elemnet
    >>> elemnet.predict(["NaCl", "Fe2O3"])  # doctest: +SKIP
"""

from elemnet.config import RECIPES, ElemNetConfig
from elemnet.model import build_elemnet, depth_family
from elemnet.predict import Predictor, load_pretrained, predict, predict_file
from elemnet.train import run as train

__all__ = [
    "RECIPES",
    "ElemNetConfig",
    "Predictor",
    "build_elemnet",
    "depth_family",
    "load_pretrained",
    "predict",
    "predict_file",
    "train",
]
