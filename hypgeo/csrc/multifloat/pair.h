// Numbers of two doubles, one at a time and at all exponents: what a thread of a GPU computes.
//
// Where nothing overflows and nothing is lost below float64's exponents these are the operations of
// scalar/multifloat.h with the bounds that stand there; elsewhere the operands are brought near 1 by powers of two, and
// the result back.  nan and infinities stand in the first component, with a second one of 0.
#pragma once

#include "../scalar/multifloat.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace pair {

enum class Op : int { kAdd = 0, kSub = 1, kMul = 2, kDiv = 3, kReciprocal = 6, kSqrt = 7 };  // as in job.h

HYPGEO_HD bool is_finite(double a) { return a - a == 0.0; }
HYPGEO_HD dd alone(double a) { return dd(a, 0.0); }

// a 2^k: each component is rounded where it falls below float64's exponents.
HYPGEO_HD dd moved(const dd& a, int k) {
  const double hi = std::ldexp(a.hi, k);
  if (!is_finite(hi)) return alone(hi);
  const dd r = two_sum<double>(hi, std::ldexp(a.lo, k));
  return is_finite(r.hi) ? r : alone(r.hi);
}
struct Scaled {
  dd m;
  int e;
};
// a = m 2^e with m.hi in [1/2, 1), e even where that is asked for; a is finite and not 0.
HYPGEO_HD Scaled scaled(const dd& a, bool even = false) {
  int e;
  std::frexp(a.hi, &e);
  e += even && (e & 1);
  return {dd(std::ldexp(a.hi, -e), std::ldexp(a.lo, -e)), e};
}
HYPGEO_HD bool within(double a, double low, double high) { return std::fabs(a) > low && std::fabs(a) < high; }

HYPGEO_HD dd sum(const dd& x, const dd& y) {
  const dd r = x + y;
  if (is_finite(r.hi + r.lo)) return r;
  if (!is_finite(x.hi) || !is_finite(y.hi)) return alone(x.hi + y.hi);
  return moved(moved(x, -8) + moved(y, -8), 8);
}
HYPGEO_HD dd product(const dd& x, const dd& y) {
  const double size = x.hi * y.hi;
  if (!is_finite(x.hi) || !is_finite(y.hi) || x.hi == 0.0 || y.hi == 0.0) return alone(size);
  if (within(size, 0x1p-900, 0x1p900) && within(x.hi, 0.0, 0x1p900) && within(y.hi, 0.0, 0x1p900)) return x * y;
  const Scaled a = scaled(x), b = scaled(y);
  return moved(a.m * b.m, a.e + b.e);
}
HYPGEO_HD dd quotient(const dd& x, const dd& y) {
  if (!is_finite(x.hi) || !is_finite(y.hi) || x.hi == 0.0 || y.hi == 0.0) return alone(x.hi / y.hi);
  const Scaled a = scaled(x), b = scaled(y);
  return moved(a.m / b.m, a.e - b.e);
}
HYPGEO_HD dd root(const dd& x) {
  if (!is_finite(x.hi) || x.hi <= 0.0) return alone(std::sqrt(x.hi));
  const Scaled a = scaled(x, true);
  return moved(sqrt(a.m), a.e / 2);
}

HYPGEO_HD dd evaluate(Op op, const dd& x, const dd& y) {
  switch (op) {
    case Op::kAdd: return sum(x, y);
    case Op::kSub: return sum(x, -y);
    case Op::kMul: return product(x, y);
    case Op::kDiv: return quotient(x, y);
    case Op::kReciprocal: return quotient(dd(1.0), x);
    case Op::kSqrt: return root(x);
  }
  return x;
}

}  // namespace pair
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
