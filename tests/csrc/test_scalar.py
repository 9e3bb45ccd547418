"""Numbers with error bounds (csrc/scalar), held against mpmath: no error exceeds its bound, and the bounds are small.

A number is (hi, lo, e): hi + lo, known to within e.  In V (plain double) lo is 0.
"""

import ctypes
import math
import platform
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import mpmath
import pytest
from mpmath import mpf

HERE = Path(__file__).resolve().parent
FLAGS = {"base": [], "avx2": ["-mavx2", "-mfma"], "avx512": ["-march=x86-64-v4"]}  # fmt: skip

Number = tuple[float, float, float]
Row = Sequence[Number]

BINARY: dict[str, Callable[[mpf, mpf], mpf]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}
WITH_DOUBLE: dict[str, Callable[[mpf], mpf]] = {
    "plus_double": lambda a: a + mpf(0.3),
    "double_minus": lambda a: mpf(0.3) - a,
    "times_double": lambda a: a * mpf(0.3),
    "double_over": lambda a: mpf(0.3) / a,
    "over_double": lambda a: a / mpf(0.3),
}
FUNCTIONS: dict[str, Callable[[mpf], mpf]] = {
    "sqr": lambda x: x * x,
    "sqrt": mpmath.sqrt,
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "asinh": mpmath.asinh,
}


def of_square(f: Callable[[mpf], mpf]) -> Callable[[mpf], mpf]:
    """f(t) as a function of q = t^2, 1 at 0; q < 0 takes an imaginary t."""
    return lambda q: mpmath.re(f(mpmath.sqrt(q))) if q else mpf(1)


def slope(at_zero: int, twice_q_times: Callable[[mpf], mpf]) -> Callable[[mpf], mpf]:
    def derivative(q: mpf) -> mpf:
        if not q:
            return 1 / mpf(at_zero)
        with mpmath.extraprec(2 * max(0, -mpmath.frexp(q)[1])):
            return twice_q_times(q) / (2 * q)

    return derivative


VALUES = {
    "coshq": of_square(mpmath.cosh),
    "sinhcq": of_square(lambda t: mpmath.sinh(t) / t),
    "tanhcq": of_square(lambda t: mpmath.tanh(t) / t),
    "asinhcq": of_square(lambda t: mpmath.asinh(t) / t),
    "atanhcq": of_square(lambda t: mpmath.atanh(t) / t),
}
SLOPES = {
    "dsinhcq": slope(6, lambda q: VALUES["coshq"](q) - VALUES["sinhcq"](q)),
    "dtanhcq": slope(-3, lambda q: 1 / VALUES["coshq"](q) ** 2 - VALUES["tanhcq"](q)),
    "dasinhcq": slope(-6, lambda q: 1 / mpmath.sqrt(1 + q) - VALUES["asinhcq"](q)),
    "datanhcq": slope(3, lambda q: 1 / (1 - q) - VALUES["atanhcq"](q)),
}
BESIDE = {"slope_of_coshq": lambda q: VALUES["sinhcq"](q) / 2} | {"slope_of_" + op[1:]: f for op, f in SLOPES.items()}
OPS = [*BINARY, *FUNCTIONS, *VALUES, *SLOPES, "times_or_zero", "select_less", *WITH_DOUBLE, *BESIDE]
TRUE = FUNCTIONS | VALUES | SLOPES | WITH_DOUBLE | BESIDE


