"""What tests a manifold: laws to run on one of your own, exact references, points where formulas break.

    from hypgeo.testing import check_laws
    check_laws(MyManifold(), coordinates=3)                        # isometries, triangles, exp and log, gradients

    from hypgeo.testing.reference import Reference, ulps
    want = Reference(PoincareBall())("logmap", x, y)               # exact, for the very floats of x and y
    ulps(my_logmap(x, y), want, x.dtype)

    from hypgeo.testing.patterns import look
    look(PoincareBall(), "logmap", n=10_000, dim=3, dtype=torch.float32)   # random bits: what goes wrong, in sentences

``laws`` needs torch only; import the others by name: ``reference``, ``samples``, ``measure``, ``multifloat``
and ``patterns`` need mpmath (and are ten times as quick with gmpy2), ``strategies`` needs hypothesis.
"""

from hypgeo.testing.laws import LAWS as LAWS
from hypgeo.testing.laws import Sample as Sample
from hypgeo.testing.laws import check_laws as check_laws
