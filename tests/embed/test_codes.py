"""Spherical codes: unit vectors, the pole first, and angles that are no smaller than stated."""

import math

import numpy as np
import pytest

from hypgeo.embed.codes import spherical_code

COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 24, 100, 1000]


def least_angle(code: np.ndarray) -> float:
    """From the sides of rhombi, which tell small angles, and angles near pi, where cosines do not."""
    angles = 2 * np.arctan2(*(np.linalg.norm(code[:, None] + sign * code[None], axis=2) for sign in (-1, 1)))
    np.fill_diagonal(angles, math.pi)
    return float(angles.min())


@pytest.mark.parametrize("dim", [2, 3, 4, 6, 12, 40])
def test_codes_keep_the_angle_they_state(dim: int) -> None:
    for count in COUNTS:
        code, angle = spherical_code(count, dim)
        assert code.shape == (count, dim)
        assert np.abs(np.linalg.norm(code, axis=1) - 1).max() < 1e-15 * dim
        assert np.abs(code[0] - np.eye(dim)[-1]).max() < 1e-15
        if count > 1:
            rounding = 1e-14 if dim == 2 or count <= 2 * dim else 0  # known angles are stated as they are
            assert 0 < angle <= least_angle(code) + rounding


@pytest.mark.parametrize("dim", [2, 3, 4, 9])
def test_small_codes_are_the_best_there_are(dim: int) -> None:
    for count in range(2, dim + 2):  # the simplex: all cosines -1/(count - 1), less is impossible
        best = 2 * math.pi / count if dim == 2 else math.acos(-1 / (count - 1))
        assert spherical_code(count, dim)[1] == pytest.approx(best, rel=1e-12)
    for count in range(dim + 2, 2 * dim + 1):  # Rankin: more than dim + 1 points never keep more than a right angle
        assert spherical_code(count, dim)[1] == pytest.approx(math.pi / 2 if dim > 2 else 2 * math.pi / count)


@pytest.mark.parametrize("dim", [3, 4, 5])
def test_separation_falls_no_faster_than_it_must(dim: int) -> None:
    """Caps of half the angle cannot overlap, so angle^(dim-1) times count is bounded; ours loses at most a constant."""
    constant = [spherical_code(count, dim)[1] ** (dim - 1) * count for count in (100, 1_000, 10_000, 100_000)]
    assert max(constant) < 2.5 * min(constant)
    assert constant[-1] > {3: 10, 4: 18, 5: 22}[dim]


def test_codes_grow_with_the_dimension() -> None:
    angles = [spherical_code(50, dim)[1] for dim in (2, 3, 4, 6, 10, 20)]
    assert angles == sorted(angles) and angles[0] < angles[-1]
