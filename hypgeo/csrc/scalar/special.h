// Elementary functions, and functions of q = t^2 that are analytic at 0, beside their derivatives in q.  No branches,
// no tables, no library calls, so that every lane does the same everywhere.
//
// Accuracy of the values, relative, at exact arguments: in DD 2^-62.5 (derivatives 2^-56), in V 16u or less, and 1.5 t
// u more for cosh t and sinh t (derivatives 2^-46).  In DD the low-order terms are formed in DD and the rest, 2^-12 of
// the result or less, in double, which leaves 2^-64 or so.  An argument's error e is passed on through a bound of the
// slope, mostly of |f'/f|: by Gronwall's inequality |f(q + d) - f(q)| <= |f(q)| (exp(g) - 1), g = |d| sup |f'/f|; where
// g is not small the result is not trusted.
//
// The polynomials interpolate remainders of Taylor series in Chebyshev points; the error of each, relative to the
// function it belongs to, stands beside it.
#pragma once

#include "bounded.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

// ---- arithmetic on central values alone.  In DD it is *loose*: lo may be some 10u of hi, which saves the last step of
// each operation and costs nothing here; `tight` makes up for it where hi must be the rounded value.

template <IsLanes V>
HYPGEO_HD V tight(V a) {
  return a;
}
template <class V>
HYPGEO_HD DD<V> tight(const DD<V>& a) {
  return fast_two_sum<V>(a.hi, a.lo);
}
template <IsLanes V>
HYPGEO_HD V plus(V a, V b) {
  return a + b;
}
template <class V>
HYPGEO_HD DD<V> plus(const DD<V>& a, const DD<V>& b) {
  const DD<V> s = two_sum<V>(a.hi, b.hi);
  return DD<V>(s.hi, s.lo + (a.lo + b.lo));
}
template <class V>
HYPGEO_HD DD<V> plus(const DD<V>& a, V b) {
  const DD<V> s = two_sum<V>(a.hi, b);
  return DD<V>(s.hi, s.lo + a.lo);
}
// a + b for |a| >= |b| or b = 0.
template <IsLanes V>
HYPGEO_HD V raise(V a, V b) {
  return a + b;
}
template <class V>
HYPGEO_HD DD<V> raise(const DD<V>& a, const DD<V>& b) {
  const DD<V> s = fast_two_sum<V>(a.hi, b.hi);
  return DD<V>(s.hi, s.lo + (a.lo + b.lo));
}
template <class V>
HYPGEO_HD DD<V> raise(const DD<V>& a, V b) {
  const DD<V> s = fast_two_sum<V>(a.hi, b);
  return DD<V>(s.hi, s.lo + a.lo);
}
template <IsLanes V>
HYPGEO_HD V times(V a, V b) {
  return a * b;
}
template <class V>
HYPGEO_HD DD<V> times(const DD<V>& a, const DD<V>& b) {
  const DD<V> c = two_prod<V>(a.hi, b.hi);
  return DD<V>(c.hi, vfma<V>(a.hi, b.lo, vfma<V>(a.lo, b.hi, c.lo)));
}
template <IsLanes V>
HYPGEO_HD V squared(V a) {
  return a * a;
}
template <class V>
HYPGEO_HD DD<V> squared(const DD<V>& a) {
  const DD<V> c = two_prod<V>(a.hi, a.hi);
  return DD<V>(c.hi, vfma<V>(a.hi + a.hi, a.lo, c.lo));
}
template <IsLanes V>
HYPGEO_HD V over(V a, V b) {
  return a * reciprocal<V>(b);
}
template <IsLanes V>
HYPGEO_HD V over(V a, V b, V r) {
  return a * r;
}
template <class V>
HYPGEO_HD DD<V> over(const DD<V>& a, const DD<V>& b, const V& r) {
  return quotient(a, b, r);
}
template <class V>
HYPGEO_HD DD<V> over(const DD<V>& a, const DD<V>& b) {
  return quotient<V>(a, b, reciprocal<V>(b.hi));
}

template <IsLanes V>
HYPGEO_HD V scaled(V a, V power_of_two) {
  return a * power_of_two;
}
template <class V>
HYPGEO_HD DD<V> scaled(const DD<V>& a, V power_of_two) {
  return DD<V>(a.hi * power_of_two, a.lo * power_of_two);
}

