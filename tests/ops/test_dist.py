"""dist on ball and hyperboloid against mpmath on the exact values of the floats, and against every use of autograd."""

import math
from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from hypgeo.ops import lorentz, poincare

mpmath.mp.prec = 2200  # radius 350 squares to 2^1010
VALUE_ULP, GRAD_ULP = 4, 8
MODELS = {"ball": poincare.dist, "lorentz": lorentz.dist}
DTYPES = [torch.float32, torch.float64]
DEVICES = ["cpu", *["cuda"] * torch.cuda.is_available()]

Vector = list[mpmath.mpf]


def exact(row: Tensor) -> Vector:
    return [mpmath.mpf(v) for v in row.double().tolist()]


def dot(a: Vector, b: Vector) -> mpmath.mpf:
    return mpmath.fsum(u * v for u, v in zip(a, b, strict=True))


def ulp(size: mpmath.mpf, dtype: torch.dtype) -> mpmath.mpf:
    digits, smallest = (24, -149) if dtype is torch.float32 else (53, -1074)
    return mpmath.mpf(2) ** max(int(mpmath.floor(mpmath.log(size, 2))) - digits + 1, smallest)


def lift(x: Vector, c: mpmath.mpf) -> Vector:
    return [mpmath.sqrt(1 / c + dot(x, x)), *x]


def minkowski(a: Vector, b: Vector) -> mpmath.mpf:
    return dot(a[1:], b[1:]) - a[0] * b[0]


def ball_dist(x: Vector, y: Vector, c: mpmath.mpf) -> mpmath.mpf:
    w = [b - a for a, b in zip(x, y, strict=True)]
    gaps = (1 - c * dot(x, x)) * (1 - c * dot(y, y))
    return 2 / mpmath.sqrt(c) * mpmath.asinh(mpmath.sqrt(c * dot(w, w) / gaps))


def ball_grad(x: Vector, y: Vector, c: mpmath.mpf) -> Vector:
    w = [b - a for a, b in zip(x, y, strict=True)]
    a, b, ww = 1 - c * dot(x, x), 1 - c * dot(y, y), dot(w, w)
    m = mpmath.sqrt(ww / (a * b))
    slope = 2 / (mpmath.sqrt(1 + c * m * m) * mpmath.sqrt(ww * a * b))
    return [slope * (c * ww / a * p - q) for p, q in zip(x, w, strict=True)]


def lorentz_dist(x: Vector, y: Vector, c: mpmath.mpf) -> mpmath.mpf:
    chord = [b - a for a, b in zip(lift(x, c), lift(y, c), strict=True)]
    return 2 / mpmath.sqrt(c) * mpmath.asinh(mpmath.sqrt(c * minkowski(chord, chord)) / 2)


def lorentz_grad(x: Vector, y: Vector, c: mpmath.mpf) -> Vector:
    """The Riemannian gradient -log_x(y)/dist as an ambient vector."""
    u, v = lift(x, c), lift(y, c)
    k = c * minkowski(u, v)
    away = [q + k * p for p, q in zip(u, v, strict=True)]
    size = mpmath.sqrt(minkowski(away, away))
    return [-a / size for a in away]


def projected(x: Vector, grad: Vector, c: mpmath.mpf) -> Vector:
    """An ambient Euclidean gradient made Riemannian, exactly."""
    u, h = lift(x, c), [-grad[0], *grad[1:]]
    k = c * minkowski(u, h)
    return [p + k * q for p, q in zip(h, u, strict=True)]


def ball_point(radius: float, direction: np.ndarray, c: float) -> np.ndarray:
    return np.tanh(radius / 2) / math.sqrt(c) * direction


def lorentz_point(radius: float, direction: np.ndarray, c: float) -> np.ndarray:
    return np.sinh(radius) / math.sqrt(c) * direction


