"""What tests a manifold: laws to run on one of your own, mpmath references, hypothesis strategies.

``laws`` needs torch only; ``reference`` needs mpmath and ``strategies`` needs hypothesis, so import them by name.
"""

from hypgeo.testing.laws import LAWS as LAWS
from hypgeo.testing.laws import Sample as Sample
from hypgeo.testing.laws import check_laws as check_laws