// The constant hi + lo.
template <class R>
HYPGEO_HD R constant(double hi, double lo = 0.0) {
  using V = typename Bounded<R>::V;
  if constexpr (std::is_same_v<R, V>) {
    return splat<V>(hi);
  } else {
    return R(splat<V>(hi), splat<V>(lo));
  }
}

template <class V>
HYPGEO_HD V chosen(const Mask<V>& m, const V& a, const V& b) {
  return select<V>(m, a, b);
}
template <class V>
HYPGEO_HD DD<V> chosen(const Mask<V>& m, const DD<V>& a, const DD<V>& b) {
  return select(m, a, b);
}

// The root of q >= 0 and, nearly, its reciprocal.
template <class R>
struct Root {
  R v;
  typename Bounded<R>::V inverse;
};
template <class R>
HYPGEO_HD Root<R> rooted(const R& q) {
  using V = typename Bounded<R>::V;
  const RootOf<V> r = vroot<V>(high(q));
  const V s = r.root, h = r.half_inverse;
  if constexpr (std::is_same_v<R, V>) {
    return {s, h + h};
  } else {
    return {square_root(q, s, h), h + h};
  }
}

// c[i] + c[i+1] x + ... (n terms), in a tree of fused operations; power[j] = x^(2^j).
template <int i, int n, class V>
HYPGEO_HD V polynomial(const double* c, const V* power) {
  if constexpr (n == 1) {
    return splat<V>(c[i]);
  } else {
    constexpr int j = n > 8 ? 3 : n > 4 ? 2 : n > 2 ? 1 : 0, half = 1 << j;
    return vfma<V>(polynomial<i + half, n - half, V>(c, power), power[j], polynomial<i, half, V>(c, power));
  }
}
template <int n, IsLanes V>
HYPGEO_HD V polynomial(const double (&c)[n], V x) {
  const V x2 = x * x, x4 = x2 * x2, power[4] = {x, x2, x4, x4 * x4};
  return polynomial<0, n, V>(c, power);
}

// ---- exp, log

constexpr double kLn2A = 0x1.62e42fefa3800p-1;  // ln 2 to 42 bits, so that its product with any exponent is exact,
constexpr double kLn2B = 0x1.ef35793c76730p-45;  // and what is missing to 95 bits; or
constexpr double kLn2C = 0x1.ef35793c76000p-45;  // its next 42 bits,
constexpr double kLn2D = 0x1.cc01f97b57a08p-87;  // and what is missing to 138

// exp(x) = scale (1 + p), |p| < 0.42, for |x| <= 709; beyond that scale is infinite.
template <class R>
struct ExpParts {
  R p;
  typename Bounded<R>::V scale;
};

template <class R>
HYPGEO_HD ExpParts<R> exp_parts(const R& x) {
  using V = typename Bounded<R>::V;
  constexpr double c[] = {0.008333333333333333, 0.001388888888888889, 0.00019841269841268272, 2.4801587301586322e-05,
                          2.7557319234412042e-06, 2.755731923050148e-07, 2.5052084131717976e-08,
                          2.0876741830887744e-09, 1.6082069480899212e-10, 1.148513547540256e-11};  // 2^-68
  constexpr double magic = 0x1.8p52;  // sums with it have units in the last bit
  const V shifted = vfma<V>(high(x), splat<V>(1.4426950408889634), splat<V>(magic)), k = shifted - magic;
  const V scale = select<V>(high(x) < 709.0, from_bits<V>((to_bits(shifted) + 1023) << 52), splat<V>(kInf));
  const V r0 = high(x) - k * kLn2A;  // exact
  R r;
  if constexpr (std::is_same_v<R, V>) {
    r = r0 - k * kLn2B;
  } else {
    const DD<V> t = two_sum<V>(r0, -(k * kLn2C));
    r = fast_two_sum<V>(t.hi, t.lo + (x.lo - k * kLn2D));
  }
  const V h = high(r);
  const R c4 = raise(constant<R>(0x1.5555555555555p-5, 0x1.5555555555555p-59), h * polynomial(c, h));
  const R c3 = raise(constant<R>(0x1.5555555555555p-3, 0x1.5555555555555p-57), times(c4, r));
  const R c2 = raise(constant<R>(0.5), times(c3, r));
  return {raise(r, times(squared(r), c2)), scale};
}

