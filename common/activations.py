"""What a network makes of its inputs on the way: its layers by name, their activations, and a picture of those.

``common.networks`` names layers by place, ``stack2_block1_dense``, so that all studies of activations, and transfer,
can address them.

Reference:
    Figures 3.6 and 5.9 of the thesis; figure 6 of doi:10.1038/s41598-018-35934-y, figure 9 of
    doi:10.1038/s41467-019-13297-w
"""

import difflib
from dataclasses import dataclass

import keras
import numpy as np
from sklearn.decomposition import PCA

_ROUNDING = 1e-6  # of the largest activation: what spreads less is float32's rounding


def resolve_layer(model: keras.Model, name: str) -> keras.layers.Layer:
    """The layer of that name.

    Raises:
        ValueError: If the model has none; the message holds the closest names, the first and the last.
    """
    names = [layer.name for layer in model.layers]
    if name in names:
        return model.layers[names.index(name)]
    closest = difflib.get_close_matches(name, names, n=3)
    hint = f"; closest: {', '.join(closest)}" if closest else ""
    raise ValueError(f"Expected a layer of {model.name!r}, {names[0]!r} to {names[-1]!r}; received {name!r}{hint}.")


def hidden_layers(model: keras.Model) -> list[str]:
    """Names of the layers that give the hidden activations, from the input on."""
    return [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation) and layer.name not in model.output_names
    ]


def activations(model: keras.Model, x: np.ndarray, layer: str, *, batch_size: int = 4096) -> np.ndarray:
    """The outputs of a hidden layer, with dropout off.

    Networks of ``common.networks`` have each activation in a layer of its own: ``stack1_block1_activation`` gives the
    activations, ``stack1_block1_dense`` the linear outputs before the ReLU.

    Args:
        model: A functional model.
        x: ``(n, num_inputs)`` inputs, such as element fractions.
        layer: Name of a layer; ``hidden_layers`` lists those of the activations.
        batch_size: Rows computed at once; bounds the memory.

    Returns:
        ``(n, units)`` float32.

    Raises:
        ValueError: If the model has no layer of that name, or ``x`` another width than its inputs.
    """
    output = resolve_layer(model, layer).output  # (batch_size, units)
    x = np.asarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != model.input_shape[-1]:
        raise ValueError(f"Expected inputs of shape (n, {model.input_shape[-1]}); received {x.shape}.")
    # Not compiled: a study reads a few rows of many layers and networks, and would mostly compile.
    read = keras.Model(model.input, output)
    values = np.empty((len(x), output.shape[-1]), np.float32)
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        values[rows] = keras.ops.convert_to_numpy(read(x[rows], training=False))
    return values


@dataclass(frozen=True)
class PrincipalComponents:
    """Rows in the directions in which they differ most.

    Attributes:
        coordinates: ``(n, num_components)``, each column from 0 to 1; a direction in which no row differs is all 0.
        spread: ``(num_components,)`` what the columns were divided by: ``coordinates * spread`` keeps distances.
        explained_variance_ratio: ``(num_components,)`` share of the variance of all units.
    """

    coordinates: np.ndarray
    spread: np.ndarray
    explained_variance_ratio: np.ndarray


def principal_components(activations: np.ndarray, num_components: int = 2) -> PrincipalComponents:
    """The first principal components of activations, for a picture.

    Args:
        activations: ``(n, units)``.
        num_components: Number of components.

    Raises:
        ValueError: If there are fewer rows or units than components, or a value is not finite.
    """
    check_activations(activations)
    if not 1 <= num_components <= min(activations.shape):
        raise ValueError(
            f"Expected from 1 to {min(activations.shape)} components for {activations.shape[0]} rows of "
            f"{activations.shape[1]} units; received {num_components}."
        )
    if not np.ptp(activations, axis=0).any():  # no variance to take shares of
        return PrincipalComponents(np.zeros((len(activations), num_components)), *np.zeros((2, num_components)))
    # Both exact, each quick for its shape; in float32 the covariance of units with a large mean would be rounding.
    pca = PCA(num_components, svd_solver="covariance_eigh" if len(activations) > activations.shape[1] else "full")
    coordinates = pca.fit_transform(activations.astype(np.float64))  # (n, num_components)
    coordinates -= coordinates.min(axis=0)
    spread = coordinates.max(axis=0)
    spread[spread <= _ROUNDING * np.abs(activations).max()] = 0
    coordinates = np.divide(coordinates, spread, out=np.zeros_like(coordinates), where=spread > 0)
    return PrincipalComponents(coordinates, spread, pca.explained_variance_ratio_)


def check_activations(activations: np.ndarray) -> None:
    """Raise unless there are rows of units, all finite.

    Raises:
        ValueError: If there are no rows, or a value is not finite; the message names the first such row.
    """
    if activations.ndim != 2 or not activations.size:
        raise ValueError(f"Expected activations of shape (n, units) with rows; received {activations.shape}.")
    is_bad = ~np.isfinite(activations).all(axis=1)
    if is_bad.any():
        raise ValueError(
            f"Expected finite activations; received NaN or infinite in {is_bad.sum():,} of {len(is_bad):,} rows "
            f"(the first is row {np.argmax(is_bad)})."
        )
