// DD: an unevaluated sum hi + lo of two doubles (or vectors of them), |lo| <= ulp(hi)/2, about 106 bits.
//
// The algorithms and the bounds beside them (relative, u = 2^-53, barring overflow and underflow) are those of
//   [JMP] M. Joldes, J.-M. Muller, V. Popescu. Tight and rigorous error bounds for basic building blocks of
//         double-word arithmetic. ACM Trans. Math. Softw. 44 (2017), 15.
//   [MR]  J.-M. Muller, L. Rideau. Formalization of double-word arithmetic. ACM Trans. Math. Softw. 48 (2022), 9.
//   [LLM] V. Lefevre, N. Louvet, J.-M. Muller, J. Picot, L. Rideau. Accurate calculation of Euclidean norms using
//         double-word arithmetic. ACM Trans. Math. Softw. 49 (2023), 1.
//   [D]   T. J. Dekker. A floating-point technique for extending the available precision. Numer. Math. 18 (1971).
// They hold only without contraction (-ffp-contract=off, nvcc --fmad=false) and without fast-math.  Values must be
// finite: an infinite hi leaves a NaN in lo.
#pragma once

#include "lanes.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

template <class V>
struct DD {
  V hi, lo;
  DD() = default;
  HYPGEO_HD DD(V h) : hi(h), lo(V{}) {}
  HYPGEO_HD DD(V h, V l) : hi(h), lo(l) {}
  HYPGEO_HD explicit DD(double h)
    requires(lanes_of<V> > 1)
      : hi(splat<V>(h)), lo(V{}) {}
  HYPGEO_HD explicit operator double() const
    requires(lanes_of<V> == 1)
  {
    return hi;
  }
};
using dd = DD<double>;

// ---- error-free transformations: the two parts are exactly the result

template <IsLanes V>
HYPGEO_HD DD<V> fast_two_sum(V a, V b) {  // wants |a| >= |b| or a = 0
  const V s = a + b;
  return DD<V>(s, b - (s - a));
}

template <IsLanes V>
HYPGEO_HD DD<V> two_sum(V a, V b) {
  const V s = a + b, t = s - a;
  return DD<V>(s, (a - (s - t)) + (b - t));
}

template <IsLanes V>
HYPGEO_HD DD<V> two_diff(V a, V b) {
  return two_sum<V>(a, -b);
}

// Where the instruction set has a fused multiply-add it is two operations.  Elsewhere std::fma would be a library call,
// so the portable build splits by hand [D]: 17 operations that vectorise, exact likewise while |a|, |b| < 2^996.
template <IsLanes V>
HYPGEO_HD DD<V> two_prod(V a, V b) {
  const V p = a * b;
#if HYPGEO_FMA
  return DD<V>(p, vfma<V>(a, b, -p));
#else
  const V ca = 134217729.0 * a, cb = 134217729.0 * b;  // 2^27 + 1
  const V ah = ca - (ca - a), bh = cb - (cb - b), al = a - ah, bl = b - bh;
  return DD<V>(p, al * bl - (((p - ah * bh) - al * bh) - ah * bl));
#endif
}

// ---- arithmetic

template <class V>
HYPGEO_HD DD<V> operator-(const DD<V>& a) {
  return DD<V>(-a.hi, -a.lo);
}

template <class V>
HYPGEO_HD DD<V> operator+(const DD<V>& a, const DD<V>& b) {  // [JMP] Alg. 6, AccurateDWPlusDW: 3u^2 + 13u^3
  const DD<V> s = two_sum<V>(a.hi, b.hi), t = two_sum<V>(a.lo, b.lo);
  const DD<V> v = fast_two_sum<V>(s.hi, s.lo + t.hi);
  return fast_two_sum<V>(v.hi, t.lo + v.lo);
}

template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator+(const DD<V>& a, T b) {  // [JMP] Alg. 4, DWPlusFP: 2u^2
  const DD<V> s = two_sum<V>(a.hi, splat<V>(b));
  return fast_two_sum<V>(s.hi, a.lo + s.lo);
}

template <class V>
HYPGEO_HD DD<V> operator*(const DD<V>& a, const DD<V>& b) {  // [JMP] Alg. 10, DWTimesDW1: 5u^2 by [MR]
  const DD<V> c = two_prod<V>(a.hi, b.hi);                   // the same bits with and without FMA
  return fast_two_sum<V>(c.hi, c.lo + (a.hi * b.lo + a.lo * b.hi));
}

template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator*(const DD<V>& a, T b) {  // [JMP] Alg. 7, DWTimesFP1: 3/2 u^2 + 4u^3
  const DD<V> c = two_prod<V>(a.hi, splat<V>(b)), t = fast_two_sum<V>(c.hi, a.lo * splat<V>(b));
  return fast_two_sum<V>(t.hi, t.lo + c.lo);
}

template <class V>
HYPGEO_HD DD<V> operator/(const DD<V>& a, const DD<V>& b) {  // [JMP] Alg. 17, DWDivDW2: 15u^2 + 56u^3
  const V q = a.hi / b.hi;
  const DD<V> r = b * q;
  return fast_two_sum<V>(q, ((a.hi - r.hi) + (a.lo - r.lo)) / b.hi);
}

template <class V>
HYPGEO_HD DD<V> sqrt(const DD<V>& a) {  // [LLM] SQRTDWtoDW: 25/8 u^2; 0 for 0
  const V s = vsqrt<V>(a.hi);
  const Mask<V> some = s > 0.0;
  const DD<V> p = two_prod<V>(s, s);
  const V rest = (a.hi - p.hi) - p.lo;  // exact: the remainder of a rounded square root is a double
  const DD<V> r = fast_two_sum<V>(s, (a.lo + rest) / select<V>(some, 2.0 * s, splat<V>(1.0)));
  return DD<V>(select<V>(some, r.hi, s), select<V>(some, r.lo, V{}));
}

template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator+(T a, const DD<V>& b) {
  return b + a;
}
template <class V>
HYPGEO_HD DD<V> operator-(const DD<V>& a, const DD<V>& b) {
  return a + (-b);
}
template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator-(const DD<V>& a, T b) {
  return a + (-b);
}
template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator-(T a, const DD<V>& b) {
  return (-b) + a;
}
template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator*(T a, const DD<V>& b) {
  return b * a;
}
template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator/(const DD<V>& a, T b) {
  return a / DD<V>(splat<V>(b));
}
template <class V, ToLanes<V> T>
HYPGEO_HD DD<V> operator/(T a, const DD<V>& b) {
  return DD<V>(splat<V>(a)) / b;
}
template <class V>
HYPGEO_HD DD<V>& operator+=(DD<V>& a, const DD<V>& b) {
  return a = a + b;
}
template <class V>
HYPGEO_HD DD<V>& operator-=(DD<V>& a, const DD<V>& b) {
  return a = a - b;
}
template <class V>
HYPGEO_HD DD<V>& operator*=(DD<V>& a, const DD<V>& b) {
  return a = a * b;
}
template <class V>
HYPGEO_HD Mask<V> operator<(const DD<V>& a, const DD<V>& b) {
  return (a.hi < b.hi) | ((a.hi == b.hi) & (a.lo < b.lo));
}
template <class V>
HYPGEO_HD Mask<V> operator>(const DD<V>& a, const DD<V>& b) {
  return b < a;
}
template <class V>
HYPGEO_HD DD<V> select(const Mask<V>& m, const DD<V>& a, const DD<V>& b) {
  return DD<V>(select<V>(m, a.hi, b.hi), select<V>(m, a.lo, b.lo));
}

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