template <class R>
HYPGEO_HD R expm1_of(const R& x) {
  using V = typename Bounded<R>::V;
  const ExpParts<R> a = exp_parts(x);
  if constexpr (std::is_same_v<R, V>) {
    return vfma<V>(a.p, a.scale, a.scale - 1.0);
  } else {
    return plus(scaled(a.p, a.scale), two_sum<V>(a.scale, splat<V>(-1.0)));
  }
}

// atanh(sqrt z)/sqrt z for 0 <= z < 0.0402.
template <class R>
HYPGEO_HD R atanh_series(const R& square) {
  using V = typename Bounded<R>::V;
  const R z = tight(square);
  constexpr double c[] = {0.19999999999999998, 0.14285714285718012, 0.11111111109171594, 0.09090909474828535,
                          0.07692270444725069, 0.06668622947791611, 0.05825773580286258, 0.06102726061593696};  // 2^-65
  const V h = high(z);
  const R c1 = raise(constant<R>(0x1.5555555555555p-2, 0x1.5555555555555p-56), h * polynomial(c, h));
  return raise(constant<R>(1.0), times(c1, z));
}

// An exponent as it stands in the bits, as a double less `bias`.
template <IsLanes V>
HYPGEO_HD V exponent(Bits<V> biased, double bias) {
  return from_bits<V>(biased | 0x4330000000000000u) - (0x1p52 + bias);
}

// x = 2^k m, 0.707 < m < 1.415, for 2^-1000 < x < 2^1000.
template <class V>
struct Binary {
  V k, shrink;  // k and 2^-k
};
template <IsLanes V>
HYPGEO_HD Binary<V> binary(V x) {
  const Bits<V> biased = (to_bits(x) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu)) >> 52;
  return {exponent<V>(biased, 1023.0), from_bits<V>((2046 - biased) << 52)};
}

template <class R>
HYPGEO_HD R times_ln2(const typename Bounded<R>::V& k) {
  using V = typename Bounded<R>::V;
  if constexpr (std::is_same_v<R, V>) {
    return k * (kLn2A + kLn2B);
  } else {
    return fast_two_sum<V>(k * kLn2A, k * kLn2B);
  }
}

// log(1 + y) given x = 1 + y: k ln 2 + log m, log m = 2 atanh((m - 1)/(m + 1)).
template <class R>
HYPGEO_HD R log1p_of(const R& y, const R& x, const Binary<typename Bounded<R>::V>& b) {
  using V = typename Bounded<R>::V;
  const R n = tight(chosen<V>(b.k == 0.0, y, plus(scaled(x, b.shrink), splat<V>(-1.0))));
  const R f = over(n, plus(n, splat<V>(2.0)));
  return plus(times_ln2<R>(b.k), times(scaled(f, splat<V>(2.0)), atanh_series(squared(f))));
}

// ---- bounds of results

constexpr double kExact = 0x1.6ap-63;  // 2^-62.5

// Of a value f with relative error eps, where |f'/f| times the argument's error is at most g.
template <class R>
HYPGEO_HD Bounded<R> bounded(const R& f, double dd_eps, double v_eps, const typename Bounded<R>::V& g) {
  using V = typename Bounded<R>::V;
  const double eps = std::is_same_v<R, V> ? v_eps : dd_eps;
  const R v = tight(f);
  return Bounded<R>(v, select<V>(g <= 0.0625, vabs(high(v)) * ((1.0 + g) * g + eps), splat<V>(kInf)));
}
// What underflow may cost where f(y) is nearly y; an exact zero stays exact.
template <class R>
HYPGEO_HD typename Bounded<R>::V near_zero(const R& y) {
  using V = typename Bounded<R>::V;
  return vmin<V>(vabs(high(y)), splat<V>(kTiny));
}
template <IsLanes V>
HYPGEO_HD V or_infinite(const Mask<V>& valid, V e) {
  return select<V>(valid, e, splat<V>(kInf));
}

