"""Formation energies for formulas, from a trained ElemNet: one answer for each row, in order, with a status."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from common import artifacts, backend, networks, tables, uncertainty
from common.composition import encode
from common.elements import ATOMIC_NUMBER

PRETRAINED = Path(__file__).parent / "weights" / "elemnet_oqmd.keras"
ROWS_PER_BATCH = 8_192  # large enough for the matrix products, small enough that a million formulas stay small
ENERGY = "formation_energy_ev_per_atom"
ENERGY_SD = "formation_energy_sd_ev_per_atom"
LOWER, UPPER = uncertainty.interval_columns(ENERGY)


class Predictor:
    """A trained ElemNet that answers for formulas.

    Args:
        model: Maps ``(batch_size, num_elements)`` fractions to ``(batch_size, 1)`` eV/atom.
        card: Model card; its ``elements`` name the input columns.
    """

    def __init__(self, model, card: dict):
        self.model, self.card = model, card
        self.elements: tuple[str, ...] = tuple(card["elements"])
        self._forward = backend.make_predictor(model)
        self._forward_with_dropout: backend.ArrayFunction | None = None

    @property
    def has_dropout(self) -> bool:
        """Whether any layer drops units, so that Monte-Carlo dropout says something."""
        return any(layer.rate > 0 for layer in networks.dropout_layers(self.model))

    @property
    def mc_warning(self) -> str:
        """What a user of Monte-Carlo dropout has to know of this model, or ``""``."""
        if self.card.get("training", {}).get("dropout_free_epochs", 0) == 0:
            return ""
        return (
            "The last epochs of this model were trained without dropout, which shifts the mean over passes: take the "
            "sd from here and the energy from a run without --mc-samples."
        )

    def predict(
        self,
        formulas: Iterable[object],
        *,
        interval: float | None = None,
        mc_samples: int = 0,
        seed: int = 0,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Formation energies of formulas.

        Args:
            formulas: n formulas such as ``"Fe2O3"`` or ``"Ca(OH)2"``; anything else becomes an error row.
            interval: Level from 0.5 to 0.99 of intervals, such as 0.9; see ``common.uncertainty``. How often they held
                the truth on rows not trained on is in the card. ``None`` gives none.
            mc_samples: 0 predicts once with dropout off. N > 0 predicts N times with dropout on, as the authors'
                released code does, and gives mean and standard deviation.
            seed: Seed of the dropout masks.
            progress: Show a bar on a terminal.

        Returns:
            n rows in the order given: ``formula``, ``formation_energy_ev_per_atom``, with ``interval`` also
            ``lower_formation_energy_ev_per_atom`` and ``upper_formation_energy_ev_per_atom``, with ``mc_samples`` also
            ``formation_energy_sd_ev_per_atom``, ``status`` (``"ok"`` or ``"error"``) and ``reason``.

        Raises:
            ValueError: If ``mc_samples`` is negative, or asked of a network without dropout; if the interval's level is
                out of range, the card has no calibration, or both are asked for.
        """
        self._check_mc_samples(mc_samples)
        calibration = None if interval is None else self._calibration(interval, mc_samples)
        if isinstance(formulas, str):  # a lone formula would be read letter by letter
            formulas = [formulas]
        formulas = list(formulas)
        energy = np.full(len(formulas), np.nan)
        energy_sd = np.full(len(formulas), np.nan)
        half_widths = np.full(len(formulas), np.nan)
        reasons = np.full(len(formulas), "", object)
        self._seed_dropout(seed)
        with tqdm(total=len(formulas), unit=" rows", unit_scale=True, disable=None if progress else True) as bar:
            for rows in _slices(len(formulas)):
                encoded = encode(formulas[rows], self.elements, dtype=np.float32)
                ok = encoded.ok
                samples = self._samples(encoded.fractions[ok], mc_samples)  # (max(1, mc_samples), n_ok)
                energy[rows][ok], energy_sd[rows][ok] = uncertainty.mean_and_sd(samples)
                if calibration is not None and interval is not None:
                    half_widths[rows][ok] = calibration.half_widths(samples[0], encoded.fractions[ok], interval)
                reasons[rows][~ok] = encoded.reasons[~ok]
                bar.update(len(ok))
        table = {"formula": pd.Series(formulas, dtype=object), ENERGY: energy}  # a lone NaN stays the cell it was
        if calibration is not None:
            table |= {LOWER: energy - half_widths, UPPER: energy + half_widths}
        if mc_samples:
            table[ENERGY_SD] = energy_sd
        return pd.DataFrame(table | {"status": np.where(reasons == "", "ok", "error"), "reason": reasons})

    def predict_fractions(self, fractions: np.ndarray, *, mc_samples: int = 0, seed: int = 0) -> np.ndarray:
        """Formation energies of element fractions.

        Args:
            fractions: ``(n, num_elements)``, columns in the order of ``elements``.
            mc_samples: As in ``predict``; the mean is returned.
            seed: Seed of the dropout masks.

        Returns:
            ``(n,)`` eV/atom.
        """
        self._check_mc_samples(mc_samples)
        self._seed_dropout(seed)
        parts = [self._samples(fractions[rows], mc_samples).mean(axis=0) for rows in _slices(len(fractions))]
        return np.concatenate(parts) if parts else np.empty(0)

    def _check_mc_samples(self, mc_samples: int) -> None:
        if mc_samples < 0:
            raise ValueError(f"Expected mc_samples of 0 or more; received {mc_samples}.")
        if mc_samples and not self.has_dropout:
            raise ValueError(
                "Monte-Carlo dropout was asked for, but this network has no dropout: every pass would be the same. "
                "Use mc_samples=0, or a model trained with dropout, such as the paper recipe."
            )

    def _calibration(self, interval: float, mc_samples: int) -> uncertainty.Calibration:
        """What makes the intervals, once it is sure that it can."""
        if mc_samples:
            raise ValueError(
                "Intervals are calibrated for the prediction with dropout off; ask for the interval or for mc_samples, "
                "not for both."
            )
        calibration = uncertainty.calibration_of(self.card, ENERGY)
        calibration.half_widths(np.empty(0), np.empty((0, len(self.elements))), interval)  # says if it cannot
        return calibration

    def _samples(self, fractions: np.ndarray, mc_samples: int) -> np.ndarray:
        """``(max(1, mc_samples), n)`` predictions."""
        if mc_samples == 0:
            return self._forward(fractions)[:, 0][None, :]
        if self._forward_with_dropout is None:
            self._forward_with_dropout = backend.make_predictor(self.model, training=True)
        return np.stack([self._forward_with_dropout(fractions)[:, 0] for _ in range(mc_samples)])

    def _seed_dropout(self, seed: int) -> None:
        """Start the masks anew, so that the same call gives the same answer."""
        for number, layer in enumerate(networks.dropout_layers(self.model)):
            if layer.rate > 0:
                layer.seed_generator.state.assign([seed, number])


