"""Multi-component floats as a tensor subclass: :class:`MCTensor`, and its files."""

from hypgeo.mctensor import aten as _aten
from hypgeo.mctensor import derivatives as _derivatives
from hypgeo.mctensor.files import load as load
from hypgeo.mctensor.files import save as save
from hypgeo.mctensor.rows import MCRows as MCRows
from hypgeo.mctensor.tensor import MCTensor as MCTensor

assert _aten and _derivatives  # they register what they define