template <class R>
HYPGEO_FN Bounded<R> exp(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  // exp(-708) = 2^-1021.4 stands for what is below
  const R x = chosen<V>(high(a.v) < -708.0, constant<R>(-708.0), a.v);
  const ExpParts<R> p = exp_parts(x);
  const R f = scaled(plus(p.p, splat<V>(1.0)), p.scale);
  const Bounded<R> r = bounded(f, kExact, 4.0 * kU, a.e);
  const V tiny = select<V>(high(a.v) < -640.0, splat<V>(kTiny), V{});
  return Bounded<R>(r.v, or_infinite<V>(high(a.v) < 709.0, r.e + tiny));
}
template <class R>
HYPGEO_FN Bounded<R> expm1(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  const R x = chosen<V>(high(a.v) < -708.0, constant<R>(-708.0), a.v);
  const R f = expm1_of(x);
  const Bounded<R> r = bounded(f, kExact, 6.0 * kU, V{});
  const V slope = (high(f) + 1.0) * (1.0 + a.e) + kTiny, e = vfma<V>(slope, a.e, r.e) + near_zero(a.v);
  return Bounded<R>(r.v, or_infinite<V>((high(a.v) < 709.0) & (a.e <= 0.0625), e));
}

// The bound of the logarithm of x = 1 + y = 2^k m: |log(x + d) - log x| <= g (1 + g), g = |d|/x <= sqrt(2) |d| 2^-k.
template <class R>
HYPGEO_HD Bounded<R> log_bounded(const R& f, const R& y, const typename Bounded<R>::V& x,
                                 const typename Bounded<R>::V& shrink, const typename Bounded<R>::V& e) {
  using V = typename Bounded<R>::V;
  const V g = (e * shrink) * 1.415;
  const Bounded<R> r = bounded(f, kExact, 8.0 * kU, V{});
  return Bounded<R>(r.v, or_infinite<V>((g <= 0.0625) & (x > 0x1p-1000) & (x < 0x1p1000),
                                        (1.0 + g) * g + (r.e + near_zero(y))));
}
template <class R>
HYPGEO_FN Bounded<R> log(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  const Binary<V> b = binary<V>(high(a.v));
  const R y = plus(a.v, splat<V>(-1.0));
  return log_bounded(log1p_of(y, a.v, b), y, high(a.v), b.shrink, a.e);
}
template <class R>
HYPGEO_FN Bounded<R> log1p(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  const R x = tight(plus(a.v, splat<V>(1.0)));
  const Binary<V> b = binary<V>(high(x));
  return log_bounded(log1p_of(a.v, x, b), a.v, high(x), b.shrink, a.e);
}
// asinh(|a|) = log1p(|a| + a^2/(1 + sqrt(1 + a^2))).  Its slope 1/sqrt(1 + a^2) is below 1, and below 2/x.
template <class R>
HYPGEO_FN Bounded<R> asinh(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  const Mask<V> negative = high(a.v) < 0.0;
  const R t = chosen<V>(negative, -a.v, a.v), q = squared(t);
  const Root<R> s = rooted(plus(q, splat<V>(1.0)));
  const R y = plus(t, over(q, plus(s.v, splat<V>(1.0)))), x = plus(t, s.v);
  const Binary<V> b = binary<V>(high(x));
  const R f = log1p_of(y, x, b);
  const V g = vmin<V>(splat<V>(1.0), 2.83 * b.shrink) * a.e;
  const Bounded<R> r = bounded(f, kExact, 12.0 * kU, V{});
  return Bounded<R>(chosen<V>(negative, -r.v, r.v),
                    or_infinite<V>((g <= 0.0625) & (high(x) < 0x1p500), (1.0 + 2.0 * g) * g + (r.e + near_zero(a.v))));
}

// ---- functions of q = t^2

// q, but 2^-200 where it is less (there every function below is its value at 0); and how wrong that may be.
template <class R>
HYPGEO_HD R kept_positive(const R& q) {
  using V = typename Bounded<R>::V;
  return chosen<V>(high(q) <= 0x1p-200, constant<R>(0x1p-200), q);
}
template <class R>
HYPGEO_HD typename Bounded<R>::V error_of(const Bounded<R>& q) {
  using V = typename Bounded<R>::V;
  return q.e + vmax<V>(-high(q.v), V{});
}