def _slices(num_rows: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_PER_BATCH) for start in range(0, num_rows, ROWS_PER_BATCH))


def load_pretrained(path: Path | str | None = None) -> Predictor:
    """The shipped ElemNet, or one of your own.

    Args:
        path: A ``.keras`` file with its card beside it; ``None`` takes the weights shipped with the package.

    Raises:
        ArtifactError: If the files are missing, damaged or unsafe.
    """
    path = Path(path or PRETRAINED)
    return _load(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _load(path: Path, _modified_ns: int) -> Predictor:  # a file written anew is read anew
    artifact = artifacts.load(path)
    if "inputs" in artifact.card:
        raise artifacts.ArtifactError(
            f"{path} is not a model of elemnet: `irnet predict --model` or `transfer predict --model` answers with it."
        )
    with artifacts.reading_card(path):
        predictor = Predictor(artifact.model, artifact.card)
        if not set(predictor.elements) <= ATOMIC_NUMBER.keys():
            raise ValueError("its elements are not all symbols of elements")
        if artifact.model.input_shape[-1] != len(predictor.elements):
            raise ValueError(f"{len(predictor.elements)} elements for {artifact.model.input_shape[-1]} inputs")
        return predictor


def predict(
    formulas: Iterable[object], *, interval: float | None = None, mc_samples: int = 0, model: Path | str | None = None
) -> pd.DataFrame:
    """Formation energies of formulas by the shipped ElemNet; see ``Predictor.predict``.

    Examples:
        >>> predict(["NaCl", "Xx2O3"])  # doctest: +SKIP
    """
    return load_pretrained(model).predict(formulas, interval=interval, mc_samples=mc_samples)


def predict_file(
    source: Path | str,
    destination: Path | str,
    *,
    interval: float | None = None,
    mc_samples: int = 0,
    model: Path | str | None = None,
    column: str = "formula",
    progress: bool = False,
) -> pd.DataFrame:
    """Formation energies for the rows of a CSV file.

    The output keeps every row and column, in order, and adds those of ``Predictor.predict``. It is written whole or not
    at all.

    Args:
        source: A CSV file, plain or ``.gz``, with a column of formulas.
        destination: The CSV file to write.
        interval: As in ``Predictor.predict``.
        mc_samples: As in ``Predictor.predict``.
        model: As in ``load_pretrained``.
        column: Name of the column of formulas.
        progress: Show a bar on a terminal.

    Returns:
        The table written.

    Raises:
        TableError: If the file cannot be read as CSV, lacks the column, or has one of the columns to be added.
    """
    bounds = [] if interval is None else [LOWER, UPPER]
    added = [ENERGY, *bounds, *([ENERGY_SD] if mc_samples else []), "status", "reason"]
    table = tables.read_text_csv(source, needs=(column,), reserves=added)
    predictor = load_pretrained(model)
    answers = predictor.predict(table[column], interval=interval, mc_samples=mc_samples, progress=progress)
    for name in added:
        table[name] = answers[name].to_numpy()
    tables.write_text_csv(destination, table)
    return table
