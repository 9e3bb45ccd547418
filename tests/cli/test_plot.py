def test_picture_and_page(run, tree, tmp_path):
    run("embed", tree, "-o", "x.safetensors")
    for name, start in (("x.png", b"\x89PNG"), ("x.svg", b"<?xml"), ("x.html", b"<!")):
        ended = run("plot", "x.safetensors", "-o", name)
        assert (ended.code, ended.out) == (0, "")
        assert ended.err.endswith(f"wrote {name}.\n")
        assert (tmp_path / name).read_bytes()[:9].lower().startswith(start.lower())


def test_refused(run, refused, tree):
    run("embed", tree, "-o", "x.safetensors")
    assert "names no kind of picture" in refused("plot", "x.safetensors", "-o", "x.doc")
    assert "there is no folder" in refused("plot", "x.safetensors", "-o", "no/x.png")
    assert "there is no file" in refused("plot", "nowhere", "-o", "x.png")
    assert "no safetensors file" in refused("plot", tree, "-o", "x.png")
