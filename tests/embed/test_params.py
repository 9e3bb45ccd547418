"""scikit-learn's conventions, without scikit-learn."""

import inspect

import numpy as np
import pytest

from hypgeo import TreeEmbedder


def test_parameters_are_stored_as_given_and_can_be_changed() -> None:
    embedder = TreeEmbedder(dim=3, distortion=0.5)
    copy = type(embedder)(**embedder.get_params())
    assert copy.get_params() == embedder.get_params() and set(copy.get_params()) == set(
        inspect.signature(TreeEmbedder).parameters
    )
    assert copy.set_params(dim=2) is copy and copy.dim == 2 and embedder.dim == 3
    assert repr(copy) == "TreeEmbedder(distortion=0.5)"
    with pytest.raises(ValueError, match="has no parameter 'dimension'; it has dim, distortion"):
        copy.set_params(dimension=2)


def test_fit_transform_follows_the_order_of_the_graph() -> None:
    edges = [("c", "a"), ("a", "b"), ("d", "a")]
    embedder = TreeEmbedder(distortion=1)
    points = embedder.fit_transform(edges)
    embedding = embedder.embedding_
    assert embedder.graph_.labels == ["c", "a", "b", "d"]
    ball = dict(zip(embedding.labels, embedding.to_numpy(), strict=True))
    assert np.array_equal(points, np.array([ball[label] for label in "cabd"]))
