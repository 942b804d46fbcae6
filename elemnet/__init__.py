"""Chapter 3: ElemNet, formation enthalpy from elemental composition alone.

The method:
    1. A formula becomes 86 element fractions; no physical attribute is computed.
    2. Seventeen fully connected layers with ReLU and dropout map them to eV/atom.
    3. The mean absolute error is minimised on the lowest enthalpy of each OQMD composition.
    4. Training rows alone decide the elements and the outlier limits.
    5. The network then answers for any composition, some thousand a second on a laptop, and its answers are held
       against the convex hull of known phases.

Citation:
    D. Jha, L. Ward, A. Paul, W.-k. Liao, A. Choudhary, C. Wolverton, A. Agrawal, "ElemNet: Deep Learning the
    Chemistry of Materials From Only Elemental Composition", Sci. Rep. 8, 17593 (2018), doi:10.1038/s41598-018-35934-y;
    chapter 3 of D. Jha, "Deep Learning Methodologies for Scientific Knowledge Discovery", Northwestern (2020).

Examples:
    >>> import elemnet
    >>> elemnet.predict(["NaCl", "Fe2O3"])  # doctest: +SKIP
"""

from common.lazy import make_lazy

__all__ = make_lazy(
    __name__,
    {
        "RECIPES": ("elemnet.config", "RECIPES"),
        "CompositionSpace": ("elemnet.composition_space", "CompositionSpace"),
        "ElemNetConfig": ("elemnet.config", "ElemNetConfig"),
        "ElemNetRegressor": ("elemnet.estimator", "ElemNetRegressor"),
        "FormulaEncoder": ("elemnet.estimator", "FormulaEncoder"),
        "KnownPhases": ("elemnet.hulls", "KnownPhases"),
        "build_elemnet": ("elemnet.model", "build_elemnet"),
        "depth_family": ("elemnet.model", "depth_family"),
        "Predictor": ("elemnet.predict", "Predictor"),
        "load_known": ("elemnet.hulls", "load_known"),
        "load_pretrained": ("elemnet.predict", "load_pretrained"),
        "predict": ("elemnet.predict", "predict"),
        "predict_file": ("elemnet.predict", "predict_file"),
        "screen": ("elemnet.screening_run", "screen"),
        "train": ("elemnet.train", "run"),
    },
)