// sinh and cosh by u = e^t - 1, w = u/(1 + u) = 1 - e^-t.
template <class R>
struct Hyperbolic {
  Root<R> t;
  R u, w;
};
template <class R>
HYPGEO_HD Hyperbolic<R> hyperbolic(const R& q) {
  using V = typename Bounded<R>::V;
  const Root<R> t = rooted(kept_positive(q));
  const R u = expm1_of(t.v);
  return {t, u, over(u, plus(u, splat<V>(1.0)))};
}
template <class R>
HYPGEO_HD R cosh_of(const Hyperbolic<R>& h) {
  using V = typename Bounded<R>::V;
  return plus(times(h.u, scaled(h.w, splat<V>(0.5))), splat<V>(1.0));
}
template <class R>
HYPGEO_HD R sinhc_of(const Hyperbolic<R>& h) {
  using V = typename Bounded<R>::V;
  return over(scaled(plus(h.u, h.w), splat<V>(0.5)), h.t.v, h.t.inverse);
}
// C0 + q (C1 + q P(q)) while q < 1/8 (in V, where `far` loses more, 1/4: so far go the polynomials), else `far`.
template <class R, int n>
HYPGEO_HD R slope_near(const R& q, const R& c0, const R& c1, const double (&c)[n], const R& far) {
  using V = typename Bounded<R>::V;
  const V h = high(q);
  const R near = raise(c0, times(raise(c1, h * polynomial(c, h)), q));
  return chosen<V>(h < (std::is_same_v<R, V> ? 0.25 : 0.125), near, far);
}
// |f'/f| for f = t^-v I_v(t) is I_(v+1)(t) / (2t I_v(t)), which is at most 1/(4 (v + 1)) and at most 1/(2t): v = -1/2
// for cosh, 1/2 for sinhc, 3/2 for its derivative (NIST Digital Library of Mathematical Functions, 10.29.4, 10.37,
// 10.39). Where the second bound counts and g <= 1/16 it is not a twelfth more at q - e.
template <class R>
HYPGEO_HD typename Bounded<R>::V relative_slope(const Hyperbolic<R>& h, double at_zero) {
  using V = typename Bounded<R>::V;
  return vmin<V>(splat<V>(at_zero), 0.54 * h.t.inverse);
}
template <class R>
HYPGEO_HD Bounded<R> hyperbolic_bounded(const R& f, const Hyperbolic<R>& h, double v_eps,
                                        const typename Bounded<R>::V& g, double dd_eps = kExact) {
  using V = typename Bounded<R>::V;
  const V t = high(h.t.v);
  const Bounded<R> r = bounded(f, dd_eps, v_eps, g);
  V e = r.e;
  if constexpr (std::is_same_v<R, V>) e = vfma<V>(vabs(f), t * (1.5 * kU), e);  // what the rounding of t does to e^t
  return Bounded<R>(r.v, or_infinite<V>(t < 709.0, e));
}
template <class R>
HYPGEO_HD Bounded<R> coshq_at(const Bounded<R>& q, const Hyperbolic<R>& h) {
  using V = typename Bounded<R>::V;
  const R f = chosen<V>(high(q.v) <= 0x1p-200, constant<R>(1.0), cosh_of(h));
  return hyperbolic_bounded(f, h, 8.0 * kU, relative_slope(h, 0.5) * error_of(q));
}
template <class R>
HYPGEO_HD Bounded<R> sinhcq_at(const Bounded<R>& q, const Hyperbolic<R>& h) {
  using V = typename Bounded<R>::V;
  const R f = chosen<V>(high(q.v) <= 0x1p-200, constant<R>(1.0), sinhc_of(h));
  return hyperbolic_bounded(f, h, 16.0 * kU, relative_slope(h, 0.1667) * error_of(q));
}
template <class R>
HYPGEO_HD Bounded<R> dsinhcq_at(const Bounded<R>& q, const Hyperbolic<R>& h) {
  using V = typename Bounded<R>::V;
  constexpr double c[] = {0.0005952380952380953, 1.102292768958576e-05, 1.2526054220230178e-07, 9.635395497536696e-10,
                          5.36709070071758e-12};  // 2^-65
  const R far = over(tight(plus(cosh_of(h), -sinhc_of(h))), scaled(q.v, splat<V>(2.0)));
  const R f = slope_near(q.v, constant<R>(0.16666666666666666, 9.25185853854297e-18),
                         constant<R>(0.016666666666666666, 2.312964634635743e-19), c, far);
  return hyperbolic_bounded(f, h, 0x1p-46, relative_slope(h, 0.1) * error_of(q), 0x1p-56);
}