def instruction_sets() -> list[str]:
    """Those that this machine can run."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return ["base"]
    flags = set(next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line).split())
    has = {
        "base": set(),
        "avx2": {"avx2", "fma"},
        "avx512": {"avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512cd"},
    }
    return [name for name, needs in has.items() if needs <= flags]


class Scalar:
    def __init__(self, path: Path) -> None:
        self.lib = ctypes.CDLL(str(path))

    def __call__(self, op: str, twofold: bool, a: Row, b: Row | None = None, vector: bool = True) -> list[Number]:
        """The operation on every number of a (and of b), kLanes at a time or one by one."""
        table = ctypes.c_double * (3 * len(a))
        first, second = (table(*(x for number in row for x in number)) for row in (a, a if b is None else b))
        out = table()
        self.lib.evaluate(OPS.index(op), twofold, vector, ctypes.c_long(len(a)), first, second, out)
        return list(zip(out[0::3], out[1::3], out[2::3], strict=True))


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scalar]:
    folder = tmp_path_factory.mktemp("scalar")
    flags = ["-O1", "-std=c++20", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno"]
    source = [f"-I{HERE.parents[1] / 'hypgeo' / 'csrc'}", str(HERE / "scalar.cpp")]
    commands = {
        name: ["c++", *flags, *FLAGS[name], *source, "-o", f"{folder}/{name}.so"] for name in instruction_sets()
    }
    for process in [subprocess.Popen(command) for command in commands.values()]:
        assert process.wait() == 0
    return {name: Scalar(folder / f"{name}.so") for name in commands}


@pytest.fixture(params=instruction_sets())
def scalar(request: pytest.FixtureRequest, libraries: dict[str, Scalar]) -> Scalar:
    return libraries[request.param]


@pytest.fixture(autouse=True)
def many_digits() -> Iterator[None]:
    with mpmath.workprec(400):
        yield


def exact(x: Number) -> mpf:
    return mpf(x[0]) + mpf(x[1])


def spare(x: Number) -> mpf:
    """As much of the bound of a leaf as its error may take: the headers want 2^-9 of it left."""
    return mpf(x[2]) * (1 - mpf(2) ** -9)


def number(x: mpf | float, twofold: bool, e: float = 0.0) -> Number:
    hi = float(x)
    return (hi, float(mpf(x) - hi) if twofold else 0.0, e)


def beside(x: float) -> list[float]:
    return [math.nextafter(x, -math.inf), x, math.nextafter(x, math.inf)]


# Where one formula or reduction hands over to the next, by function.
LN2 = math.log(2.0)
SMALL = [0.0, 5e-324, 1e-310, 1e-300, 1e-100, *beside(2.0**-200), 1e-40, 1e-20, 1e-16, 2.0**-53, 1e-8, 1e-4, 0.01]
HANDOVERS = [*beside(0.03), *beside(0.125), *beside(0.25), *beside((LN2 / 2) ** 2), *beside((LN2 / 4) ** 2)]
REDUCTIONS = [y for k in (0.5, 1.0, 1.5, 2.5, 40.5) for y in beside(k * LN2)]
POSITIVE = [*SMALL[1:], *HANDOVERS, *REDUCTIONS, 0.5, 1.0, 2.0, 9.0, 1e3]
SIGNED = [0.0, *(s * x for x in POSITIVE for s in (1.0, -1.0))]
AROUND_ONE = [y for k in (-1.5, -1, -0.5, 0, 0.5, 1, 1.5) for y in beside(2.0**k)]
POINTS: dict[str, list[float]] = {
    "sqr": [*SIGNED, 1e100],
    "sqrt": [0.0, *POSITIVE, 1e100, 1e300],
    "exp": [x for x in SIGNED if -650 < x < 709] + [700.0, 708.9, -600.0],
    "expm1": [*(x for x in SIGNED if x < 709), 700.0, 708.9, -700.0, -1e300],
    "log": [x for x in POSITIVE if x > 1e-300] + [*AROUND_ONE, 1e100, 1e300],
    "log1p": [x for x in SIGNED if x > -1] + [x - 1 for x in AROUND_ONE] + [1e100, 1e300, -1 + 2.0**-53],
    "asinh": [*SIGNED, 1e100, -1e100],
    "exponential in t": [0.0, *POSITIVE, *(y for x in REDUCTIONS for y in beside(x * x)), 709.0, 1e4, 680.0**2],
    "algebraic in t": [
        0.0,
        *POSITIVE,
        *(y for x in REDUCTIONS for y in beside(math.sinh(min(x, 9)) ** 2)),
        1e100,
        1e290,
    ],
    "below 1": [0.0, *(x for x in POSITIVE if x < 1), 0.9, 0.999, *(1 - 2.0**-k for k in range(2, 54, 3))],
}


def points(op: str, twofold: bool, rng: random.Random, count: int = 80) -> list[Number]:
    """Handovers, extremes, and random numbers over the whole domain, with random low parts."""
    name = op.removeprefix("slope_of_").removeprefix("d")
    if op in WITH_DOUBLE:
        fixed, draw = POINTS["sqr"][1:], lambda: rng.choice((1, -1)) * 10 ** rng.uniform(-30, 30)
    elif name == "atanhcq":
        fixed, draw = (
            POINTS["below 1"],
            lambda: rng.choice((rng.random(), 10 ** rng.uniform(-17, -1), rng.random() / 4)),
        )
    elif name in ("coshq", "sinhcq"):
        fixed = POINTS["exponential in t"]
        draw = lambda: rng.choice((rng.uniform(0, 680), 10 ** rng.uniform(-9, 2), rng.random())) ** 2  # noqa: E731
    elif name in ("tanhcq", "asinhcq"):
        fixed, draw = (
            POINTS["algebraic in t"],
            lambda: rng.choice((10 ** rng.uniform(-17, 40), rng.random(), rng.uniform(0, 9))),
        )
    elif name in ("exp", "expm1"):
        fixed, draw = POINTS[name], lambda: rng.choice((rng.uniform(-600, 708), rng.uniform(-1, 1), rng.gauss(0, 1e-5)))
    elif name == "log1p":
        fixed, draw = (
            POINTS[name],
            lambda: rng.choice((10 ** rng.uniform(-17, 250), rng.uniform(-1, 3), rng.gauss(0, 1e-5))),
        )
    else:
        fixed, draw = (
            POINTS[name],
            lambda: rng.choice((10 ** rng.uniform(-30, 100), rng.uniform(0, 4), 1 + 1e-5 * rng.random())),
        )
    found = [(x, 0.0, 0.0) for x in fixed]
    while len(found) < count + len(fixed):
        x = draw()
        lo = rng.uniform(-0.5, 0.5) * math.ulp(x) if twofold and x > 1e-250 else 0.0
        if x + lo == x:
            found.append((x, lo, 0.0))
    return found


def bits(op: str, twofold: bool) -> float:
    """What the headers promise: relative bound 2^-bits at exact arguments."""
    if op in WITH_DOUBLE or op in ("sqr", "sqrt"):
        return 101.0 if twofold else 51.8
    if op in SLOPES or (op in BESIDE and op != "slope_of_coshq"):
        return 55.9 if twofold else 45.9
    return 62.4 if twofold else 48.8


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
@pytest.mark.parametrize("op", [*FUNCTIONS, *VALUES, *SLOPES, *BESIDE, *WITH_DOUBLE])
def test_every_function_errs_less_than_its_bound_and_that_is_small(scalar: Scalar, op: str, twofold: bool) -> None:
    row = points(op, twofold, random.Random(op))
    grows = op.removeprefix("slope_of_").removeprefix("d") in ("coshq", "sinhcq")
    for x, y in zip(row, scalar(op, twofold, row), strict=True):
        true = TRUE[op](exact(x))
        assert not abs(exact(y) - true) > y[2], (x, y)
        allowed = abs(true) * mpf(2) ** -bits(op, twofold)
        if grows and not twofold:  # the rounding of t before e^t
            allowed += abs(true) * mpmath.sqrt(exact(x)) * 2.0**-52
        if op in ("expm1", "asinh", "exp") or abs(true) < 1e-250:  # room for underflow
            allowed += mpf(2) ** -950
        assert y[2] <= allowed or abs(x[0]) < 1e-240, (x, y)


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
@pytest.mark.parametrize("op", BINARY)
def test_arithmetic_errs_less_than_its_bound(scalar: Scalar, op: str, twofold: bool) -> None:
    rng = random.Random(op)

    def draw() -> Number:
        x = mpf(rng.choice((1, -1)) * 2.0 ** rng.choice((0, rng.randint(-30, 30), rng.randint(-520, 440))))
        x *= 1 + mpf(rng.random()) + mpf(rng.random()) * 2**-53
        return number(x, twofold, rng.choice((0.0, abs(float(x)) * 2.0 ** rng.uniform(-100, -1))))

    a, b = [draw() for _ in range(300)], [draw() for _ in range(300)]
    b[:100] = [number(exact(x) * (1 + mpf(rng.gauss(0, 1)) * 2 ** -rng.randint(1, 60)), twofold) for x in a[:100]]
    for x, y, z in zip(a, b, scalar(op, twofold, a, b), strict=True):
        with mpmath.workprec(2200):
            ideal = BINARY[op](exact(x), exact(y))
            spread = mpf(0)
            for s, t in ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
                true = BINARY[op](exact(x) + s * spare(x), exact(y) + t * spare(y))
                assert not abs(exact(z) - true) > z[2], (x, y, z)
                spread = max(spread, abs(true - ideal))
            size = abs(exact(x)) + abs(exact(y)) if op in ("add", "sub") else abs(ideal)
            if math.isfinite(z[2]) and size > 1e-250:
                assert z[2] <= 3.1 * spread + size * mpf(2) ** -(101 if twofold else 51.8), (x, y, z)
            else:
                assert (op == "div" and y[2] > abs(y[0]) / 2.01) or size > 1e250 or size <= 1e-250


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
@pytest.mark.parametrize("op", [*FUNCTIONS, *VALUES, *SLOPES, *BESIDE])
def test_the_error_of_an_argument_is_passed_on(scalar: Scalar, op: str, twofold: bool) -> None:
    rng = random.Random(op)
    row = []
    for x in points(op, twofold, rng, 40):
        room = 1 - exact(x) if "atanhcq" in op else 1 + exact(x) if op == "log1p" else abs(exact(x))
        e = min(abs(x[0]), float(room)) * 2.0 ** rng.choice((-60, -40, -20, -8, rng.uniform(-8, 0)))
        row.append((x[0], x[1], e))
    trusted = 0
    for x, y in zip(row, scalar(op, twofold, row), strict=True):
        if not math.isfinite(y[2]):
            continue
        trusted += 1
        ideal = TRUE[op](exact(x))
        spread = mpf(0)
        for s in (1, -1, rng.uniform(-1, 1)):
            true = TRUE[op](exact(x) + s * spare(x))
            assert not abs(exact(y) - true) > y[2], (x, y, s)
            spread = max(spread, abs(true - ideal))
        if x[2] < 2.0**-20 * abs(x[0]) and abs(x[0]) > 1e-200 and abs(ideal) > max(spread, 1e-250):
            assert y[2] <= 5 * spread + abs(ideal) * mpf(2) ** -(55 if twofold else 40), (x, y)
    assert trusted > 0.5 * len(row)


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
def test_what_left_its_domain_or_overflowed_is_not_trusted(scalar: Scalar, twofold: bool) -> None:
    nan, inf = math.nan, math.inf
    cases = {
        "sqrt": [-1.0, -1e-300, -5e-324],
        "exp": [710.0, 1e3, 1e4, 1e300],
        "expm1": [710.0, 1e3, 1e300],
        "log": [0.0, -0.0, -1.0, -1e-300, 5e-324],
        "log1p": [-1.0, -1.5, -1e300],
        "coshq": [710.0**2, 1e6, 1e300, -1.0],
        "sinhcq": [710.0**2, 1e6, 1e300, -1.0],
        "dsinhcq": [710.0**2, 1e6, -1.0],
        "tanhcq": [-1.0],
        "asinhcq": [-1.0, -2.0],
        "atanhcq": [1.0, 1.5, 1e300, -1.0],
        "datanhcq": [1.0, 2.0, -1.0],
        "sqr": [1e200, -1e200],
        "double_over": [0.0, 1e-310],
    }
    for op in TRUE:
        row = [(x, 0.0, 0.0) for x in (*cases.get(op, []), nan)]
        row += [(0.5, 0.0, inf), (0.5, 0.0, nan), (inf, 0.0, inf)] if op not in ("exp", "expm1") else []
        for x, y in zip(row, scalar(op, twofold, row), strict=True):
            assert not math.isfinite(y[2]), (op, x, y)
    for op, x, y in (
        ("div", 1.0, 0.0),
        ("div", 0.0, 0.0),
        ("mul", 1e200, 1e200),
        ("add", 1e308, 1e308),
        ("div", 1.0, nan),
    ):
        assert not math.isfinite(scalar(op, twofold, [(x, 0.0, 0.0)], [(y, 0.0, 0.0)])[0][2]), (op, x, y)
    # the sign under the root, and whether a divisor is zero, must be certain
    assert not math.isfinite(scalar("sqrt", twofold, [(1e-20, 0.0, 2e-20)])[0][2])
    assert not math.isfinite(scalar("div", twofold, [(1.0, 0.0, 0.0)], [(1e-20, 0.0, 2e-20)])[0][2])


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
def test_exact_results_are_exact(scalar: Scalar, twofold: bool) -> None:
    zero, x = (0.0, 0.0, 0.0), (0.7, 0.0, 0.0)
    vague, infinite = (0.7, 0.0, 1e-3), (math.inf, math.nan, math.nan)
    for op, a, b in (
        ("sub", x, x),
        ("mul", zero, vague),
        ("mul", vague, zero),
        ("div", zero, vague),
        ("times_or_zero", zero, infinite),
        ("sqr", zero, zero),
        ("sqrt", zero, zero),
        ("times_double", zero, zero),
        ("over_double", zero, zero),
    ):
        assert scalar(op, twofold, [a], [b]) == [zero], op
    at_zero = dict.fromkeys(("exp", *VALUES), mpf(1)) | dict.fromkeys(("expm1", "log1p", "asinh"), mpf(0))
    at_zero |= {op: TRUE[op](mpf(0)) for op in SLOPES}
    for op, true in at_zero.items():
        assert scalar(op, twofold, [zero])[0][:2] == number(true, twofold)[:2], op
    assert scalar("log", twofold, [(1.0, 0.0, 0.0)])[0][:2] == (0.0, 0.0)


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
def test_an_error_that_shrinks_does_not_vanish(scalar: Scalar, twofold: bool) -> None:
    vague, large, small = (0.0, 0.0, 1e-320), (1e300, 0.0, 0.0), (1e-300, 0.0, 0.0)
    assert scalar("div", twofold, [vague], [large])[0][2] > 0.0
    assert scalar("mul", twofold, [vague], [small])[0][2] > 0.0
    for op in ("times_double", "over_double"):
        assert scalar(op, twofold, [(0.0, 0.0, 5e-324)])[0][2] > 0.0, op


@pytest.mark.parametrize("twofold", [False, True], ids=["V", "DD"])
def test_select_follows_central_values_lane_by_lane(scalar: Scalar, twofold: bool) -> None:
    a = [(1.0, 2.0**-60 * k * twofold, 0.5) for k in range(-9, 10)]
    b = [(1.0 if twofold else 1.0 + k, 0.0, 0.25) for k in range(-9, 10)]
    less = [x if exact(x) < exact(y) else y for x, y in zip(a, b, strict=True)]
    assert scalar("select_less", twofold, a, b) == less
    kept = scalar("times_or_zero", twofold, a, b)
    assert kept == scalar("mul", twofold, a, b)


@pytest.mark.parametrize("op", OPS)
def test_every_lane_and_every_width_gives_the_same_bits(libraries: dict[str, Scalar], op: str) -> None:
    """Every width but that of 512-bit registers, which have reciprocals and roots of their own."""
    for twofold in (False, True):
        name = op if op in TRUE else "sqrt"
        row = points(name, twofold, random.Random(op), 40)
        other = [(y, 0.0, abs(y) * 2.0**-70) for y, _, _ in reversed(row)]
        for isa, scalar in libraries.items():
            found = scalar(op, twofold, row, other)
            turned = scalar(op, twofold, row[3:] + row[:3], other[3:] + other[:3])
            assert repr(turned[-3:] + turned[:-3]) == repr(found)
            if isa != "avx512":
                assert repr(scalar(op, twofold, row, other, vector=False)) == repr(found)
