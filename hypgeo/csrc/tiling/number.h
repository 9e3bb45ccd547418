// Numbers of tilings: integers in limbs of 24 bits, and twofold doubles with an exponent of any size.
//
// A row of doubles holds an integer as signed digits to the base 2^24, each in [-2^23, 2^23), the lowest first; this
// balanced expansion is unique.  `Wide` is m 2^e: two-component m (scalar/multifloat.h), about 2^-104 a rounding.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "../scalar/multifloat.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace tiling {

__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

constexpr int kBits = 24;
constexpr double kHalf = 8388608.0;          // 2^23: limbs lie in [-kHalf, kHalf)
constexpr int64_t kFarthest = int64_t(1) << 23;  // |j| and the number of limbs stay below
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// ---- powers of two

// x = m 2^result, |m| in [1/2, 1); 0 for 0.
inline int exponent(double x) {
  const int biased = int(std::bit_cast<uint64_t>(x) >> 52 & 2047);
  if (biased == 0) {
    int e;
    std::frexp(x, &e);
    return e;
  }
  return biased - 1022;
}
// x 2^e for any e, rounded once.
inline double scale(double x, int64_t e) {
  if (e >= -1000 && e <= 1000) {
    const int moved = exponent(x) + int(e);
    if (moved > -1000 && moved < 1000) return x * std::bit_cast<double>(uint64_t(1023 + e) << 52);
  }
  return std::ldexp(x, e > 5000 ? 5000 : e < -5000 ? -5000 : int(e));
}
inline dd scale(const dd& x, int64_t e) { return dd(scale(x.hi, e), scale(x.lo, e)); }

inline dd to_dd(i128 a) {
  if (a == i128(int64_t(a))) {
    const int64_t b = int64_t(a), top = (b >> 32) * (int64_t(1) << 32);
    return two_sum<double>(double(top), double(b - top));
  }
  const double hi = double(a);
  return dd(hi, double(a - i128(hi)));
}

// ---- m 2^e, with |m.hi| in [1/2, 1), or m = 0

struct Wide {
  dd m;
  int64_t e = 0;
  Wide() : m(0.0) {}
  Wide(double x) : Wide(dd(x)) {}
  explicit Wide(const dd& x, int64_t power = 0) {
    const int k = exponent(x.hi);
    m = x.hi == 0.0 ? dd(0.0) : scale(x, -k);
    e = x.hi == 0.0 ? 0 : k + power;
  }
  bool zero() const { return m.hi == 0.0; }
  double value() const { return scale(m.hi, e); }
};

inline Wide operator-(const Wide& a) {
  Wide r = a;
  r.m = -a.m;
  return r;
}
inline Wide operator*(const Wide& a, const Wide& b) { return Wide(a.m * b.m, a.e + b.e); }
inline Wide operator/(const Wide& a, const Wide& b) { return Wide(a.m / b.m, a.e - b.e); }
inline Wide operator+(const Wide& a, const Wide& b) {
  if (b.zero()) return a;
  if (a.zero()) return b;
  const Wide &p = a.e >= b.e ? a : b, &q = a.e >= b.e ? b : a;
  if (p.e - q.e > 300) return p;
  return Wide(p.m + scale(q.m, q.e - p.e), p.e);
}
inline Wide operator-(const Wide& a, const Wide& b) { return a + (-b); }
inline Wide sqrt(const Wide& a) {
  const int64_t odd = a.e & 1;
  return Wide(sqrt(scale(a.m, odd)), (a.e - odd) / 2);
}
inline Wide twice(const Wide& a, int64_t k = 1) {
  Wide r = a;
  r.e += a.zero() ? 0 : k;
  return r;
}

// ---- elementary functions

inline dd ln2() { return dd(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56); }  // 2^-110

// exp(a) - 1 for |a| < 0.36, relative error about 2^-98: halved nine times, Taylor, nine doublings.
inline dd expm1_small(const dd& a) {
  const dd r = scale(a, -9);
  const double x = r.hi, tail = x * (1.0 / 120 + x * (1.0 / 720 + x * (1.0 / 5040 + x * (1.0 / 40320))));
  const dd third(0x1.5555555555555p-3, 0x1.5555555555555p-57), fourth(0x1.5555555555555p-5, 0x1.5555555555555p-59);
  dd sum = r + r * r * (dd(0.5) + r * (third + r * (fourth + tail)));
  for (int i = 0; i < 9; ++i) sum = sum * (sum + 2.0);  // expm1(2r) = expm1(r) (expm1(r) + 2)
  return sum;
}
// exp(a), |a| < 2^30: relative error 2^-97 + |a| 2^-106.
inline Wide exp(const dd& a) {
  const double k = std::nearbyint(a.hi * 1.4426950408889634);
  const dd r = a - ln2() * k;
  return Wide(expm1_small(r) + 1.0, int64_t(k));
}
// 1 - exp(-a), a >= 0.
inline Wide fall(const dd& a) {
  if (a.hi < 0.35) return -Wide(expm1_small(-a));
  return Wide(1.0) - exp(-a);
}

// asinh(h), h >= 0, within 3/2 ulp as far as the library's log1p is within one.
inline double asinh(const Wide& h) {
  if (h.e > 80) {
    const dd top = ln2() * double(h.e + 1);
    return top.hi + (top.lo + std::log(h.m.hi));
  }
  if (h.e < -60) return h.value();
  const dd v = scale(h.m, h.e), q = v * v, y = v + q / (sqrt(q + 1.0) + 1.0);
  return std::log1p(y.hi) + y.lo / (1.0 + y.hi);
}

// ---- limbs

inline int64_t limb(double x) { return int64_t(x); }

// Adds m 2^bit to digits whose lowest has the weight 2^0; m below 2^62, digits are carried later.
inline void add_at(int64_t* digits, int64_t m, int64_t bit) {
  const i128 v = i128(m) << (bit % kBits);
  int64_t at = bit / kBits;
  u128 left = v < 0 ? u128(-v) : u128(v);
  for (; left; left >>= kBits, ++at) {
    const int64_t d = int64_t(left & 0xffffff);
    digits[at] += v < 0 ? -d : d;
  }
}

// A double as m 2^e with an odd or zero integer m.
struct Dyadic {
  int64_t m = 0, e = 0;
  explicit Dyadic(double x) {
    if (x == 0.0) return;
    const int k = exponent(x);
    m = int64_t(scale(x, 53 - k));
    const int zeros = std::countr_zero(uint64_t(m));
    m >>= zeros;
    e = k - 53 + zeros;
  }
};

// Carries digits [from, to) into [-2^23, 2^23); returns the carry that leaves.
inline int64_t balance(int64_t* d, int64_t from, int64_t to, int64_t carry = 0) {
  for (int64_t i = from; i < to; ++i) {
    const int64_t v = d[i] + carry;
    carry = (v + (1 << (kBits - 1))) >> kBits;
    d[i] = v - (carry << kBits);
  }
  return carry;
}

}  // namespace tiling
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