// tanh by w = e^(2t) - 1: tanh t = w/(w + 2), 1/cosh^2 t = 4 (w + 1)/(w + 2)^2; beyond t = 40 it is 1 and 0.
template <class R>
struct Tangent {
  Root<R> t;
  R w, inverse, tanhc;  // inverse = 1/(w + 2)
};
template <class R>
HYPGEO_HD Tangent<R> tangent(const R& q) {
  using V = typename Bounded<R>::V;
  const Root<R> t = rooted(kept_positive(q));
  const R w = expm1_of(scaled(chosen<V>(high(t.v) < 40.0, t.v, constant<R>(40.0)), splat<V>(2.0)));
  const R inverse = over(constant<R>(1.0), plus(w, splat<V>(2.0)));
  const R tanhc = over(times(w, inverse), t.v, t.inverse);
  return {t, w, inverse, chosen<V>(high(q) <= 0x1p-200, constant<R>(1.0), tanhc)};
}
// |f'/f| <= min(1/3, 1/(2q)) <= 0.71 f^2, and while g <= 1/16 not a third more at q - e.
template <class R>
HYPGEO_HD Bounded<R> tanhcq_at(const Bounded<R>& q, const Tangent<R>& a) {
  using V = typename Bounded<R>::V;
  const V f = high(a.tanhc);
  return bounded(a.tanhc, kExact, 16.0 * kU, (0.95 * f * f) * error_of(q));
}
template <class R>
HYPGEO_HD Bounded<R> dtanhcq_at(const Bounded<R>& q, const Tangent<R>& a) {
  using V = typename Bounded<R>::V;
  constexpr double c[] = {-0.1619047619047619,   0.08747795414461855,    -0.04431617764914727,  0.021552768196642418,
                          -0.010190839975144764, 0.004720205687827207,   -0.0021519986787441174, 0.0009679070791820315,
                          -0.000425876006351756, 0.00017151696557502028, -4.7059009416275334e-05};  // 2^-58
  const R square = times(scaled(plus(a.w, splat<V>(1.0)), splat<V>(4.0)), squared(a.inverse));
  const R sech2 = chosen<V>(high(a.t.v) < 40.0, square, constant<R>(0.0));
  const R far = over(tight(plus(sech2, -a.tanhc)), scaled(q.v, splat<V>(2.0)));
  const R f = slope_near(q.v, constant<R>(-0.3333333333333333, -1.850371707708594e-17),
                         constant<R>(0.26666666666666666, 3.7007434154171884e-18), c, far);
  const V t = high(a.tanhc);
  const Bounded<R> r = bounded(f, 0x1p-56, 0x1p-46, (2.8 * t * t) * error_of(q));
  return Bounded<R>(r.v, r.e + kTiny);
}

