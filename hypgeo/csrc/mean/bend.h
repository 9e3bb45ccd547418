// Vectors of doubles and of pairs for the means: a cheap twofold arithmetic, the logarithm, and r / sinh r.
#pragma once

#include "../scalar/multifloat.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

constexpr int L = kLanes;
using V = Vec<L>;
using M = Mask<V>;
using P = DD<V>;

HYPGEO_HD V mad(V a, V b, V c) { return vfma<V>(a, b, c); }
HYPGEO_HD bool any(M m) {
  bool r = false;
  for (int l = 0; l < L; ++l) r |= bool(m[l]);
  return r;
}
HYPGEO_HD double sum(V a) {
  for (int n = L / 2; n; n /= 2)
    for (int i = 0; i < n; ++i) a[i] += a[i + n];
  return a[0];
}

// ---- pair arithmetic: hi + lo without renormalisation, relative error a few 2^-104 of the largest intermediate
// (M. Lange, S. Rump. Faithfully rounded floating-point computations. ACM Trans. Math. Softw. 46 (2020), 21).
HYPGEO_HD P add(P a, P b) {
  P s = two_sum<V>(a.hi, b.hi);
  s.lo += a.lo + b.lo;
  return s;
}
HYPGEO_HD P mul(P a, P b) {
  P p = two_prod<V>(a.hi, b.hi);
  p.lo += mad(a.hi, b.lo, a.lo * b.hi);
  return p;
}
HYPGEO_HD P mul(P a, V b) {
  P p = two_prod<V>(a.hi, b);
  p.lo = mad(a.lo, b, p.lo);
  return p;
}
HYPGEO_HD P square(P a) {
  P p = two_prod<V>(a.hi, a.hi);
  p.lo = mad(a.hi + a.hi, a.lo, p.lo);
  return p;
}
HYPGEO_HD P div(P a, P b) {
  const V inv = 1.0 / b.hi, q = a.hi * inv;
  const P p = two_prod<V>(q, b.hi);
  return P(q, (((a.hi - p.hi) - p.lo) + (a.lo - q * b.lo)) * inv);
}
HYPGEO_HD P root(P a) {
  const V s = vsqrt<V>(a.hi);
  const P p = two_prod<V>(s, s);
  return P(s, (((a.hi - p.hi) - p.lo) + a.lo) / select<V>(s > 0.0, s + s, splat<V>(1.0)));
}
HYPGEO_HD P tidy(P a) { return two_sum<V>(a.hi, a.lo); }

// ---- log(1 + u), u >= 0: 1 + u = 2^k (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1], log(1 + f) = 2 artanh(f / (2 + f))
struct Split {
  V scale, k;  // 2^-k and k
};
HYPGEO_HD Split exponent(V u) {
  const Bits<V> b = (to_bits<V>(1.0 + u) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu)) >> 52;
  return {from_bits<V>((2046 - b) << 52), from_bits<V>(b | 0x4330000000000000u) - (0x1p52 + 1023)};
}
// sum from n = first to 11 of t^(n - first) / (2n + 1); t <= 0.0295, so that what is left out is below 2^-65 of artanh.
template <int first>
HYPGEO_HD V artanh_tail(V t) {
  V p = splat<V>(1.0 / 23);
#pragma GCC unroll 16
  for (int n = 10; n >= first; --n) p = mad(p, t, splat<V>(1.0 / (2 * n + 1)));
  return p;
}
HYPGEO_HD V log1p_of(V u) {
  const Split e = exponent(u);
  const V f = mad(u, e.scale, e.scale - 1.0), s = f / (2.0 + f), t = s * s;
  return mad(e.k, splat<V>(0x1.62e42fefa39efp-1), 2.0 * mad(s * t, artanh_tail<1>(t), s));
}
HYPGEO_HD P log1p_of(P u) {  // relative error below 2^-64
  const Split e = exponent(u.hi);
  P f = two_sum<V>(e.scale - 1.0, u.hi * e.scale);
  f.lo = mad(u.lo, e.scale, f.lo);
  const P s = div(f, add(f, P(splat<V>(2.0)))), t = square(s);
  P tail = add(P(splat<V>(0x1.5555555555555p-2), splat<V>(0x1.5555555555555p-56)), P(t.hi * artanh_tail<2>(t.hi)));
  tail = add(s, mul(mul(s, t), tail));
  P r = two_prod<V>(e.k, splat<V>(0x1.62e42fefa39efp-1));
  r.lo = mad(e.k, splat<V>(0x1.abc9e3b39803fp-56), r.lo);
  return add(r, P(tail.hi + tail.hi, tail.lo + tail.lo));
}

