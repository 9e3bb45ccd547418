"""What an embedding keeps of its graph, measured exactly."""

from hypgeo.metrics.distortion import Distortion as Distortion
from hypgeo.metrics.distortion import distortion as distortion
from hypgeo.metrics.hyperbolicity import delta_hyperbolicity as delta_hyperbolicity
from hypgeo.metrics.pairs import Reconstruction as Reconstruction
from hypgeo.metrics.pairs import reconstruction as reconstruction
from hypgeo.metrics.ranks import mean_average_precision as mean_average_precision
from hypgeo.metrics.ranks import mean_rank as mean_rank
from hypgeo.metrics.ranks import node_ranks as node_ranks
