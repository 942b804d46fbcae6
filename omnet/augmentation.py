"""Patterns made while a network trains on them: simulated on the fly, then degraded as a camera would."""

import keras
import numpy as np
from keras import ops
from scipy.ndimage import gaussian_filter1d

from omnet.background import BACKGROUND_STD_SHARE
from omnet.config import Augmentation
from omnet.noise import coloured_noise
from omnet.simulator import Simulator

NUM_COLUMNS = 7  # of a row: quaternion, projection centre
NUM_NOISE_MAPS = 3_000


class SimulatedPatterns(keras.Layer):
    """Orientations in, patterns out, degraded in training only.

    A row is 28 bytes where a stored pattern of 60 x 60 has 3,600, and no two rounds show a network the same noise.

    Args:
        simulator: Master pattern and detector.
        augmentation: Strength of high-pass, gain, background and noises; the projection centres come with the rows.
        seed: Seed of all of them.

    Input shape:
        ``(batch_size, 7)``: unit quaternion, projection centre
    Output shape:
        ``(batch_size, rows, columns)``, mean 0 and standard deviation 1 before degradation
    """

    def __init__(self, simulator: Simulator, augmentation: Augmentation, seed: int = 0, **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.simulator, self.augmentation = simulator, augmentation
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.smooth_maps = _smooth_maps(simulator.detector.shape)
        self.blur_rows, self.blur_columns = _blur_matrices(simulator.detector.shape)
        self.noise_maps = None
        if augmentation.coloured_noise_sd_max:
            maps = coloured_noise(NUM_NOISE_MAPS, simulator.detector.shape, np.random.default_rng(seed))
            self.noise_maps = maps.reshape(NUM_NOISE_MAPS, -1)

    def call(self, rows, training=False):
        quaternions, pc = rows[:, :4], rows[:, 4:]
        if self.augmentation.pc_sd:
            patterns = self.simulator.patterns_of_each_pc(quaternions, pc)
        else:
            patterns = self.simulator.patterns_of_one_pc(quaternions)
        patterns = standardised(ops.stop_gradient(patterns))  # (batch_size, rows * columns)
        if training:
            patterns = self._degraded(patterns)
        return ops.reshape(patterns, (-1, *self.simulator.detector.shape))

    def _degraded(self, patterns):
        strength, num = self.augmentation, ops.shape(patterns)[0]
        if strength.high_pass_max:
            shares = keras.random.uniform((num, 1), 0, strength.high_pass_max, seed=self.seed_generator)
            patterns = standardised(patterns - shares * self._blurred(patterns))
        for sd, degrade in ((strength.gain_sd, _with_gain), (strength.background_sd, ops.add)):
            if sd:
                coefficients = keras.random.normal((num, len(self.smooth_maps)), 0, sd, seed=self.seed_generator)
                patterns = degrade(patterns, ops.matmul(coefficients, ops.convert_to_tensor(self.smooth_maps)))
        if self.noise_maps is not None:
            patterns = patterns + self._coloured_noise(num)
        if strength.noise_sd_max:
            uniform = keras.random.uniform((num, 1), seed=self.seed_generator)
            sds = strength.noise_sd_max * uniform**3
            patterns = patterns + sds * keras.random.normal(ops.shape(patterns), seed=self.seed_generator)
        return patterns

    def _coloured_noise(self, num):
        """Maps of the bank, of either sign and a strength of their own."""
        largest = self.augmentation.coloured_noise_sd_max
        rows = keras.random.randint((num,), 0, len(self.noise_maps), seed=self.seed_generator)
        amplitudes = keras.random.uniform((num, 1), -largest, largest, seed=self.seed_generator)
        return amplitudes * ops.take(ops.convert_to_tensor(self.noise_maps), rows, axis=0)

    def _blurred(self, patterns):
        images = ops.reshape(patterns, (-1, *self.simulator.detector.shape))
        blurred = ops.matmul(ops.matmul(self.blur_rows, images), self.blur_columns)
        return ops.reshape(blurred, ops.shape(patterns))


def standardised(patterns):
    """``(n, pixels)`` tensors, each of mean 0 and standard deviation 1."""
    centred = patterns - ops.mean(patterns, axis=1, keepdims=True)
    return centred * ops.rsqrt(ops.mean(ops.square(centred), axis=1, keepdims=True) + 1e-6)


def _with_gain(patterns, departure):
    return patterns * (1 + departure)


def _smooth_maps(shape: tuple[int, int]) -> np.ndarray:
    """Gradients and curvatures, ``(5, rows * columns)``, each of mean 0 and standard deviation 1."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    maps = np.stack([x, y, x * x, y * y, x * y]).reshape(5, -1)
    maps -= maps.mean(axis=1, keepdims=True)
    return (maps / maps.std(axis=1, keepdims=True)).astype(np.float32)


def _blur_matrices(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The blur of ``background.remove_dynamic_background`` as products: from the left, and from the right."""
    std_px = BACKGROUND_STD_SHARE * shape[1]
    left, right = (gaussian_filter1d(np.eye(length), std_px, axis=0) for length in shape)
    return left.astype(np.float32), right.T.astype(np.float32)


def training_model(network: keras.Model, simulator: Simulator, augmentation: Augmentation, seed: int) -> keras.Model:
    """A network behind the patterns it trains on: orientations in, its outputs out."""
    rows = keras.Input((NUM_COLUMNS,), name="orientation_and_pc")
    patterns = SimulatedPatterns(simulator, augmentation, seed, name="simulated_patterns")(rows)
    return keras.Model(rows, network(patterns), name=f"{network.name}_training")
