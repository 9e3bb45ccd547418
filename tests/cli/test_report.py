import json

from hypgeo.cli.report import report

ROWS = {
    "MAP": 0.99644123,
    "edges set aside": [["a", "b"]] * 9,
    "native": True,
    "n": 74374,
    "none": None,
    "x": {"cpu": []},
}


def test_table(capsys):
    report(ROWS, as_json=False)
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {name: value.strip() for name, value in lines.items()} == {
        "MAP": "0.996441",
        "edges set aside": ", ".join(["a - b"] * 8) + " and 1 more",
        "native": "yes",
        "n": "74,374",
        "none": "-",
        "x": "cpu -",
    }


def test_json(capsys):
    report(ROWS, as_json=True)
    assert json.loads(capsys.readouterr().out) == {name.replace(" ", "_"): value for name, value in ROWS.items()}
