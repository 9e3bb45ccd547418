"""The manifolds under the common tests: a new one adds its line."""

from collections.abc import Callable

from hypgeo.manifolds import Euclidean, HalfSpace, Lorentz, Manifold, PoincareBall

# name -> (constructor, coordinates of a 3-dimensional point)
MANIFOLDS: dict[str, tuple[Callable[[], Manifold], int]] = {
    "ball": (PoincareBall, 3),
    "ball, K=-0.3": (lambda: PoincareBall(curvature=-0.3), 3),
    "ball, learnable": (lambda: PoincareBall(curvature=-4.0, learnable=True), 3),
    "hyperboloid": (Lorentz, 4),
    "hyperboloid, K=-2.5": (lambda: Lorentz(curvature=-2.5), 4),
    "half-space": (HalfSpace, 3),
    "half-space, K=-0.3": (lambda: HalfSpace(curvature=-0.3), 3),
    "flat": (Euclidean, 3),
}
