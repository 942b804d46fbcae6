import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padnet.envelope import lower_envelope, remove_envelope

POINTS = np.arange(931.0)


def peaks(*centres: float, width: float = 6.0, height: float = 100.0) -> np.ndarray:
    return sum(height * np.exp(-(((POINTS - centre) / width) ** 2)) for centre in centres)


def test_a_smooth_background_under_known_peaks_is_found():
    background = 40 + 30 * np.exp(-POINTS / 300) + 10 * np.sin(POINTS / 150)
    pattern = background + peaks(200, 350, 500, 700) + 0.5 * np.sin(POINTS)  # ripples, so that there are minima
    found = lower_envelope(pattern[None])[0]
    assert np.abs(found - background)[20:-20].max() < 2.0
    np.testing.assert_allclose(remove_envelope(pattern[None])[0][[200, 350, 500, 700]], 100, atol=2.5)


def test_a_straight_line_is_all_background():
    np.testing.assert_allclose(remove_envelope((3 + 0.2 * POINTS)[None]), 0, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 60), offset=st.floats(-50, 50))
def test_it_is_never_above_the_pattern_and_moves_with_it(seed, width, offset):
    pattern = np.random.default_rng(seed).poisson(20, (2, 200)).astype(float)
    found = lower_envelope(pattern, width)
    assert (found <= pattern).all()
    np.testing.assert_allclose(lower_envelope(pattern + offset, width), found + offset, atol=1e-9)


@pytest.mark.parametrize(
    ("patterns", "width", "message"),
    [
        (np.ones(10), None, r"received \(10,\)"),
        (np.full((3, 10), np.nan), None, "NaN or infinity in 3 patterns"),
        (np.ones((2, 10)), 0, "received 0"),
    ],
)
def test_bad_input_is_refused(patterns, width, message):
    with pytest.raises(ValueError, match=message):
        lower_envelope(patterns, width)
