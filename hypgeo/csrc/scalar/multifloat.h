// dd: an unevaluated sum hi + lo of two doubles, |lo| <= ulp(hi)/2, about 106 bits.
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

#include "config.h"

namespace hypgeo {

struct dd {
  double hi, lo;
  dd() = default;
  HYPGEO_HD dd(double h, double l = 0.0) : hi(h), lo(l) {}
  HYPGEO_HD explicit operator double() const { return hi; }
};

// ---- error-free transformations: the two parts are exactly the result

HYPGEO_HD dd fast_two_sum(double a, double b) {  // wants |a| >= |b| or a = 0
  const double s = a + b;
  return dd(s, b - (s - a));
}

HYPGEO_HD dd two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return dd(s, (a - (s - t)) + (b - t));
}

HYPGEO_HD dd two_diff(double a, double b) { return two_sum(a, -b); }

// Where the instruction set has a fused multiply-add it is two operations.  Elsewhere std::fma would be a library call,
// so the portable build splits by hand [D]: 17 operations that vectorise, exact likewise while |a|, |b| < 2^996.
HYPGEO_HD dd two_prod(double a, double b) {
  const double p = a * b;
#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__aarch64__)
  return dd(p, std::fma(a, b, -p));
#else
  const double ca = 134217729.0 * a, cb = 134217729.0 * b;  // 2^27 + 1
  const double ah = ca - (ca - a), bh = cb - (cb - b), al = a - ah, bl = b - bh;
  return dd(p, al * bl - (((p - ah * bh) - al * bh) - ah * bl));
#endif
}

// ---- arithmetic

HYPGEO_HD dd operator-(dd a) { return dd(-a.hi, -a.lo); }

HYPGEO_HD dd operator+(dd a, dd b) {  // [JMP] Alg. 6, AccurateDWPlusDW: 3u^2 + 13u^3
  const dd s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
  const dd v = fast_two_sum(s.hi, s.lo + t.hi);
  return fast_two_sum(v.hi, t.lo + v.lo);
}

HYPGEO_HD dd operator+(dd a, double b) {  // [JMP] Alg. 4, DWPlusFP: 2u^2
  const dd s = two_sum(a.hi, b);
  return fast_two_sum(s.hi, a.lo + s.lo);
}

HYPGEO_HD dd operator*(dd a, dd b) {  // [JMP] Alg. 10, DWTimesDW1: 5u^2 by [MR]; the same bits with and without FMA
  const dd c = two_prod(a.hi, b.hi);
  return fast_two_sum(c.hi, c.lo + (a.hi * b.lo + a.lo * b.hi));
}

HYPGEO_HD dd operator*(dd a, double b) {  // [JMP] Alg. 7, DWTimesFP1: 3/2 u^2 + 4u^3
  const dd c = two_prod(a.hi, b), t = fast_two_sum(c.hi, a.lo * b);
  return fast_two_sum(t.hi, t.lo + c.lo);
}

HYPGEO_HD dd operator/(dd a, dd b) {  // [JMP] Alg. 17, DWDivDW2: 15u^2 + 56u^3
  const double q = a.hi / b.hi;
  const dd r = b * q;
  return fast_two_sum(q, ((a.hi - r.hi) + (a.lo - r.lo)) / b.hi);
}

HYPGEO_HD dd sqrt(dd a) {  // [LLM] SQRTDWtoDW: 25/8 u^2; 0 for 0
  if (a.hi <= 0.0) return dd(std::sqrt(a.hi));
  const double s = std::sqrt(a.hi);
  const dd p = two_prod(s, s);
  const double rest = (a.hi - p.hi) - p.lo;  // exact: the remainder of a rounded square root is a double
  return fast_two_sum(s, (a.lo + rest) / (2.0 * s));
}

HYPGEO_HD dd operator+(double a, dd b) { return b + a; }
HYPGEO_HD dd operator-(dd a, dd b) { return a + (-b); }
HYPGEO_HD dd operator-(dd a, double b) { return a + (-b); }
HYPGEO_HD dd operator-(double a, dd b) { return (-b) + a; }
HYPGEO_HD dd operator*(double a, dd b) { return b * a; }
HYPGEO_HD dd operator/(dd a, double b) { return a / dd(b); }
HYPGEO_HD dd operator/(double a, dd b) { return dd(a) / b; }
HYPGEO_HD dd& operator+=(dd& a, dd b) { return a = a + b; }
HYPGEO_HD dd& operator-=(dd& a, dd b) { return a = a - b; }
HYPGEO_HD dd& operator*=(dd& a, dd b) { return a = a * b; }
HYPGEO_HD bool operator<(dd a, dd b) { return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo); }
HYPGEO_HD bool operator>(dd a, dd b) { return b < a; }
HYPGEO_HD dd abs(dd a) { return a.hi < 0.0 ? -a : a; }

// By a power of two, exactly.
HYPGEO_HD dd ldexp(dd a, int e) { return dd(std::ldexp(a.hi, e), std::ldexp(a.lo, e)); }

}  // namespace hypgeo
