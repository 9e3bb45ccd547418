// Bounded<R>: a number of type R (V or DD<V>) beside a bound e of its absolute error, carried through every operation.
//
// What e promises: |v - exact| <= e, where "exact" is the formula's value at the exact leaves.  A result may be trusted
// where e <= tolerance; whatever overflowed, left a domain or was NaN has e = inf or NaN, which compares false (so let
// the tolerance be finite).  Where the exact result of the whole formula is a domain error, v or e is NaN or infinite
// too.
//
// Every rounding is entered 2^-9 of itself too large (kU for u), and leaves should be given with as much to spare; that
// covers the roundings of e itself, 2^-50 an operation, in any formula.  Products of errors are kept, not dropped.
// Underflow of a product costs at most kTiny; where a factor is exactly zero it costs nothing, so that exact zeros stay
// exact (e = 0).
#pragma once

#include "multifloat.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

constexpr double kU = 0x1.01p-53;
constexpr double kTiny = 0x1p-1000;
constexpr double kLeast = 0x1p-1074;  // an error made smaller does not become none, or a zero would look exact
constexpr double kInf = __builtin_inf();

template <class R>
struct LanesIn {
  using type = R;
};
template <class V>
struct LanesIn<DD<V>> {
  using type = V;
};

template <class R>
struct Bounded {
  using V = typename LanesIn<R>::type;
  R v;
  V e;
  Bounded() = default;
  HYPGEO_HD explicit Bounded(double a) : v(splat<V>(a)), e(V{}) {}
  HYPGEO_HD Bounded(const R& value, const V& error) : v(value), e(error) {}
};

// ---- operations on central values, and the rounding error of each

template <IsLanes V>
HYPGEO_HD V high(V a) {
  return a;
}
template <class V>
HYPGEO_HD V high(const DD<V>& a) {
  return a.hi;
}

template <IsLanes V>
HYPGEO_HD V plus(V a, V b, V& err) {
  const V s = a + b;
  err = vabs(s) * kU;
  return s;
}
// [JMP] Alg. 5, SloppyDWPlusDW, which rounds twice: alo + blo, and w.
template <class V>
HYPGEO_HD DD<V> plus(const DD<V>& a, const DD<V>& b, V& err) {
  const DD<V> s = two_sum<V>(a.hi, b.hi);
  const V v = a.lo + b.lo, w = s.lo + v;
  err = (vabs(v) + vabs(w)) * kU;
  return fast_two_sum<V>(s.hi, w);
}
template <class V>
HYPGEO_HD DD<V> plus(const DD<V>& a, V b, V& err) {  // [JMP] Alg. 4, which rounds once
  const DD<V> s = two_sum<V>(a.hi, b);
  const V w = a.lo + s.lo;
  err = vabs(w) * kU;
  return fast_two_sum<V>(s.hi, w);
}

// The cost of underflow in a product: none where a factor is zero.
template <IsLanes V>
HYPGEO_HD V underflow(V abs_a, V abs_b) {
#if HYPGEO_FMA
  return vmin<V>(vmin<V>(abs_a, abs_b), splat<V>(kTiny));
#else
  return vmin<V>(8.0 * vmin<V>(abs_a, abs_b), splat<V>(kTiny));  // two_prod then rounds six times
#endif
}

template <IsLanes V>
HYPGEO_HD V times(V a, V b, V& err) {
  const V p = a * b;
  err = vfma<V>(vabs(p), splat<V>(kU), underflow<V>(vabs(a), vabs(b)));
  return p;
}
// [JMP] Alg. 11, DWTimesDW2 (Alg. 10 without FMA): 5u^2 by [MR].
template <class V>
HYPGEO_HD DD<V> times(const DD<V>& a, const DD<V>& b, V& err) {
  const DD<V> c = two_prod<V>(a.hi, b.hi), p = fast_two_sum<V>(c.hi, c.lo + vfma<V>(a.lo, b.hi, a.hi * b.lo));
  err = vfma<V>(vabs(p.hi), splat<V>(5.0 * kU * kU), underflow<V>(vabs(a.hi), vabs(b.hi)));
  return p;
}
template <class V>
HYPGEO_HD DD<V> times(const DD<V>& a, V b, V& err) {  // [JMP] Alg. 9, DWTimesFP3: 2u^2 (Alg. 8 without FMA: 3u^2)
  const DD<V> c = two_prod<V>(a.hi, b), p = fast_two_sum<V>(c.hi, vfma<V>(a.lo, b, c.lo));
  err = vfma<V>(vabs(p.hi), splat<V>(3.0 * kU * kU), underflow<V>(vabs(a.hi), vabs(b)));
  return p;
}

