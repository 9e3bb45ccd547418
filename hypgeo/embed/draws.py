"""Random numbers that depend on their place alone, so that a run can be taken up anywhere.

A number is SplitMix64's output function of a key and a counter: no state is carried from one to the next (G. L. Steele,
D. Lea, C. H. Flood. Fast splittable pseudorandom number generators. OOPSLA 2014, figure 17).  The key is made of the
seed, what the numbers are for, and the epoch.  csrc/learn/draws.h makes the same numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

ORDER, NEGATIVES, START = range(3)  # what numbers are for
_GAMMA = 0x9E3779B97F4A7C15


def _mix(z: Words) -> Words:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def words(key: int, first: int, count: int) -> Words:
    """The numbers of a key at places first, ..., first + count - 1: uint64."""
    place = np.arange(first + 1, first + count + 1, dtype=np.uint64)
    return _mix(np.uint64(key) + place * np.uint64(_GAMMA))


def key(seed: int, use: int, epoch: int = 0) -> int:
    """The key of an epoch's numbers of one use."""
    made = np.array([seed % 2**64], dtype=np.uint64)
    for part in (use, epoch):
        made = _mix(_mix(made) + np.uint64((part + 1) * _GAMMA % 2**64))
    return int(made[0])


def order(key: int, m: int) -> Ints:
    """A permutation of 0, ..., m - 1."""
    return np.argsort(words(key, 0, m), kind="stable")


def uniform(key: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Numbers in (-1, 1), odd multiples of 2^-53."""
    count = int(np.prod(shape))
    return ((words(key, 0, count) >> np.uint64(11)).astype(np.float64) * 2**-52 - (1 - 2**-53)).reshape(shape)


class Others:
    """For each node the nodes that may be drawn against it, as the gaps between those that may not.

    Of the increasing e_0, e_1, ... that are excluded, `kept` holds e_j - j: the r-th node that is not excluded is r
    plus the number of j with e_j - j <= r.

    indptr, indices: compressed rows of what is excluded, increasing in each row, of n nodes in all.
    """

    def __init__(self, n: int, indptr: Ints, indices: Ints) -> None:
        self.n, self.indptr = n, indptr
        row = np.repeat(np.arange(n), np.diff(indptr))
        self.kept: Ints = indices - (np.arange(len(indices)) - indptr[row])
        self._ranked = self.kept + row * (n + 1)  # one increasing sequence over all rows

    @property
    def count(self) -> Ints:
        """(n,) how many nodes may be drawn against each."""
        return self.n - np.diff(self.indptr)

    def draw(self, key: int, first: int, u: Ints, negatives: int) -> Ints:
        """(len(u), negatives) nodes, even and independent, against nodes u at places first, first + 1, ... ."""
        word = words(key, first * negatives, len(u) * negatives).reshape(len(u), negatives)
        room = self.count[u].astype(np.uint64)[:, None]
        r = ((word >> np.uint64(32)) * room >> np.uint64(32)).astype(np.int64)  # biased by less than n/2^32
        below = np.searchsorted(self._ranked, r + (u * (self.n + 1))[:, None], side="right")
        drawn: Ints = r + below - self.indptr[u][:, None]
        return drawn