// While q < 1/8: asinh t = 2 atanh(t f), f = 1/(1 + sqrt(1 + q)).  Else log x, x = t + sqrt(1 + q).
template <class R>
struct Area {
  R asinhc;
  Root<R> secant;                  // sqrt(1 + q)
  typename Bounded<R>::V x, per_q;  // 1/q, nearly
};
template <class R>
HYPGEO_HD Area<R> area(const R& q) {
  using V = typename Bounded<R>::V;
  const Root<R> t = rooted(q), s = rooted(plus(q, splat<V>(1.0)));
  const Mask<V> small = high(q) < 0.125;
  const R x = plus(t.v, s.v);
  const Binary<V> b = binary<V>(high(x));
  const V k = select<V>(small, V{}, b.k);
  const R n = tight(plus(scaled(x, b.shrink), splat<V>(-1.0)));
  const R f = over(chosen<V>(small, constant<R>(1.0), n),
                   chosen<V>(small, plus(s.v, splat<V>(1.0)), plus(n, splat<V>(2.0))));
  const R z = times(squared(f), chosen<V>(small, q, constant<R>(1.0)));
  const R l = plus(times_ln2<R>(k), times(scaled(f, splat<V>(2.0)), atanh_series(z)));
  return {chosen<V>(small, l, over(l, t.v, t.inverse)), s, high(x), t.inverse * t.inverse};
}
// |f'/f| <= min(1/6, 1/(2q)), and |f''/f'| <= min(0.9, 3/(2q)).
template <class R>
HYPGEO_HD Bounded<R> asinhcq_at(const Bounded<R>& q, const Area<R>& a) {
  using V = typename Bounded<R>::V;
  const Bounded<R> r = bounded(a.asinhc, kExact, 12.0 * kU, vmin<V>(splat<V>(0.1667), 0.58 * a.per_q) * error_of(q));
  return Bounded<R>(r.v, or_infinite<V>(a.x < 0x1p500, r.e));
}
template <class R>
HYPGEO_HD Bounded<R> dasinhcq_at(const Bounded<R>& q, const Area<R>& a) {
  using V = typename Bounded<R>::V;
  constexpr double c[] = {-0.13392857142857142, 0.12152777777776823, -0.11186079545239817, 0.10411658634823258,
                          -0.09775389746448963, 0.09241416469923676, -0.0878501670823511,  0.0838514230385063,
                          -0.08000543198341135, 0.07484993658761223, -0.06440805007270178, 0.04366592077345643,
                          -0.01641628591255813};  // 2^-58
  const R cosine = over(constant<R>(1.0), a.secant.v, a.secant.inverse);
  const R far = over(tight(plus(cosine, -a.asinhc)), scaled(q.v, splat<V>(2.0)));
  const R f = slope_near(q.v, constant<R>(-0.16666666666666666, -9.25185853854297e-18),
                         constant<R>(0.15, 5.551115123125783e-18), c, far);
  const Bounded<R> r = bounded(f, 0x1p-56, 0x1p-46, vmin<V>(splat<V>(0.901), 1.75 * a.per_q) * error_of(q));
  return Bounded<R>(r.v, or_infinite<V>(a.x < 0x1p500, r.e + kTiny));
}