// Quotients by r = reciprocal(b) (9/8 u), one for value and bound.
template <IsLanes V>
HYPGEO_HD V over(V a, V, V r, V& err) {
  const V q = a * r;
  err = vabs(q) * (2.25 * kU);
  return q;
}
// After the rounded quotient q (9/4 u) the remainder a - q b is at most 21/4 u|a|: forming it in three roundings costs
// 21/2 u^2, its product with r (of relative error 9/4 u, for 1/b.hi in place of 1/b) 17u^2.
template <class V>
HYPGEO_HD DD<V> quotient(const DD<V>& a, const DD<V>& b, V r) {
  const V q = a.hi * r;
#if HYPGEO_FMA
  return DD<V>(q, (vfma<V>(-q, b.hi, a.hi) + vfma<V>(-q, b.lo, a.lo)) * r);
#else
  const DD<V> p = two_prod<V>(q, b.hi);
  return DD<V>(q, (((a.hi - p.hi) - p.lo) + (a.lo - q * b.lo)) * r);
#endif
}
template <class V>
HYPGEO_HD DD<V> over(const DD<V>& a, const DD<V>& b, V r, V& err) {
  const DD<V> rough = quotient<V>(a, b, r), q = fast_two_sum<V>(rough.hi, rough.lo);
  err = vabs(q.hi) * (28.0 * kU * kU);
  return q;
}

// Square roots of a >= 0 from s (17/16 u) and h, half its reciprocal (5/2 u).
template <IsLanes V>
HYPGEO_HD V root(V, V s, V, V& err) {
  err = s * (1.0625 * kU);
  return s;
}
// As [LLM] SQRTDWtoDW, 25/8 u^2, but for s that is not quite rounded and the product with h in place of a division: the
// correction, at most 17/8 u of the root, errs by 7/2 u of itself, 15/2 u^2 in all where a division errs by 2u^2.
template <class V>
HYPGEO_HD DD<V> square_root(const DD<V>& a, V s, V h) {
#if HYPGEO_FMA
  const V rest = vfma<V>(-s, s, a.hi);
#else
  const DD<V> p = two_prod<V>(s, s);
  const V rest = (a.hi - p.hi) - p.lo;
#endif
  return DD<V>(s, (a.lo + rest) * h);
}
template <class V>
HYPGEO_HD DD<V> root(const DD<V>& a, V s, V h, V& err) {
  err = s * (10.0 * kU * kU);
  const DD<V> r = square_root<V>(a, s, h);
  return fast_two_sum<V>(r.hi, r.lo);
}

// ---- arithmetic