def samples(model: str, dtype: torch.dtype, c: float, d: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of rows a naive formula loses: floats apart, on one ray, opposite, far, near the origin, and plain ones.

    Lorentz rows are spatial.  Radii are those the dtype can hold in the model.
    """
    rng = np.random.default_rng(7)
    point = ball_point if model == "ball" else lorentz_point
    most = {("ball", torch.float32): 14, ("ball", torch.float64): 34}.get((model, dtype), 30)
    # A tangential gradient of near points leaves the floats once eps e^(2 radius) reaches 1 / eps (see the docstring).
    most_near = {("lorentz", torch.float32): 7, ("lorentz", torch.float64): 15}.get((model, dtype), most)

    def unit() -> np.ndarray:
        u = rng.normal(size=d)
        return u / np.linalg.norm(u)

    def row(p: np.ndarray) -> Tensor:
        return torch.tensor(p, dtype=dtype)

    for r in (1e-20, 1e-6, 0.5, 3.0, most / 2, most):
        u = unit()
        x = row(point(r, u, c))
        yield x, row(point(r * rng.uniform(0.3, 1), unit(), c))
        yield x, row(point(r / 2, u, c))
        yield x, -x
        yield x, torch.zeros(d, dtype=dtype)
        if r <= most_near:
            yield x, torch.nextafter(x, torch.full_like(x, math.inf) * x.new_tensor(rng.choice((-1, 1), size=d)))
            yield x, row(point(r, u, c) * (1 - 1e-3 * math.exp(-r)))


def inside(model: str, rows: tuple[Tensor, ...], c: float) -> bool:
    return model == "lorentz" or all(mpmath.mpf(c) * dot(exact(p), exact(p)) < 1 for p in rows)


def tensor_row(model: str, spatial: Tensor, c: float) -> Tensor:
    """The row a caller holds: with the rounded time in front on the hyperboloid."""
    if model == "ball":
        return spatial.clone()
    return torch.cat([spatial.new_tensor([float(lift(exact(spatial), mpmath.mpf(c))[0])]), spatial])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("c", [1.0, 0.3, 1e-6, 1e3])
def test_value_and_gradients_are_within_their_bounds(model: str, dtype: torch.dtype, c: float) -> None:
    c = float(torch.tensor(c, dtype=dtype))
    k = mpmath.mpf(c)
    value, gradient = (ball_dist, ball_grad) if model == "ball" else (lorentz_dist, lorentz_grad)
    seen = 0
    for d in (2, 5, 33):
        for p, q in samples(model, dtype, c, d):
            if not inside(model, (p, q), c) or torch.equal(p, q):
                continue
            x, y = (tensor_row(model, t, c).requires_grad_() for t in (p, q))
            got = MODELS[model](x, y, c)
            true = value(exact(p), exact(q), k)
            assert abs(mpmath.mpf(got.item()) - true) <= VALUE_ULP * ulp(true, dtype), (d, p, q)
            for here, there, grad in zip((p, q), (q, p), torch.autograd.grad(got, (x, y)), strict=True):
                g = exact(grad) if model == "ball" else projected(exact(here), exact(grad), k)
                want = gradient(exact(here), exact(there), k)
                size = mpmath.sqrt(dot(want, want))
                off = mpmath.sqrt(mpmath.fsum((a - b) ** 2 for a, b in zip(g, want, strict=True)))
                assert off <= GRAD_ULP * ulp(size, dtype), (d, here, there, float(off / ulp(size, dtype)))
            seen += 1
    assert seen >= 60


@pytest.mark.parametrize("radius", [20.0, 35.0, 60.0, 171.0, 340.0])
def test_lorentz_values_hold_at_any_radius(radius: float) -> None:
    """Nearly parallel rows, where the Gram determinant needs up to e^(4 radius) more than its last digit."""
    rng = np.random.default_rng(3)
    u = rng.normal(size=4)
    x = torch.tensor(lorentz_point(radius, u / np.linalg.norm(u), 1.0))
    for y in (torch.nextafter(x, x + 1e300), x * 0.5, x * (1 + 1e-9), -x, x.flip(0), x * 1e-20):
        true = lorentz_dist(exact(x), exact(y), mpmath.mpf(1))
        got = lorentz.dist(tensor_row("lorentz", x, 1.0), tensor_row("lorentz", y, 1.0), 1.0)
        assert abs(mpmath.mpf(got.item()) - true) <= VALUE_ULP * ulp(true, torch.float64), (x, y)


def test_ball_points_an_atom_from_the_rim() -> None:
    """Rows whose gap 1 - |x|^2 is below 2^-60: sums of squares of doubles come that near to 1."""
    x = torch.tensor([0.6, 0.8], dtype=torch.float64)
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(4000):
        angle = rng.uniform(0, 2 * math.pi)
        x = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
        gap = 1 - dot(exact(x), exact(x))
        if not 0 < gap < 2.0**-60:
            continue
        found += 1
        x.requires_grad_()
        y = torch.tensor([0.1, -0.3], dtype=torch.float64)
        got = poincare.dist(x, y, 1.0)
        true = ball_dist(exact(x), exact(y), mpmath.mpf(1))
        assert abs(mpmath.mpf(got.item()) - true) <= VALUE_ULP * ulp(true, torch.float64)
        (grad,) = torch.autograd.grad(got, x)
        want = ball_grad(exact(x), exact(y), mpmath.mpf(1))
        size = mpmath.sqrt(dot(want, want))
        off = mpmath.sqrt(mpmath.fsum((a - b) ** 2 for a, b in zip(exact(grad), want, strict=True)))
        assert off <= GRAD_ULP * ulp(size, torch.float64)
    assert found > 3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size", [1e-160, 1e-300])
def test_points_too_near_for_the_square_of_their_difference(model: str, size: float) -> None:
    value = ball_dist if model == "ball" else lorentz_dist
    for base in (0.0, 0.0, size):
        p = torch.tensor([base, 0.25 * size, -size], dtype=torch.float64)
        q = torch.tensor([0.5 * size, size, 0.125 * size], dtype=torch.float64)
        got = MODELS[model](tensor_row(model, p, 1.0), tensor_row(model, q, 1.0), 1.0)
        true = value(exact(p), exact(q), mpmath.mpf(1))
        assert abs(mpmath.mpf(got.item()) - true) <= VALUE_ULP * ulp(true, torch.float64)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_a_point_is_at_distance_zero_from_itself(model: str, dtype: torch.dtype, native: bool) -> None:
    for r in (0.0, 1e-20, 1.0, 10.0):
        u = np.array([0.6, 0.0, -0.8])
        point = ball_point if model == "ball" else lorentz_point
        row = tensor_row(model, torch.tensor(point(r, u, 1.0), dtype=dtype), 1.0)
        x, y = row.clone().requires_grad_(), row.clone().requires_grad_()
        if native:
            d = MODELS[model](x, y, 1.0)
        else:
            d = MODELS[model].reference(x.double(), y.double(), torch.tensor(1.0, dtype=torch.float64))
        assert d.item() == 0.0
        for grad in torch.autograd.grad(d, (x, y)):
            assert torch.equal(grad, torch.zeros_like(grad))


def test_rim_outside_and_nan_say_so() -> None:
    on_rim, outside = torch.tensor([1.0, 0.0]), torch.tensor([0.9, 0.9])
    centre = torch.zeros(2)
    assert poincare.dist(on_rim, centre, 1.0).item() == math.inf
    assert math.isnan(poincare.dist(outside, centre, 1.0).item())
    assert math.isnan(poincare.dist(torch.tensor([math.nan, 0.0]), centre, 1.0).item())
    assert math.isnan(lorentz.dist(torch.tensor([1.0, math.nan, 0.0]), torch.tensor([1.0, 0.0, 0.0]), 1.0).item())


def rows(model: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    spread = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    if model == "ball":
        return (0.3 * spread / shape[-1] ** 0.5).to(dtype)
    time = torch.sqrt(1 / 0.7 + (spread[..., 1:] ** 2).sum(-1, keepdim=True))
    return torch.cat([time, spread[..., 1:]], -1).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, *DTYPES])
@pytest.mark.parametrize("model", MODELS)
def test_shapes_strides_and_dtypes_change_nothing(model: str, dtype: torch.dtype) -> None:
    dist = MODELS[model]
    x, y = rows(model, (4, 3, 6), dtype), rows(model, (3, 6), dtype, seed=1)
    whole = dist(x, y, 0.7)
    assert whole.shape == (4, 3) and whole.dtype is dtype
    for i in range(4):
        for j in range(3):
            assert torch.equal(whole[i, j], dist(x[i, j], y[j], 0.7))
    strided = x.transpose(0, 2).contiguous().transpose(0, 2)
    assert not strided.is_contiguous() and torch.equal(dist(strided, y, 0.7), whole)
    assert torch.equal(dist(x.double(), y, 0.7), dist(x.double(), y.double(), 0.7))
    assert dist(x[:0], y, 0.7).shape == (0, 3)
    assert torch.equal(dist(x, y, torch.tensor([0.5])), dist(x, y, 0.5))


def test_no_coordinates_at_all() -> None:
    assert torch.equal(poincare.dist(torch.zeros(4, 0), torch.zeros(4, 0), 1.0), torch.zeros(4))
    assert torch.equal(lorentz.dist(torch.ones(4, 1), torch.ones(4, 1), 1.0), torch.zeros(4))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_no_row_or_no_curvature_is_refused(model: str) -> None:
    dist, x = MODELS[model], torch.zeros(2, 3)
    for c, said in ((0.0, "not 0.0"), (-1.0, "not -1.0"), (math.nan, "not nan"), (torch.ones(2), "shape \\(2,\\)")):
        with pytest.raises(ValueError, match=said):
            dist(x, x, c)
    with pytest.raises(TypeError, match=r"torch\.int64"):
        dist(x.long(), x.long(), 1.0)
    with pytest.raises(ValueError, match="single number"):
        dist(torch.tensor(1.0), x, 1.0)
    with pytest.raises(RuntimeError, match=r"broadcast|match"):
        dist(x, torch.zeros(2, 4), 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_first_and_second_derivatives(model: str) -> None:
    x, y = rows(model, (3, 4)).requires_grad_(), rows(model, (3, 4), seed=1).requires_grad_()
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(MODELS[model], (x, y, c))
    assert torch.autograd.gradgradcheck(MODELS[model], (x, y, c))


@pytest.mark.parametrize("model", MODELS)
def test_derivative_in_c_does_not_cancel_as_c_vanishes(model: str) -> None:
    value = ball_dist if model == "ball" else lorentz_dist
    for number in (1e-8, 1e-3, 0.3, 20.0):
        p, q = (rows(model, (4,), seed=s)[model == "lorentz" :] * (0.2 if number > 1 else 1.0) for s in (1, 2))
        c = torch.tensor(number, dtype=torch.float64, requires_grad=True)
        (got,) = torch.autograd.grad(MODELS[model](tensor_row(model, p, number), tensor_row(model, q, number), c), c)
        a, b = exact(p), exact(q)
        true = mpmath.diff(lambda k, a=a, b=b: value(a, b, k), mpmath.mpf(number))
        assert abs(mpmath.mpf(got.item()) / true - 1) < 5e-14


@pytest.mark.parametrize("model", MODELS)
def test_the_body_agrees_where_it_is_well_conditioned(model: str) -> None:
    dist = MODELS[model]
    x, y = rows(model, (50, 7)).requires_grad_(), rows(model, (50, 7), seed=1).requires_grad_()
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    results = [f(x, y, c) for f in (dist, dist.reference)]
    torch.testing.assert_close(*results, rtol=1e-14, atol=0)
    for a, b in zip(*(torch.autograd.grad(r.sum(), (x, y, c)) for r in results), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_torch_func_and_vmap(model: str) -> None:
    dist = MODELS[model]
    x, y = rows(model, (5, 4)), rows(model, (5, 4), seed=1)
    z = x.clone().requires_grad_()
    (eager,) = torch.autograd.grad(dist(z, y, 0.7).sum(), z)
    torch.testing.assert_close(torch.func.grad(lambda t: dist(t, y, 0.7).sum())(x), eager)
    torch.testing.assert_close(torch.vmap(lambda a, b: dist(a, b, 0.7))(x, y), dist(x, y, 0.7))


@pytest.mark.parametrize("model", MODELS)
def test_compile_traces_one_graph(model: str) -> None:
    dist = MODELS[model]
    traced = torch.compile(lambda a, b, k: dist(a, b[0], k) * 2, fullgraph=True, backend="aot_eager")
    x, y = rows(model, (3, 4)).requires_grad_(), rows(model, (3, 4), seed=1).requires_grad_()
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    eager = dist(x, y[0], c) * 2
    out = traced(x, y, c)
    assert torch.equal(out, eager)
    for a, b in zip(*(torch.autograd.grad(r.sum(), (x, y, c)) for r in (out, eager)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["poincare_dist", "lorentz_dist"])
def test_registration_passes_opcheck(name: str, dtype: torch.dtype) -> None:
    model = "ball" if name.startswith("poincare") else "lorentz"
    x, y, c = rows(model, (6, 4), dtype), rows(model, (6, 4), dtype, seed=1), torch.tensor(0.7, dtype=torch.float64)
    torch.library.opcheck(getattr(torch.ops.hypgeo, name).default, (x, y, c))
    torch.library.opcheck(getattr(torch.ops.hypgeo, f"{name}_backward").default, (torch.ones(6, dtype=dtype), x, y, c))


def test_threads_change_nothing() -> None:
    x, y = rows("ball", (5000, 7)), rows("ball", (5000, 7), seed=1)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(poincare.dist(x, y, 0.7))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_every_device_agrees_with_the_cpu_row_by_row(model: str, dtype: torch.dtype, device: str) -> None:
    x, y = rows(model, (300, 37), dtype), rows(model, (300, 37), dtype, seed=1)
    single = [(u.clone().requires_grad_(), v.clone().requires_grad_()) for u, v in zip(x, y, strict=True)]
    one_by_one = [MODELS[model](u, v, 0.7) for u, v in single]
    there = x.to(device).requires_grad_(), y.to(device).requires_grad_()
    together = MODELS[model](*there, 0.7)
    rtol = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(together.cpu(), torch.stack(one_by_one), rtol=rtol, atol=0)
    gradients = zip(*(torch.autograd.grad(d, pair) for d, pair in zip(one_by_one, single, strict=True)), strict=True)
    for a, b in zip(torch.autograd.grad(together.sum(), there), gradients, strict=True):
        torch.testing.assert_close(a.cpu(), torch.stack(b), rtol=rtol, atol=rtol)
