"""The isometries between models against exact results: values and gradients, from the origin to the rim and beyond."""

import random

import pytest
import torch

from hypgeo.manifolds import HalfSpace, Klein, Lorentz, PoincareBall
from hypgeo.ops import convert as ops
from hypgeo.testing.reference import Reference, exact, precision, ulps

COMPILED = "cpu" in ops.ball_to_lorentz.devices
VALUE, GRADIENT = (4, 8) if COMPILED else (1e3, 1e7)
DTYPES = (torch.float32, torch.float64)
MODELS = {"ball": PoincareBall, "lorentz": Lorentz, "half": HalfSpace, "klein": Klein}
NAMES = [f"{a}_to_{b}" for a in MODELS for b in MODELS if a != b]
RADII = (1e-20, 1e-7, 1e-3, 0.5, 3.0, 8.0, 13.0, 17.0, 24.0, 35.0) + ((60.0, 150.0, 300.0) if COMPILED else ())


def ends(name, c):
    source, target = name.split("_to_")
    return MODELS[source](curvature=-c), MODELS[target](curvature=-c)


def points(space, radius, dim, dtype, n, seed):
    """Floats of the model near a normalised radius, without time on the hyperboloid; none where the dtype has none."""
    draw, reference, rows = random.Random(repr(seed)), Reference(space), []
    for _ in range(n):
        u = [draw.gauss(0, 1) for _ in range(dim)]
        with precision(2000):
            size = sum(t * t for t in exact(u)) ** 0.5
            row = torch.tensor([float(t) for t in reference.at(radius, [t / size for t in exact(u)])]).double()
        if row.to(dtype).isfinite().all() and reference.valid(exact(row.to(dtype))):
            rows.append(row.to(dtype))
    return rows


def truth(name, c, x, grad):
    """The exact image of x, and the derivatives of <grad, image> in x and in c."""
    a, b = (Reference(m) for m in ends(name, c))
    with precision(6000):
        (c,) = exact([c])
        image = b.chart.drop(a.chart.lift(x))
        slopes = []
        for i in range(len(x)):
            step = max(abs(x[i]), x[i] * 0 + 1e-200) * exact([2.0**-1000])[0]
            moved = [b.chart.drop(a.chart.lift([*x[:i], x[i] + s, *x[i + 1 :]])) for s in (step, -step)]
            slopes.append(sum(g * (u - v) for g, u, v in zip(grad, *moved, strict=True)) / (2 * step))
        # lengths scale with c^(-1/2) in all models but the half-space, so f_c(x) = f_1(sqrt(c) x) / sqrt(c)
        slope_c = 0 * c
        if not name.startswith("half"):
            slope_c += sum(s * t for s, t in zip(slopes, x, strict=True))
        if not name.endswith("half"):
            slope_c -= sum(g * t for g, t in zip(grad, image, strict=True))
        return image, slopes, slope_c / (2 * c)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name, dtype):
    skip = int(name.startswith("lorentz"))
    seen = 0
    for k, radius in enumerate(RADII):
        c = float(torch.tensor((1.0, 0.3, 1e-6, 1e3)[k % 4], dtype=dtype))
        source, target = ends(name, c)
        for x in points(source, radius, (3, 2, 1, 5)[(k // 2) % 4], dtype, 2, (name, radius)):
            row = torch.cat((torch.full((skip,), 9.0, dtype=dtype), x)).requires_grad_()  # time is not read
            number = torch.tensor(c, dtype=torch.float64, requires_grad=True)
            image = getattr(ops, name)(row, number)
            seed = torch.linspace(1.0, -0.7, len(image), dtype=torch.float64).to(dtype)
            by_row, by_c = torch.autograd.grad(image, (row, number), seed)
            want, slopes, slope_c = truth(name, c, exact(x), exact(seed))
            assert ulps(image, want, dtype) <= VALUE, (radius, row, image)
            if name.endswith("half"):
                assert ulps(image[-1:], want[-1:], dtype) <= VALUE, (radius, row, image)
            assert Reference(target).valid(exact(image[int(name.endswith("lorentz")) :]))
            if max(abs(float(s)) for s in slopes) < torch.finfo(dtype).max:
                assert ulps(by_row[skip:], slopes, dtype) <= GRADIENT, (radius, row)
            assert ulps(by_c, [slope_c], dtype) <= GRADIENT, (radius, row)
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_the_origin_is_exact(name, dtype):
    source, target = (m.split("_")[0] for m in (name, name[name.index("_to_") + 4 :]))
    origin = {"ball": [0.0, 0.0], "klein": [0.0, 0.0], "half": [0.0, 1.0], "lorentz": [0.5, 0.0, 0.0]}
    x = torch.tensor(origin[source], dtype=dtype)
    assert getattr(ops, name)(x, 4.0).tolist() == origin[target]


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_both_orders(name):
    c = torch.tensor([0.6, 1.7], dtype=torch.float64, requires_grad=True)
    source, _ = ends(name, 0.5)
    x = torch.stack(points(source, 1.3, 3, torch.float64, 2, name)) / 2
    if name.startswith("half"):
        x = x.abs()
    f = getattr(ops, name)
    if name.startswith("lorentz"):
        x, g = x.requires_grad_(), f
        f = lambda x, c: g(torch.cat((torch.ones_like(x[:, :1]), x), -1), c)  # noqa: E731
    assert torch.autograd.gradcheck(f, (x.requires_grad_(), c), atol=1e-6)
    assert torch.autograd.gradgradcheck(f, (x, c), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_shapes(name):
    """Broadcasting c, strides, empty batches and narrow dtypes."""
    source, _ = ends(name, 0.5)
    rows = points(source, 1.3, 3, torch.float64, 6, name)
    time = [1.0] if name.startswith("lorentz") else []
    x = torch.stack([torch.cat((torch.tensor(time, dtype=torch.float64), r)) for r in rows]) / 2
    f, c = getattr(ops, name), torch.linspace(0.1, 0.5, 6, dtype=torch.float64)
    want = torch.stack([f(x[i], float(c[i])) for i in range(6)])
    assert torch.equal(f(x, c), want) and torch.equal(f(x.mT.contiguous().mT, c), want)
    assert torch.equal(f(x.reshape(2, 3, -1), c[:3])[0], want[:3])
    assert torch.equal(f(x[:1], c)[0], want[0]) and f(x[:1], c).shape == want.shape
    assert f(x[:0], 0.5).shape == want[:0].shape
    assert f(x.to(torch.bfloat16), 0.1).dtype == torch.bfloat16
    if COMPILED:
        torch.library.opcheck(getattr(torch.ops.hypgeo, name).default, ([x], None, torch.tensor(0.1).double()))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ("lorentz_to_ball", "lorentz_to_klein", "half_to_ball", "half_to_klein"))
def test_what_lies_beyond_the_rim_lands_inside(name, dtype):
    """In every direction and dimension, a radius with no float: inside, and within four ulps of the exact point."""
    for c in (1.0, 0.3, 7.0):
        source, target = ends(name, float(torch.tensor(c, dtype=dtype)))
        for dim in (1, 2, 40):
            for x in points(source, 80.0 if dtype == torch.float64 else 40.0, dim, dtype, 10, (name, c, dim)):
                time = x.new_ones(1 if name.startswith("lorentz") else 0)
                image = getattr(ops, name)(torch.cat((time, x)), source.c)
                want = Reference(source).convert(x.tolist(), Reference(target))
                assert Reference(target).valid(exact(image)) and ulps(image, want, dtype) <= 4
