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

import importlib
import sys
import types

# Public name -> where it lives and what it is called there. Loaded at first use, because importing Keras takes seconds
# that `elemnet --help` should not.
_PUBLIC = {
    "RECIPES": ("elemnet.config", "RECIPES"),
    "ElemNetConfig": ("elemnet.config", "ElemNetConfig"),
    "build_elemnet": ("elemnet.model", "build_elemnet"),
    "depth_family": ("elemnet.model", "depth_family"),
    "Predictor": ("elemnet.predict", "Predictor"),
    "load_pretrained": ("elemnet.predict", "load_pretrained"),
    "predict": ("elemnet.predict", "predict"),
    "predict_file": ("elemnet.predict", "predict_file"),
    "train": ("elemnet.train", "run"),
}
__all__ = list(_PUBLIC)


class _Package(types.ModuleType):
    """``elemnet.predict`` and ``elemnet.train`` are functions; the import of the modules of the same names would
    otherwise put the modules in their places."""

    def __getattr__(self, name: str):
        if name not in _PUBLIC:
            raise AttributeError(f"module 'elemnet' has no attribute {name!r}")
        module, attribute = _PUBLIC[name]
        return getattr(importlib.import_module(module), attribute)

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
