import hashlib
from importlib.resources import files

import pytest

from hypgeo.data import make_mammals, mammals

# lines of data.noun and index.noun, cut to what the naming and the walk depend on
DATA = """\
  1 This software and database is being provided to you, the LICENSEE, by
00000100 05 n 01 Mammal 0 002 @ 00000050 n 0000 ~ 00000200 n 0000 | warm-blooded
00000050 05 n 02 animal 0 beast 1 001 ~ 00000100 n 0000 | a living organism
00000200 05 n 02 seal 2 pinniped 0 002 @ 00000100 n 0000 + 00000999 v 0101 | a swimmer | with a bar
00000300 05 n 01 seal 0 001 @ 00000900 n 0000 | what closes a letter
00000400 05 n 01 grey_seal 0 002 @ 00000200 n 0000 @ 00000500 n 0000 | two parents
00000500 05 n 01 swimmer 0 001 @i 00000100 n 0000 | an instance
00000900 06 n 01 thing 0 000 | not a mammal
""".splitlines()
INDEX = """\
  1 This software and database is being provided to you, the LICENSEE, by
mammal n 1 1 @ 1 1 00000100
animal n 1 1 ~ 1 1 00000050
beast n 1 1 ~ 1 1 00000050
seal n 2 2 @ ~ 2 1 00000300 00000200
grey_seal n 1 1 @ 1 0 00000400
swimmer n 1 1 @ 1 0 00000500
thing n 1 0 1 0 00000900
""".splitlines()


def test_script_reads_wordnet_s_format():
    assert make_mammals.below(DATA, INDEX, "mammal.n.01") == [
        ("grey_seal.n.01", "seal.n.02"),
        ("grey_seal.n.01", "swimmer.n.01"),
        ("seal.n.02", "mammal.n.01"),
        ("swimmer.n.01", "mammal.n.01"),
    ]
    with pytest.raises(ValueError, match=r"no synset 'fish.n.01'"):
        make_mammals.below(DATA, INDEX, "fish.n.01")


def test_script_writes_the_notice_and_the_links(tmp_path):
    for name, lines in (("data.noun", DATA), ("index.noun", INDEX)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    make_mammals.main(str(tmp_path), str(tmp_path / "out.tsv"))
    text = (tmp_path / "out.tsv").read_text()
    assert text.startswith("# ") and "Princeton University" in text
    assert text.endswith("seal.n.02\tmammal.n.01\nswimmer.n.01\tmammal.n.01\n")


def test_shipped_file_is_what_the_script_made():
    data = (files("hypgeo.data") / "mammals.tsv").read_bytes()
    assert hashlib.sha256(data).hexdigest() == "0d099ebf07babe4923a42d45826b9702334eef687ca54f9fc7b675bf48613a6e"
    licence = (files("hypgeo.data") / "LICENSE-WordNet").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence


def test_mammals():
    graph = mammals()
    assert (graph.n, graph.m, graph.components()[0], graph.is_tree) == (1182, 1182, 1, False)
    elephant = graph.index("elephant.n.01")
    near = {graph.labels[v] for pair in graph.edges.tolist() if elephant in pair for v in pair} - {"elephant.n.01"}
    assert {"proboscidean.n.01", "pachyderm.n.01"} <= near
