"""Packages that load their public names at first use: importing Keras takes seconds that ``--help`` should not.

A package may name a function like the module it lives in (``elemnet.train`` is a function of ``elemnet/train.py``);
the import of that module would otherwise put the module in the function's place.
"""

import importlib
import sys
import types
from collections.abc import Mapping


class LazyPackage(types.ModuleType):
    """A package that looks its public names up when they are asked for; made by ``make_lazy``."""

    _public: Mapping[str, tuple[str, str]]

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in self._public:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, attribute = self._public[name]
        return getattr(importlib.import_module(module), attribute)

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in self._public and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._public})


def make_lazy(package: str, public: Mapping[str, tuple[str, str]]) -> list[str]:
    """Have a package load its public names at first use.

    Args:
        package: Its ``__name__``.
        public: Public name -> the module it lives in, and what it is called there.

    Returns:
        The public names, for ``__all__``.
    """
    module = sys.modules[package]
    module.__dict__["_public"] = dict(public)
    module.__class__ = LazyPackage
    return list(public)
