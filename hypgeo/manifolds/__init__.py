"""Manifolds: one class per space, all with geoopt's vocabulary."""

from hypgeo.manifolds.base import ConvergenceWarning as ConvergenceWarning
from hypgeo.manifolds.base import Manifold as Manifold
from hypgeo.manifolds.convert import Klein as Klein
from hypgeo.manifolds.convert import convert as convert
from hypgeo.manifolds.euclidean import Euclidean as Euclidean
from hypgeo.manifolds.halfspace import HalfSpace as HalfSpace
from hypgeo.manifolds.htiling import HTiling as HTiling
from hypgeo.manifolds.lorentz import Lorentz as Lorentz
from hypgeo.manifolds.ltiling import LTiling as LTiling
from hypgeo.manifolds.mchalfspace import MCHalfSpace as MCHalfSpace
from hypgeo.manifolds.poincare_ball import PoincareBall as PoincareBall
from hypgeo.manifolds.tree import HalfSpaceTree as HalfSpaceTree
