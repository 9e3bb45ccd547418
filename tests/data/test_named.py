import pytest

from hypgeo.data import mammals, named


def test_named():
    assert named("mammals").labels == mammals().labels
    with pytest.raises(ValueError, match="no data set is called 'mamals'; there are mammals, wordnet_nouns,"):
        named("mamals")