// ---- functions of h = sinh^2(r/2)
constexpr double kFlat = 0x1p-500;  // of sinh r, whose inverse square would be infinite: A = 1 to every digit
constexpr double kFar = 0x1p400;    // of h, whose square would be: 1 + 1 / h is 1 to every digit
constexpr double kLess = 0x1p-300, kLogLess = 0x1.9fe3682cd3be4p+7;  // and minus its logarithm, 300 log 2
struct Bend {
  V a, across, inv;  // A = r / sinh r, r coth r, 1 / sinh r
  // (1 - r coth r) (by / sinh r)^2, whose factors may leave the range of double
  HYPGEO_HD V lean(V by) const {
    const V part = by * inv;
    return (1.0 - across) * (part * part);
  }
};
HYPGEO_HD Bend bend(V h) {
  const M near = h < kFar;
  const V root = vsqrt<V>(select<V>(near, h * (1.0 + h), splat<V>(1.0))), z = select<V>(near, root, h);
  const V r = log1p_of(select<V>(near, 2.0 * (h + z), h * (4.0 * kLess))) + select<V>(near, V{}, splat<V>(kLogLess));
  const M some = z > kFlat;
  const V half = 0.5 / select<V>(some, z, splat<V>(1.0)), a = select<V>(some, r * half, splat<V>(1.0));
  const V across = mad(2.0 * h, a, a);
  return {a, across, half};
}
// The same with A as a pair.
HYPGEO_HD Bend bend(P h, P& a) {
  const M near = h.hi < kFar;
  const P some_h(select<V>(near, h.hi, splat<V>(1.0)), select<V>(near, h.lo, V{}));
  P z = root(mul(some_h, add(some_h, P(splat<V>(1.0)))));
  z = P(select<V>(near, z.hi, h.hi), select<V>(near, z.lo, h.lo));
  const V by = select<V>(near, splat<V>(1.0), splat<V>(kLess));
  const P v = add(mul(h, by), mul(z, by));
  P r = log1p_of(P(v.hi + v.hi, v.lo + v.lo));
  r = add(r, P(select<V>(near, V{}, splat<V>(kLogLess)), select<V>(near, V{}, splat<V>(0x1.4aa84b6b3b125p-47))));
  const M some = z.hi > kFlat;
  z.hi = select<V>(some, z.hi + z.hi, splat<V>(1.0));
  z.lo = select<V>(some, z.lo + z.lo, V{});
  a = div(r, z);
  a.hi = select<V>(some, a.hi, splat<V>(1.0));
  a.lo = select<V>(some, a.lo, V{});
  const V half = 1.0 / z.hi, across = mad(2.0 * h.hi, a.hi, a.hi);
  return {a.hi, across, half};
}

// dA/dh = (1 - r coth r) / (2 h (1 + h)); near 0, where that cancels, from A = sum (-1)^n a_n h^n with
// a_n = 4^n n!^2 / (2n + 1)! (the arcsine's series); below h = 1/8 the 19 terms leave out less than 2^-53.
template <int first>  // sum from n = first to 19 of (-1)^n n a_n h^(n - first)
HYPGEO_HD V slope_series(V h) {
  constexpr auto table = [] {
    struct { double c[20]; } t{};
    double a = 1.0;
    for (int n = 0; n < 20; ++n) {
      t.c[n] = (n % 2 ? -1 : 1) * a * n;
      a *= (2.0 * n + 2.0) / (2.0 * n + 3.0);
    }
    return t;
  }();
  V p = splat<V>(table.c[19]);
  for (int n = 18; n >= first; --n) p = mad(p, h, splat<V>(table.c[n]));
  return p;
}
// Times `by` and `more`, in an order that stays within the range of double where h is huge.
HYPGEO_HD V slope_of(const Bend& b, V h, V by, V more) {
  const V far = 2.0 * (1.0 - b.across) * (b.inv * by) * (b.inv * more);
  return select<V>(h < 0.125, slope_series<1>(h) * by * more, far);
}
// The same to a few 2^-64 of A, from h and r coth r in pairs; below h = 1/32 the series, two of its terms in pairs.
HYPGEO_HD P slope_of(P h, P across) {
  const P one(splat<V>(1.0));
  const V tail = h.hi * slope_series<3>(h.hi);
  P near = add(P(splat<V>(0x1.1111111111111p+0), splat<V>(0x1.1111111111111p-56)), P(tail));
  near = add(P(splat<V>(-0x1.5555555555555p-1), splat<V>(-0x1.5555555555555p-55)), mul(h, near));
  const M small = h.hi < 0.03125;
  P below = mul(h, add(one, h));
  below.hi = select<V>(small, splat<V>(1.0), below.hi);
  below.lo = select<V>(small, V{}, below.lo);
  const P far = div(add(one, -across), P(2.0 * below.hi, 2.0 * below.lo));
  return P(select<V>(small, near.hi, far.hi), select<V>(small, near.lo, far.lo));
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
