"""Riemannian optimisers: geoopt's, which take this library's manifolds (tested here)."""

from geoopt.optim import RiemannianAdam as RiemannianAdam
from geoopt.optim import RiemannianSGD as RiemannianSGD
from geoopt.optim import SparseRiemannianAdam as SparseRiemannianAdam
from geoopt.optim import SparseRiemannianSGD as SparseRiemannianSGD