template <class R>
HYPGEO_HD Bounded<R> operator-(const Bounded<R>& a) {
  return Bounded<R>(-a.v, a.e);
}
template <class R>
HYPGEO_HD Bounded<R> operator+(const Bounded<R>& a, const Bounded<R>& b) {
  typename Bounded<R>::V err;
  const R s = plus(a.v, b.v, err);
  return Bounded<R>(s, (a.e + b.e) + err);
}
template <class R>
HYPGEO_HD Bounded<R> operator+(const Bounded<R>& a, double b) {
  using V = typename Bounded<R>::V;
  V err;
  const R s = plus(a.v, splat<V>(b), err);
  return Bounded<R>(s, a.e + err);
}
template <class R>
HYPGEO_HD Bounded<R> operator*(const Bounded<R>& a, const Bounded<R>& b) {
  using V = typename Bounded<R>::V;
  V err;
  const R p = times(a.v, b.v, err);
  const V most_a = vabs(high(a.v)) + a.e, abs_b = vabs(high(b.v));
  // the last term: an error whose product underflows here
  return Bounded<R>(p, vfma<V>(most_a, b.e, vfma<V>(abs_b, a.e, err)) + underflow<V>(most_a, abs_b + b.e));
}
template <class R>
HYPGEO_HD Bounded<R> operator*(const Bounded<R>& a, double b) {
  using V = typename Bounded<R>::V;
  V err;
  const R p = times(a.v, splat<V>(b), err);
  return Bounded<R>(p, vfma<V>(splat<V>(std::fabs(b)), a.e, err) + vmin<V>(a.e, splat<V>(kLeast)));
}
// |a/b - q| <= (a.e + |q| b.e) / (|b| - b.e), and 1/(1 - g) <= 1 + 2g for g = b.e/|b| <= 1/2.  |b| beyond 2^899 (r
// nearly subnormal) raises g too.
template <class R>
HYPGEO_HD Bounded<R> operator/(const Bounded<R>& a, const Bounded<R>& b) {
  using V = typename Bounded<R>::V;
  const V abs_b = vabs(high(b.v)), r = reciprocal<V>(high(b.v)), abs_r = vabs(r);
  V err;
  const R q = over(a.v, b.v, r, err);
  const V tiny = vmin<V>(vabs(high(a.v)), splat<V>(kTiny));
  const V g = vfma<V>(b.e, abs_r, abs_b * 0x1p-900);
  const V w = (vfma<V>(vabs(high(q)), b.e, a.e) + tiny) * abs_r;
  const V e = (1.0 + 2.0 * g) * w + (err + tiny) + vmin<V>(a.e, splat<V>(kLeast));
  return Bounded<R>(q, select<V>(g <= 0.5, e, splat<V>(kInf)));
}
// |sqrt(x) - s| = |x - a| / (sqrt(x) + s) <= w (1 + 4 w h), w = h a.e, wherever x >= 0; where x might be negative, inf.
template <class R>
HYPGEO_HD Bounded<R> sqrt(const Bounded<R>& a) {
  using V = typename Bounded<R>::V;
  const V x = high(a.v);
  const RootOf<V> s = vroot<V>(x);
  const V h = s.half_inverse;
  V err;
  const R v = root(a.v, s.root, h, err);
  const V w = (a.e + vmin<V>(x, splat<V>(kTiny))) * h;
  return Bounded<R>(v, select<V>(a.e <= x, vfma<V>(w, 4.0 * h, splat<V>(1.0)) * w + err, splat<V>(kInf)));
}
template <class R>
HYPGEO_HD Bounded<R> sqr(const Bounded<R>& a) {
  return a * a;
}

template <class R>
HYPGEO_HD Bounded<R> operator+(double a, const Bounded<R>& b) {
  return b + a;
}
template <class R>
HYPGEO_HD Bounded<R> operator-(const Bounded<R>& a, const Bounded<R>& b) {
  return a + (-b);
}
template <class R>
HYPGEO_HD Bounded<R> operator-(const Bounded<R>& a, double b) {
  return a + (-b);
}
template <class R>
HYPGEO_HD Bounded<R> operator-(double a, const Bounded<R>& b) {
  return (-b) + a;
}
template <class R>
HYPGEO_HD Bounded<R> operator*(double a, const Bounded<R>& b) {
  return b * a;
}
template <class R>
HYPGEO_HD Bounded<R> operator/(const Bounded<R>& a, double b) {
  return a / Bounded<R>(b);
}
template <class R>
HYPGEO_HD Bounded<R> operator/(double a, const Bounded<R>& b) {
  return Bounded<R>(a) / b;
}

// ---- choices

template <class R>
using MaskOf = Mask<typename Bounded<R>::V>;

template <class R>
HYPGEO_HD MaskOf<R> operator<(const Bounded<R>& a, const Bounded<R>& b) {
  return a.v < b.v;
}
template <class R>
HYPGEO_HD MaskOf<R> operator<(const Bounded<R>& a, double b) {
  return a < Bounded<R>(b);
}
template <class R>
HYPGEO_HD MaskOf<R> operator<(double a, const Bounded<R>& b) {
  return Bounded<R>(a) < b;
}
template <class R>
HYPGEO_HD Bounded<R> select(const MaskOf<R>& m, const Bounded<R>& a, const Bounded<R>& b) {
  using V = typename Bounded<R>::V;
  if constexpr (std::is_same_v<R, V>) {
    return Bounded<R>(select<V>(m, a.v, b.v), select<V>(m, a.e, b.e));
  } else {
    return Bounded<R>(select(m, a.v, b.v), select<V>(m, a.e, b.e));
  }
}
// a w, but exactly zero where a is, even if w is infinite or NaN.
template <class R>
HYPGEO_HD Bounded<R> times_or_zero(const Bounded<R>& a, const Bounded<R>& w) {
  return select((high(a.v) == 0.0) & (a.e == 0.0), Bounded<R>(0.0), a * w);
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
