"""Chapter 5: transfer learning from a large set of computed properties to small sets, computed or measured.

The method:
    1. ElemNet learns formation enthalpies from the element fractions of OQMD's compositions.
    2. Its weights are the start of a network for another data set: JARVIS, the Materials Project, experiment.
    3. All layers are trained on, or only those above a named one; another property gets a fresh output layer.
    4. Beside it stands the same network from scratch, and both are scored with and without what the source has seen.
    5. What the source has learned shows in its activations: elements' groups, magnetism, metals.

Citation:
    D. Jha, K. Choudhary, F. Tavazza, W.-k. Liao, A. Choudhary, C. Campbell, A. Agrawal, "Enhancing materials property
    prediction by leveraging computational and experimental data using deep transfer learning", Nat. Commun. 10, 5316
    (2019), doi:10.1038/s41467-019-13297-w; chapter 5 of D. Jha, "Deep Learning Methodologies for Scientific Knowledge
    Discovery", Northwestern (2020).

Examples:
    >>> import transfer
    >>> transfer.run(transfer.SMALL_RECIPE, "my.csv", "runs/mine")  # doctest: +SKIP
"""

from common.lazy import make_lazy

__all__ = make_lazy(
    __name__,
    {
        "RECIPES": ("transfer.config", "RECIPES"),
        "PAPER_RECIPE": ("transfer.config", "PAPER_RECIPE"),
        "FAST_RECIPE": ("transfer.config", "FAST_RECIPE"),
        "SMALL_RECIPE": ("transfer.config", "SMALL_RECIPE"),
        "FineTuneConfig": ("transfer.config", "FineTuneConfig"),
        "FineTunedRegressor": ("transfer.estimator", "FineTunedRegressor"),
        "from_scratch": ("transfer.config", "from_scratch"),
        "load_network": ("transfer.network", "load_network"),
        "seen_by": ("transfer.seen", "seen_by"),
        "run": ("transfer.fine_tune", "run"),
        "fine_tune": ("transfer.fine_tune", "fine_tune"),
        "activations": ("common.activations", "activations"),
        "separate": ("transfer.representation", "separate"),
    },
)
