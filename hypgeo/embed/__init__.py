"""Embedders: scikit-learn's fit and fit_transform on graphs."""

from hypgeo.embed.codes import spherical_code as spherical_code
from hypgeo.embed.learned import LearnedEmbedder as LearnedEmbedder
from hypgeo.embed.tree import TreeEmbedder as TreeEmbedder
