"""Chapter 4: IRNet, deep regression with a shortcut round every layer, and SIPFENN's networks on the same inputs.

The method:
    1. A material becomes 145 attributes of its composition and, where its structure is known, 126 of its structure.
    2. Fully connected layers of falling width, each with batch normalisation and ReLU, map them to a property.
    3. Round every layer goes a shortcut (IRNet); round every group of layers (SRNet); or none (plain).
    4. So gradients reach the first layer at any depth: 48 layers beat 17, where the plain network falls behind.
    5. The same network predicts several properties at once, or classes.

Citation:
    D. Jha, L. Ward, Z. Yang, C. Wolverton, I. Foster, W.-k. Liao, A. Choudhary, A. Agrawal, "IRNet: A General Purpose
    Deep Residual Regression Framework for Materials Discovery", KDD 2019, 2385, doi:10.1145/3292500.3330703;
    D. Jha et al., "Enabling deeper learning on big data for materials informatics applications", Sci. Rep. 11, 4244
    (2021), doi:10.1038/s41598-021-83193-1; chapter 4 of D. Jha, "Deep Learning Methodologies for Scientific Knowledge
    Discovery", Northwestern (2020).

Examples:
    >>> import irnet
    >>> irnet.load_pretrained("irnet_17").predict_formulas(["NaCl", "Fe2O3"])  # doctest: +SKIP
"""

from common.lazy import make_lazy

__all__ = make_lazy(
    __name__,
    {
        "RECIPES": ("irnet.config", "RECIPES"),
        "VARIANTS": ("irnet.config", "VARIANTS"),
        "IRNetConfig": ("irnet.config", "IRNetConfig"),
        "FormulaFeaturizer": ("irnet.estimators", "FormulaFeaturizer"),
        "IRNetClassifier": ("irnet.estimators", "IRNetClassifier"),
        "IRNetRegressor": ("irnet.estimators", "IRNetRegressor"),
        "build_irnet": ("irnet.model", "build_irnet"),
        "Predictor": ("irnet.predict", "Predictor"),
        "load_pretrained": ("irnet.predict", "load_pretrained"),
        "predict": ("irnet.predict", "predict"),
        "predict_file": ("irnet.predict", "predict_file"),
        "fine_tune": ("irnet.fine_tuning", "fine_tune"),
        "new_points_study": ("irnet.fine_tuning", "new_points_study"),
        "train": ("irnet.train", "run"),
    },
)