// While q < 0.03 the series; else atanh t = log(x)/2, x = (1 + t)^2/(1 - q) = 2^k m, 0.66 < m < 1.51: k from the bits,
// which are a logarithm to 0.0861 [J. N. Mitchell. Computer multiplication and division using binary logarithms. IRE
// Trans. Electron. Comput. EC-11 (1962)].
template <class R>
struct Beam {
  R atanhc, gap;                    // gap = 1 - q
  typename Bounded<R>::V per_gap;  // not below 1/gap, and at most some three times that
};
template <class R>
HYPGEO_HD Beam<R> beam(const R& q) {
  using V = typename Bounded<R>::V;
  const Root<R> t = rooted(q);
  const R onward = plus(t.v, splat<V>(1.0)), a = squared(onward), gap = tight(plus(-q, splat<V>(1.0)));
  const Bits<V> k = (to_bits(high(a)) - to_bits(high(gap)) + 0x0008000000000000u) >> 52;
  const V stretch = from_bits<V>((k + 1023) << 52);
  const R b = scaled(gap, stretch), s = over(tight(plus(a, -b)), plus(a, b));
  const Mask<V> small = high(q) < 0.03;
  const R series = atanh_series(chosen<V>(small, q, squared(s)));
  const R l = plus(times_ln2<R>(0.5 * exponent<V>(k, 0.0)), times(s, series));
  return {chosen<V>(small, series, over(l, t.v, t.inverse)), gap, (1.501 * stretch) * (1.0 - 0.75 * high(t.v))};
}
// 1/gap = 2^k m/(1 + t)^2 <= 2^k 1.501 (1 - 3t/4).  f' <= 1/(2 gap), f''/f' <= 1.2/gap; while g <= 1/16 a seventh more
// at q + e.
template <class R>
HYPGEO_HD Bounded<R> atanhcq_at(const Bounded<R>& q, const Beam<R>& a) {
  using V = typename Bounded<R>::V;
  const V g = (0.572 * a.per_gap) * error_of(q);
  const Bounded<R> r = bounded(a.atanhc, kExact, 16.0 * kU, V{});
  return Bounded<R>(r.v, or_infinite<V>((g <= 0.0625) & (high(a.gap) > 0x1p-900) & (high(a.gap) < 2.0), g + r.e));
}
template <class R>
HYPGEO_HD Bounded<R> datanhcq_at(const Bounded<R>& q, const Beam<R>& a) {
  using V = typename Bounded<R>::V;
  constexpr double c[] = {0.4285714285714286, 0.44444444444443226, 0.4545454545490849, 0.461538461112758,
                          0.46666669273676853, 0.47058727690964897, 0.4737071173308868, 0.4758168617696954,
                          0.48253964934095506, 0.4451148455254106, 0.6840429893253664, -0.34252685101434716,
                          2.7567679885624434, -3.418799951583155, 3.9009348852128736};  // 2^-57
  const R far = over(tight(plus(over(constant<R>(1.0), a.gap), -a.atanhc)), scaled(q.v, splat<V>(2.0)));
  const R f = slope_near(q.v, constant<R>(0.3333333333333333, 1.850371707708594e-17),
                         constant<R>(0.4, -2.2204460492503132e-17), c, far);
  const Bounded<R> r = bounded(f, 0x1p-56, 0x1p-46, (1.38 * a.per_gap) * error_of(q));
  return Bounded<R>(r.v, or_infinite<V>((high(a.gap) > 0x1p-900) & (high(a.gap) < 2.0), r.e));
}

// The functions themselves; those with two arguments also set the derivative, for little more than the value.
template <class R>
HYPGEO_FN Bounded<R> coshq(const Bounded<R>& q) {
  return coshq_at(q, hyperbolic(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> coshq(const Bounded<R>& q, Bounded<R>& slope) {
  const Hyperbolic<R> h = hyperbolic(q.v);
  slope = 0.5 * sinhcq_at(q, h);
  return coshq_at(q, h);
}
template <class R>
HYPGEO_FN Bounded<R> sinhcq(const Bounded<R>& q) {
  return sinhcq_at(q, hyperbolic(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> dsinhcq(const Bounded<R>& q) {
  return dsinhcq_at(q, hyperbolic(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> sinhcq(const Bounded<R>& q, Bounded<R>& slope) {
  const Hyperbolic<R> a = hyperbolic(q.v);
  slope = dsinhcq_at(q, a);
  return sinhcq_at(q, a);
}
template <class R>
HYPGEO_FN Bounded<R> tanhcq(const Bounded<R>& q) {
  return tanhcq_at(q, tangent(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> dtanhcq(const Bounded<R>& q) {
  return dtanhcq_at(q, tangent(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> tanhcq(const Bounded<R>& q, Bounded<R>& slope) {
  const Tangent<R> a = tangent(q.v);
  slope = dtanhcq_at(q, a);
  return tanhcq_at(q, a);
}
template <class R>
HYPGEO_FN Bounded<R> asinhcq(const Bounded<R>& q) {
  return asinhcq_at(q, area(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> dasinhcq(const Bounded<R>& q) {
  return dasinhcq_at(q, area(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> asinhcq(const Bounded<R>& q, Bounded<R>& slope) {
  const Area<R> a = area(q.v);
  slope = dasinhcq_at(q, a);
  return asinhcq_at(q, a);
}
template <class R>
HYPGEO_FN Bounded<R> atanhcq(const Bounded<R>& q) {
  return atanhcq_at(q, beam(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> datanhcq(const Bounded<R>& q) {
  return datanhcq_at(q, beam(q.v));
}
template <class R>
HYPGEO_FN Bounded<R> atanhcq(const Bounded<R>& q, Bounded<R>& slope) {
  const Beam<R> a = beam(q.v);
  slope = datanhcq_at(q, a);
  return atanhcq_at(q, a);
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
