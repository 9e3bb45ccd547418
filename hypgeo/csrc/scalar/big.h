// Big: arbitrary precision with a rigorous error radius, the last level of every op.  Rows that no quick evaluation can
// vouch for are redone here, at a precision doubled until the radius suffices (A. Ziv. Fast evaluation of elementary
// mathematical functions with correctly rounded last bit. ACM Trans. Math. Softw. 17 (1991), 410).  Slow, host only,
// and always right: the true value lies within `radius` of the midpoint.
//
// Midpoint and radius as in [J17] F. Johansson. Arb: efficient arbitrary-precision midpoint-radius interval arithmetic.
// IEEE Trans. Comput. 66 (2017), 1281.  Further sources:
//   [J15] F. Johansson. Efficient implementation of elementary functions in the medium-precision range. ARITH 22, 2015.
//   [MG]  N. Moller, T. Granlund. Improved division by invariant integers. IEEE Trans. Comput. 60 (2011), 165.
//   [K]   D. E. Knuth. The Art of Computer Programming 2, 3rd ed., 4.3.1: multiplication M, division D.
//   [Z]   P. Zimmermann. Karatsuba square root. INRIA RR-3805, 1999.
//   [S]   D. M. Smith. Efficient multiple-precision evaluation of elementary functions. Math. Comp. 52 (1989), 131.
//
// A Big is finite, infinite or NaN.  Results that fit in the precision are exact: radius 0.  Finite with an infinite
// radius means "not known at this precision": a divisor or a logarithm's argument that might be zero.  Exact zeros are
// known: 1 / 0 = inf, 0 / 0 = NaN, log 0 = -inf; so are certain signs: sqrt(-1) = NaN.  Zero has no sign.
// Values of 2^(2^60) and more count as infinite.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "config.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

namespace big {

// ---- natural numbers: little-endian arrays of 64-bit limbs

namespace limbs {

using u64 = std::uint64_t;
using i64 = std::int64_t;
__extension__ typedef unsigned __int128 u128;

inline constexpr int kMost = 160;  // of a midpoint: 128 (8192 bits) and what functions keep to guard

inline u64 high(u128 x) { return u64(x >> 64); }
inline u128 join(u64 hi, u64 lo) { return (u128(hi) << 64) | lo; }

inline u64 add(u64* z, const u64* a, const u64* b, int n) {
  u64 carry = 0;
  for (int i = 0; i < n; ++i) {
    const u128 t = u128(a[i]) + b[i] + carry;
    z[i] = u64(t);
    carry = high(t);
  }
  return carry;
}

inline u64 add_one(u64* z, int n, u64 carry) {
  for (int i = 0; carry && i < n; ++i) carry = (z[i] += carry) < carry;
  return carry;
}

inline u64 sub(u64* z, const u64* a, const u64* b, int n) {
  u64 borrow = 0;
  for (int i = 0; i < n; ++i) {
    const u128 t = u128(a[i]) - b[i] - borrow;
    z[i] = u64(t);
    borrow = u64(t >> 127);
  }
  return borrow;
}

inline u64 sub_one(u64* z, int n, u64 borrow) {
  for (int i = 0; borrow && i < n; ++i) {
    const u64 old = z[i];
    z[i] = old - borrow;
    borrow = old < borrow;
  }
  return borrow;
}

inline u64 mul_one(u64* z, const u64* a, int n, u64 w) {
  u64 carry = 0;
  for (int i = 0; i < n; ++i) {
    const u128 t = u128(a[i]) * w + carry;
    z[i] = u64(t);
    carry = high(t);
  }
  return carry;
}

inline u64 addmul(u64* z, const u64* a, int n, u64 w) {
  u64 carry = 0;
  for (int i = 0; i < n; ++i) {
    const u128 t = u128(a[i]) * w + z[i] + carry;
    z[i] = u64(t);
    carry = high(t);
  }
  return carry;
}

inline u64 submul(u64* z, const u64* a, int n, u64 w) {
  u64 borrow = 0;
  for (int i = 0; i < n; ++i) {
    const u128 t = u128(a[i]) * w + borrow;
    borrow = high(t) + (z[i] < u64(t));
    z[i] -= u64(t);
  }
  return borrow;
}

inline int compare(const u64* a, const u64* b, int n) {
  while (n-- > 0) {
    if (a[n] != b[n]) return a[n] < b[n] ? -1 : 1;
  }
  return 0;
}

inline bool any(const u64* a, int n) {
  for (int i = 0; i < n; ++i) {
    if (a[i]) return true;
  }
  return false;
}

// z[0, n) = a shifted right by s < 64 bits; the limb above a is `top`.
inline void shift_right(u64* z, const u64* a, int n, int s, u64 top = 0) {
  if (s == 0) {
    std::memmove(z, a, n * sizeof(u64));
    return;
  }
  for (int i = 0; i + 1 < n; ++i) z[i] = (a[i] >> s) | (a[i + 1] << (64 - s));
  if (n) z[n - 1] = (a[n - 1] >> s) | (top << (64 - s));
}

// Columns cut and up of the product a b: z[0, na + nb - cut).  The lower columns, left out with their carries, amount
// to less than cut units of column cut + 1.
inline void mul(u64* z, const u64* a, int na, const u64* b, int nb, int cut = 0) {
  const int first = cut < na ? 0 : cut - na + 1, skip = cut - first;
  z[na - skip] = mul_one(z, a + skip, na - skip, b[first]);
  for (int j = first + 1; j < nb; ++j) {
    const int i = cut > j ? cut - j : 0;
    z[na + j - cut] = addmul(z + (i + j - cut), a + i, na - i, b[j]);
  }
}

// ---- division

// floor((2^128 - 1) / d) - 2^64 for d >= 2^63.
inline u64 reciprocal(u64 d) { return u64(join(~d, ~u64(0)) / d); }

// (q, r) of (u1, u0) / d, u1 < d, v = reciprocal(d).  [MG, alg. 4]
inline u64 divide2by1(u64& r, u64 u1, u64 u0, u64 d, u64 v) {
  const u128 q = u128(v) * u1 + join(u1, u0);
  u64 q1 = high(q) + 1;
  r = u0 - q1 * d;
  if (r > u64(q)) {
    --q1;
    r += d;
  }
  if (r >= d) {
    ++q1;
    r -= d;
  }
  return q1;
}

// z = floor(z / d) in place, for any d > 0; the remainder is returned.
inline u64 divide_small(u64* z, int n, u64 d) {
  const int s = std::countl_zero(d);
  const u64 dn = d << s, v = reciprocal(dn);
  u64 r = 0;
  for (int i = n - 1; i >= 0; --i) {
    const u64 up = s ? r | (z[i] >> (64 - s)) : r, low = z[i] << s;
    u64 rest;
    z[i] = divide2by1(rest, up, low, dn, v);
    r = rest;
  }
  return r >> s;
}

// q[0, na - nb) = floor(a / b), returning the quotient's top bit; a becomes the remainder (in its nb low limbs).
// b's top bit is set, na >= nb.  [K, algorithm D] with the quotient digit of [MG, alg. 5].
inline u64 divide(u64* q, u64* a, int na, const u64* b, int nb) {
  if (nb == 1) {
    const u64 top = a[na - 1] >= b[0];
    if (top) a[na - 1] -= b[0];
    const u64 v = reciprocal(b[0]);
    u64 r = a[na - 1];
    for (int i = na - 2; i >= 0; --i) q[i] = divide2by1(r, r, a[i], b[0], v);
    a[0] = r;
    return top;
  }
  const u64 d1 = b[nb - 1], d0 = b[nb - 2];
  u64 v = reciprocal(d1), p = d1 * v + d0;  // of two limbs [MG, alg. 6]
  if (p < d0) {
    --v;
    if (p >= d1) {
      --v;
      p -= d1;
    }
    p -= d1;
  }
  const u128 t = u128(v) * d0;
  p += high(t);
  if (p < high(t)) {
    --v;
    if (join(p, u64(t)) >= join(d1, d0)) --v;
  }
  u64 top = compare(a + na - nb, b, nb) >= 0;
  if (top) sub(a + na - nb, a + na - nb, b, nb);
  for (int j = na - nb - 1; j >= 0; --j) {
    const u64 u2 = a[j + nb], u1 = a[j + nb - 1], u0 = a[j + nb - 2];
    u64 digit;
    if (join(u2, u1) == join(d1, d0)) {
      digit = ~u64(0);
    } else {
      const u128 e = u128(v) * u2 + join(u2, u1);
      digit = high(e);
      u128 r = join(u1 - digit * d1, u0) - u128(d0) * digit - join(d1, d0);
      ++digit;
      if (high(r) >= u64(e)) {
        --digit;
        r += join(d1, d0);
      }
      if (r >= join(d1, d0)) ++digit;
    }
    if (a[j + nb] < submul(a + j, b, nb, digit)) {
      --digit;
      add(a + j, a + j, b, nb);
    }
    q[j] = digit;
  }
  return top;
}

// s[0, n) = floor(sqrt(a[0, 2n))), a becomes the remainder: a[0, n) and the returned carry.  a's top limb >= 2^62.  [Z]
inline u64 square_root(u64* s, u64* a, int n) {
  if (n == 1) {
    const u128 x = join(a[1], a[0]);
    const double guess = std::sqrt(double(x));
    u64 y = guess < 18446744073709549568.0 ? u64(guess) : ~u64(0);
    const u128 newton = (x / y + y) / 2;
    y = high(newton) ? ~u64(0) : u64(newton);
    while (u128(y) * y > x) --y;
    while (x - u128(y) * y > 2 * u128(y)) ++y;
    s[0] = y;
    const u128 r = x - u128(y) * y;
    a[0] = u64(r);
    return high(r);
  }
  const int l = n / 2, h = n - l;
  u64 q = square_root(s + l, a + 2 * l, h);
  if (q) sub(a + 2 * l, a + 2 * l, s + l, h);
  q += divide(s, a + l, n, s + l, h);
  i64 carry = s[0] & 1;
  shift_right(s, s, l, 1, q);
  q >>= 1;
  if (carry) carry = i64(add(a + l, a + l, s + l, h));
  u64 square[2 * kMost];
  mul(square, s, l, s, l);
  carry -= i64(sub_one(a + 2 * l, h - l, q + sub(a, a, square, 2 * l)));
  if (carry < 0) {
    q = add_one(s + l, h, q);
    carry += i64(addmul(a, s, n, 2) + 2 * q);
    carry -= i64(sub_one(a, n, 1));
    sub_one(s, n, 1);
  }
  return u64(carry);
}

}  // namespace limbs

// ---- the radius

inline constexpr std::int64_t kExponent = std::int64_t(1) << 60;

// m 2^e with 1 <= m < 2, or m = 0, or m = infinity.  Every operation rounds up (names in _down: down): a few roundings
// of 2^-53 each, covered by a factor 1 + 2^-50.
struct Radius {
  double m = 0.0;
  std::int64_t e = 0;
  Radius() = default;
  Radius(double mantissa, std::int64_t exponent) : m(mantissa), e(exponent) {
    if (m == 0.0 || !(m < std::numeric_limits<double>::infinity())) {
      e = 0;
      return;
    }
    const auto bits = std::bit_cast<std::uint64_t>(m);
    e += std::int64_t(bits >> 52) - 1023;
    m = std::bit_cast<double>((bits & 0xfffffffffffff) | 0x3ff0000000000000);
    if (e > kExponent) m = std::numeric_limits<double>::infinity(), e = 0;
    if (e < -kExponent) m = 1.0, e = -kExponent;
  }
  static Radius unknown() { return Radius(std::numeric_limits<double>::infinity(), 0); }
  bool zero() const { return m == 0.0; }
  bool known() const { return m < std::numeric_limits<double>::infinity(); }
};

inline constexpr double kUp = 1.0 + 0x1p-50, kDown = 1.0 - 0x1p-50;

inline double power_of_half(std::int64_t d) {  // 0 <= d <= 1022
  return std::bit_cast<double>(std::uint64_t(1023 - d) << 52);
}
inline Radius operator+(const Radius& a, const Radius& b) {
  if (a.zero() || !b.known()) return b;
  if (b.zero() || !a.known()) return a;
  const Radius &big = a.e < b.e ? b : a, &small = a.e < b.e ? a : b;
  const std::int64_t d = big.e - small.e;
  return Radius((d > 60 ? big.m : big.m + small.m * power_of_half(d)) * kUp, big.e);
}
inline Radius operator*(const Radius& a, const Radius& b) {
  if (!a.known() || !b.known()) return Radius::unknown();
  return Radius(a.m * b.m * kUp, a.e + b.e);
}
// b is a lower bound; nothing is known if it is 0
inline Radius operator/(const Radius& a, const Radius& b) {
  if (b.zero() || !a.known()) return Radius::unknown();
  return Radius(a.m / b.m * kUp, a.e - b.e);
}
inline Radius operator*(const Radius& a, double b) { return a * Radius(b, 0); }
inline bool operator<(const Radius& a, const Radius& b) {
  if (a.zero() || b.zero() || !a.known() || !b.known()) return a.m < b.m;
  return a.e != b.e ? a.e < b.e : a.m < b.m;
}
inline Radius root(const Radius& a) {
  const bool odd = a.e & 1;
  return Radius(std::sqrt(odd ? 2.0 * a.m : a.m) * kUp, (a.e - odd) / 2);
}
inline Radius root_down(const Radius& a) {
  const bool odd = a.e & 1;
  return Radius(std::sqrt(odd ? 2.0 * a.m : a.m) * kDown, (a.e - odd) / 2);
}
// A lower bound of a - b; 0 where it might be negative.
inline Radius minus_down(const Radius& a, const Radius& b) {
  if (b.zero()) return a;
  if (!b.known() || a.zero() || a.e < b.e) return Radius();
  const std::int64_t d = a.e - b.e;
  const double m = (d > 60 ? a.m : a.m - b.m * power_of_half(d)) * kDown;
  return m > 0.0 ? Radius(m, a.e) : Radius();
}
// exp(a) - 1
inline Radius expm1(const Radius& a) {
  if (!a.known() || a.e >= 50) return Radius::unknown();
  if (a.e < -60) return a * kUp;
  const double x = std::ldexp(a.m, int(a.e));
  if (x < 1.0) return Radius(std::expm1(x) * kUp, 0);
  const double y = x * 1.4426950408889634 * kUp, k = std::floor(y);
  return Radius(std::exp2(y - k) * kUp, std::int64_t(k));
}

// ---- the number

inline constinit thread_local int kept = 4;  // limbs of a midpoint

// The working precision of this thread, in bits: 64 to 8192, rounded up to whole limbs.
inline int big_precision() { return 64 * kept; }
inline void big_precision(int bits) { kept = bits < 64 ? 1 : bits > 8192 ? 128 : (bits + 63) / 64; }

class Big {
 public:
  using u64 = limbs::u64;
  using i64 = limbs::i64;
  enum class Kind : std::uint8_t { kFinite, kInfinite, kNan };

  Kind kind = Kind::kFinite;
  bool negative = false;
  int size = 0;      // limbs of the mantissa, the lowest not 0, the highest with its top bit set; 0 for the number 0
  i64 exponent = 0;  // |midpoint| = 0.mantissa * 2^exponent
  Radius radius;

  Big() {}
  explicit Big(double value) {
    const auto bits = std::bit_cast<u64>(value);
    negative = bits >> 63;
    const int e = int(bits >> 52) & 0x7ff;
    u64 m = bits & 0xfffffffffffff;
    if (e == 0x7ff) {
      kind = m ? Kind::kNan : Kind::kInfinite;
      return;
    }
    if (e) m |= u64(1) << 52;
    if (m == 0) {
      negative = false;
      return;
    }
    const int s = std::countl_zero(m);
    own[0] = m << s;
    size = 1;
    exponent = (e ? e : 1) - 1075 + 64 - s;
  }
  Big(const Big& other) { *this = other; }
  Big(Big&& other) noexcept { *this = std::move(other); }
  Big& operator=(const Big& other) {
    if (this == &other) return *this;
    u64* to = reserve(other.size);
    copy_head(other);
    std::memcpy(to, other.data(), size * sizeof(u64));
    return *this;
  }
  Big& operator=(Big&& other) noexcept {
    if (this == &other) return *this;
    copy_head(other);
    if (other.heap) {
      std::swap(heap, other.heap);
      std::swap(room, other.room);
      other.size = 0;
    } else {
      std::memcpy(data(), other.own, size * sizeof(u64));
    }
    return *this;
  }
  ~Big() { delete[] heap; }

  u64* data() { return heap ? heap : own; }
  const u64* data() const { return heap ? heap : own; }
  u64 top() const { return data()[size - 1]; }
  bool finite() const { return kind == Kind::kFinite; }
  bool exact() const { return radius.zero(); }
  bool zero() const { return finite() && size == 0; }
  // Bounds of |midpoint|.
  Radius upper() const { return size ? Radius(double((top() >> 11) + 1) * 0x1p-52, exponent - 1) : Radius(); }
  Radius lower() const { return size ? Radius(double(top() >> 11) * 0x1p-52, exponent - 1) : Radius(); }
  // The midpoint's mantissa, 1/2 <= m <= 1, correct to an ulp, and the midpoint as far as a double holds it.
  double mantissa() const { return size ? double(top()) * 0x1p-64 : 0.0; }
  double approximate() const {
    const i64 e = exponent > 2000 ? 2000 : exponent < -2000 ? -2000 : exponent;
    return std::ldexp(negative ? -mantissa() : mantissa(), int(e));
  }

  static Big nan() { return Big(std::numeric_limits<double>::quiet_NaN()); }
  static Big infinity(bool negative) {
    Big z;
    z.kind = Kind::kInfinite;
    z.negative = negative;
    return z;
  }
  static Big ball(const Radius& radius) {
    Big z;
    z.radius = radius;
    return z;
  }
  static Big unknown() { return ball(Radius::unknown()); }
  // +-0.w * 2^exponent, rounded toward zero to the working precision.  `below`: the number exceeds w, by less than one
  // unit of its lowest limb.
  static Big rounded(bool negative, const u64* w, int n, i64 exponent, const Radius& radius, bool below = false) {
    Big z;
    while (n && w[n - 1] == 0) --n, exponent -= 64;
    z.radius = radius;
    if (n == 0) {
      if (below) z.radius = z.radius + Radius(1.0, exponent);
      return z;
    }
    const int s = std::countl_zero(w[n - 1]);
    exponent -= s;
    const int keep = n < kept ? n : kept, off = n - keep;
    bool inexact = below || limbs::any(w, off - 1) || (off && (w[off - 1] << s));
    const u64* from = w + off;
    const u64 under = off && s ? w[off - 1] >> (64 - s) : 0;
    int low = 0;  // limbs of the result that are 0
    while (low < keep && (from[low] << s | (s ? (low ? from[low - 1] >> (64 - s) : under) : 0)) == 0) ++low;
    z.size = keep - low;
    u64* to = z.reserve(z.size);
    if (s == 0) {
      std::memcpy(to, from + low, z.size * sizeof(u64));
    } else {
      to[0] = from[low] << s | (low ? from[low - 1] >> (64 - s) : under);
      for (int i = 1; i < z.size; ++i) to[i] = from[low + i] << s | from[low + i - 1] >> (64 - s);
    }
    z.negative = negative;
    z.exponent = exponent;
    if (inexact) z.radius = z.radius + Radius(1.0, below && n <= kept ? exponent + s - 64 * n : exponent - 64 * kept);
    if (exponent > kExponent) {
      if (!(z.radius < z.lower())) return unknown();
      return infinity(negative);
    }
    if (exponent < -kExponent) return ball(z.radius + Radius(1.0, -kExponent));
    return z;
  }

 private:
  static constexpr int kOwn = 8;
  u64* reserve(int n) {
    if (n > (heap ? room : kOwn)) {
      u64* fresh = new u64[n];
      delete[] heap;
      heap = fresh;
      room = n;
    }
    return data();
  }
  void copy_head(const Big& other) {
    kind = other.kind;
    negative = other.negative;
    size = other.size;
    exponent = other.exponent;
    radius = other.radius;
  }
  int room = 0;
  u64* heap = nullptr;
  u64 own[kOwn];
};

// ---- what launchers ask

inline bool is_nan(const Big& a) { return a.kind == Big::Kind::kNan; }
inline bool is_inf(const Big& a) { return a.kind == Big::Kind::kInfinite; }
inline bool is_exact_zero(const Big& a) { return a.zero() && a.exact(); }
inline bool is_unknown(const Big& a) { return !a.radius.known(); }

// floor(log2 |midpoint|); the least integer for 0, the greatest for infinity and NaN.
inline std::int64_t exponent(const Big& a) {
  if (!a.finite()) return std::numeric_limits<std::int64_t>::max();
  return a.size ? a.exponent - 1 : std::numeric_limits<std::int64_t>::min();
}
// An upper bound of log2(radius), within 1; -inf for an exact value, inf for an unknown one.
inline double radius_log2(const Big& a) {
  if (a.radius.zero()) return -std::numeric_limits<double>::infinity();
  return a.radius.known() ? double(a.radius.e + 1) : std::numeric_limits<double>::infinity();
}
// Whether radius <= 2^-bits |midpoint|: infinity and NaN are as certain as exact numbers.
inline bool within(const Big& a, int bits) {
  if (a.radius.zero()) return true;
  if (!a.radius.known() || a.size == 0) return false;
  const Radius bound = a.lower();
  return !(Radius(bound.m, bound.e - bits) < a.radius);
}

// The midpoint rounded to `digits` bits, to even, above the least positive number 2^least.
inline double nearest(const Big& a, int digits, int least) {
  const double inf = std::numeric_limits<double>::infinity();
  if (is_nan(a)) return std::numeric_limits<double>::quiet_NaN();
  const double sign = a.negative ? -1.0 : 1.0;
  if (is_inf(a) || a.exponent > 1100) return sign * (a.size || is_inf(a) ? inf : 0.0);
  if (a.size == 0) return 0.0;
  if (a.exponent < least) return sign * 0.0;
  const int room = int(a.exponent) - least, p = room < digits ? room : digits;
  using limbs::u64;
  const u64 top = a.top(), half = u64(1) << (63 - p);  // half a unit; p <= 53
  const u64 rest = top & (2 * half - 1), down = p ? top >> (64 - p) : 0;
  const bool up = rest > half || (rest == half && (a.size > 1 || (down & 1)));
  return sign * std::ldexp(double(down + up), int(a.exponent) - p);
}
inline double nearest_double(const Big& a) { return nearest(a, 53, -1074); }
inline float nearest_float(const Big& a) { return float(nearest(a, 24, -149)); }

// ---- arithmetic

inline Big operator-(Big a) {
  a.negative = !a.negative && !a.zero();
  return a;
}
inline Big abs(Big a) {
  a.negative = false;
  return a;
}
// a 2^k
inline Big scaled(Big a, std::int64_t k) {
  if (a.finite()) {
    if (a.size) a.exponent += k;
    if (!a.radius.zero()) a.radius = Radius(a.radius.m, a.radius.e + k);
  }
  return a;
}
inline Big widened(Big a, const Radius& by) {
  a.radius = a.radius + by;
  return a;
}
// The midpoint alone.
inline Big middle(Big a) {
  a.radius = Radius();
  return a;
}
// The ball may contain zero.
inline bool may_vanish(const Big& a) { return a.zero() || (a.finite() && !(a.radius < a.lower())); }
inline bool surely_negative(const Big& a) { return a.negative && (!a.finite() || (a.size && a.radius < a.lower())); }

inline Big add(const Big& a, const Big& b, bool flip) {
  const bool b_negative = b.negative != flip;
  if (!a.finite() || !b.finite()) {
    if (is_nan(a) || is_nan(b)) return Big::nan();
    if (is_unknown(a) || is_unknown(b)) return Big::unknown();
    if (is_inf(a) && is_inf(b) && a.negative != b_negative) return Big::nan();
    return Big::infinity(is_inf(a) ? a.negative : b_negative);
  }
  const Radius radius = a.radius + b.radius;
  if (b.size == 0) return Big::rounded(a.negative, a.data(), a.size, a.exponent, radius);
  if (a.size == 0) return Big::rounded(b_negative, b.data(), b.size, b.exponent, radius);
  using limbs::u64;
  const bool swap = a.exponent < b.exponent;
  const Big &x = swap ? b : a, &y = swap ? a : b;
  const bool x_negative = swap ? b_negative : a.negative, y_negative = swap ? a.negative : b_negative;
  const std::int64_t gap = x.exponent - y.exponent;
  if (gap > 64 * (kept + 1)) {
    return Big::rounded(x_negative, x.data(), x.size, x.exponent, radius + Radius(1.0, y.exponent));
  }
  // y moved right by `gap` bits stands under x
  const int skip = int(gap / 64), s = int(gap % 64), ny = y.size + skip + (s != 0), n = x.size > ny ? x.size : ny;
  u64 w[2 * limbs::kMost + 8], u[limbs::kMost + 2];
  const int pad = n - x.size;
  std::memset(w, 0, pad * sizeof(u64));
  std::memcpy(w + pad, x.data(), x.size * sizeof(u64));
  w[n] = 0;
  const u64* moved = y.data();
  if (s) {
    u[0] = 0;
    std::memcpy(u + 1, y.data(), y.size * sizeof(u64));
    limbs::shift_right(u, u, y.size + 1, s);
    moved = u;
  }
  const int length = y.size + (s != 0), at = n - ny;
  if (x_negative == y_negative) {
    limbs::add_one(w + at + length, skip + 1, limbs::add(w + at, w + at, moved, length));
    return Big::rounded(x_negative, w, n + 1, x.exponent + 64, radius);
  }
  if (gap == 0) {
    const int both = x.size < y.size ? x.size : y.size;
    int order = limbs::compare(x.data() + x.size - both, y.data() + y.size - both, both);
    if (order == 0) order = x.size == y.size ? 0 : x.size < y.size ? -1 : 1;
    if (order == 0) return Big::ball(radius);
    if (order < 0) {  // y - x
      std::memset(w, 0, n * sizeof(u64));
      std::memcpy(w + n - y.size, y.data(), y.size * sizeof(u64));
      limbs::sub(w + pad, w + pad, x.data(), x.size);
      return Big::rounded(y_negative, w, n, x.exponent, radius);
    }
  }
  limbs::sub_one(w + at + length, skip, limbs::sub(w + at, w + at, moved, length));
  return Big::rounded(x_negative, w, n, x.exponent, radius);
}
inline Big operator+(const Big& a, const Big& b) { return add(a, b, false); }
inline Big operator-(const Big& a, const Big& b) { return add(a, b, true); }

inline Big operator*(const Big& a, const Big& b) {
  const bool negative = a.negative != b.negative;
  if (!a.finite() || !b.finite()) {
    if (is_nan(a) || is_nan(b) || is_exact_zero(a) || is_exact_zero(b)) return Big::nan();
    if (may_vanish(a) || may_vanish(b)) return Big::unknown();
    return Big::infinity(negative);
  }
  Radius radius;
  if (!a.radius.zero()) radius = a.radius * (b.upper() + b.radius);
  if (!b.radius.zero()) radius = radius + a.upper() * b.radius;
  if (a.size == 0 || b.size == 0) return Big::ball(radius);
  // a product of more than this many limbs cannot fit, so that its low columns need not be known
  const int excess = a.size + b.size - kept - 2, cut = excess > 0 ? excess : 0;
  limbs::u64 w[2 * limbs::kMost];
  limbs::mul(w, a.data(), a.size, b.data(), b.size, cut);
  const std::int64_t e = a.exponent + b.exponent;
  if (cut) radius = radius + Radius(double(cut), e - 64 * (kept + 1));
  return Big::rounded(negative, w, a.size + b.size - cut, e, radius);
}

inline Big operator/(const Big& a, const Big& b) {
  if (is_nan(a) || is_nan(b)) return Big::nan();
  const bool negative = a.negative != b.negative;
  if (is_inf(b)) return is_inf(a) ? Big::nan() : is_unknown(a) ? Big::unknown() : Big();
  if (is_exact_zero(b)) {
    if (is_exact_zero(a)) return Big::nan();
    return may_vanish(a) ? Big::unknown() : Big::infinity(a.negative);
  }
  if (is_inf(a)) return may_vanish(b) ? Big::unknown() : Big::infinity(negative);
  if (b.size == 0) return Big::unknown();
  // (a + da) / (b + db) - a / b = (da - (a/b) db) / (b + db)
  Radius radius;
  if (!b.radius.zero()) {
    radius = (a.radius + a.upper() / b.lower() * b.radius) / minus_down(b.lower(), b.radius);
  } else if (!a.radius.zero()) {
    radius = a.radius / b.lower();
  }
  if (a.size == 0) return Big::ball(radius);
  using limbs::u64;
  const int n = b.size + kept + 1, take = a.size < n ? a.size : n;
  u64 w[2 * limbs::kMost + 8], q[limbs::kMost + 8];
  std::memset(w, 0, (n - take) * sizeof(u64));
  std::memcpy(w + n - take, a.data() + a.size - take, take * sizeof(u64));
  q[kept + 1] = limbs::divide(q, w, n, b.data(), b.size);
  const bool below = take < a.size || limbs::any(w, b.size);
  return Big::rounded(negative, q, kept + 2, a.exponent - b.exponent + 64, radius, below);
}

inline Big operator+(const Big& a, double b) { return a + Big(b); }
inline Big operator+(double a, const Big& b) { return Big(a) + b; }
inline Big operator-(const Big& a, double b) { return a - Big(b); }
inline Big operator-(double a, const Big& b) { return Big(a) - b; }
inline Big operator*(const Big& a, double b) { return a * Big(b); }
inline Big operator*(double a, const Big& b) { return Big(a) * b; }
inline Big operator/(const Big& a, double b) { return a / Big(b); }
inline Big operator/(double a, const Big& b) { return Big(a) / b; }

// By midpoints.
inline bool operator<(const Big& a, const Big& b) {
  if (is_nan(a) || is_nan(b)) return false;
  if (!a.finite() || !b.finite()) {
    const int l = is_inf(a) ? (a.negative ? -1 : 1) : 0, r = is_inf(b) ? (b.negative ? -1 : 1) : 0;
    return l < r;
  }
  const Big d = middle(a) - middle(b);
  return d.negative;
}
inline bool operator<(const Big& a, double b) { return a < Big(b); }
inline bool operator<(double a, const Big& b) { return Big(a) < b; }
inline Big select(bool m, const Big& a, const Big& b) { return m ? a : b; }
inline Big times_or_zero(const Big& a, const Big& w) { return is_exact_zero(a) ? Big() : a * w; }

inline Big sqr(const Big& a) { return a * a; }

inline Big sqrt(const Big& a) {
  if (is_nan(a) || surely_negative(a)) return Big::nan();
  if (is_inf(a)) return a;
  // |sqrt x - sqrt m| <= min(|x - m| / sqrt m, sqrt |x - m|) for x, m >= 0; if the midpoint is negative, x <= radius
  if (a.size == 0 || a.negative) return Big::ball(root(a.radius));
  Radius radius;
  if (!a.radius.zero()) {
    const Radius by_slope = a.radius / root_down(a.lower()), by_root = root(a.radius);
    radius = by_slope < by_root ? by_slope : by_root;
  }
  using limbs::u64;
  const int n = kept, odd = int(a.exponent & 1), take = a.size < 2 * n ? a.size : 2 * n;
  u64 w[2 * limbs::kMost + 1], s[limbs::kMost];
  std::memset(w, 0, (2 * n + 1 - take) * sizeof(u64));
  std::memcpy(w + 2 * n + 1 - take, a.data() + a.size - take, take * sizeof(u64));
  if (odd) limbs::shift_right(w, w, 2 * n + 1, 1);
  const u64 carry = limbs::square_root(s, w + 1, n);
  const bool below = take < a.size || w[0] || carry || limbs::any(w + 1, n);
  return Big::rounded(false, s, n, (a.exponent + odd) / 2, radius, below);
}

// ---- elementary functions
//
// Each is evaluated at the midpoint, as a ball, with guard limbs; then the radius grows by what the argument's radius
// can make of it: the mean value theorem with a bound of the derivative over the ball.

// Raises the working precision in its scope.
struct Guard {
  const int before = kept;
  explicit Guard(int extra) { kept = before + extra < limbs::kMost - 8 ? before + extra : limbs::kMost - 8; }
  ~Guard() { kept = before; }
  Guard(const Guard&) = delete;
};

// A result at the precision outside a Guard.
inline Big settled(const Big& a) {
  return a.finite() ? Big::rounded(a.negative, a.data(), a.size, a.exponent, a.radius) : a;
}

// log 2 = 18 atanh(1/26) - 2 atanh(1/4801) + 8 atanh(1/8749), kept per thread at the highest precision asked for.
inline Big log_two() {
  using limbs::u64;
  static thread_local u64 digits[limbs::kMost + 1];
  static thread_local int length = 0;
  const int want = kept;
  if (length < want) {
    const int n = want + 1;
    u64 sum[limbs::kMost + 1] = {}, term[limbs::kMost + 1], part[limbs::kMost + 1];
    constexpr int kFormula[3][2] = {{18, 26}, {8, 8749}, {-2, 4801}};
    for (const auto& [factor, x] : kFormula) {
      std::memset(term, 0, sizeof(term));
      term[n - 1] = u64(factor < 0 ? -factor : factor) << 56;  // in units of 2^-56: log 2 itself stays below 1
      limbs::divide_small(term, n, u64(x));
      int live = n;
      for (u64 k = 1; live; k += 2) {
        std::memcpy(part, term, live * sizeof(u64));
        limbs::divide_small(part, live, k);
        if (factor < 0) {
          limbs::sub_one(sum + live, n - live, limbs::sub(sum, sum, part, live));
        } else {
          limbs::add_one(sum + live, n - live, limbs::add(sum, sum, part, live));
        }
        limbs::divide_small(term, live, u64(x) * u64(x));
        while (live && term[live - 1] == 0) --live;
      }
    }
    // fewer than 2^12 divisions, each wrong by a unit of the last limb, 2^(8 - 64 n)
    for (int i = n - 1; i > 0; --i) sum[i] = sum[i] << 8 | sum[i - 1] >> 56;
    std::memcpy(digits, sum + 1, want * sizeof(u64));
    length = want;
  }
  return Big::rounded(false, digits + length - want, want, 0, Radius(1.0, 1 - 64 * want));
}

// The series of exp in small integers: 1 / j! = up[j] / e! where j's group ends with e, and the product of a group, by
// which its unit has to be divided, fits in a limb.  [J15, section 3]
struct ExpSeries {
  static constexpr int kMost = 420;
  limbs::u64 up[kMost] = {}, product[kMost] = {};  // product: at the last index of a group
  bool last[kMost] = {};
  constexpr ExpSeries() {
    for (int start = 1; start < kMost;) {
      int end = start;
      limbs::u64 p = limbs::u64(start);
      while (end + 1 < kMost && limbs::u128(p) * limbs::u64(end + 1) >> 62 == 0) p *= limbs::u64(++end);
      product[end] = p;
      last[end] = true;
      limbs::u64 c = 1;
      for (int j = end; j >= start; --j) {
        up[j] = c;
        c *= limbs::u64(j);
      }
      if (start == 1) up[0] = c;
      start = end + 1;
    }
  }
};
inline constexpr ExpSeries kExpSeries;


// exp of the midpoint of x.
inline Big exp_middle(const Big& x) {
  if (x.size == 0) return Big(1.0);
  const int n = kept + 1, bits = 64 * n;
  if (x.exponent >= 59) return x.negative ? Big::ball(Radius(1.0, -kExponent)) : Big::infinity(false);
  if (x.exponent < -bits) return widened(Big(1.0), Radius(1.0, x.exponent + 1));
  // x = k log 2 + r, 0 <= r < 1
  Big r = middle(x);
  std::int64_t k = 0;
  {
    Guard guard(2 + (x.exponent > 0));
    while (r.negative || r.exponent > 0) {
      double step = std::floor(r.approximate() * 1.4426950408889634);
      if (step == 0.0) step = r.negative ? -1.0 : 1.0;
      k += std::int64_t(step);
      r = r - step * log_two();
    }
  }
  using limbs::u64;
  constexpr int kRoom = limbs::kMost + 2, kMostPowers = 24;
  u64 power[kMostPowers + 1][kRoom], w[2 * kRoom], acc[kRoom] = {};
  // y = r / 2^halvings < 2^-right, a fraction of n limbs
  const int wanted = 4 + int(0.28 * std::sqrt(double(bits)));
  const int halvings = r.size && wanted + r.exponent > 0 ? int(wanted + r.exponent) : 0;
  const std::int64_t right = r.size ? halvings - r.exponent : bits;
  u64* const y = power[1];
  std::memset(y, 0, n * sizeof(u64));
  if (right < bits) {
    const int end = n - int(right / 64), s = int(right % 64), take = r.size < end ? r.size : end, low = end - take;
    std::memcpy(y + low, r.data() + r.size - take, take * sizeof(u64));
    if (s && low) y[low - 1] = y[low] << (64 - s);
    limbs::shift_right(y + low, y + low, take, s);
  }
  int terms = 0;  // until y^terms / terms! < 2^-bits
  for (std::int64_t have = 0; have < bits; have += right + std::bit_width(unsigned(terms)) - 1) ++terms;
  // [S]: powers up to y^block, then one long product per block
  const int square = int(std::sqrt(double(terms)) + 0.5), block = square < kMostPowers ? square : kMostPowers;
  for (int i = 2; i <= block; ++i) {
    limbs::mul(w, power[i / 2], n, power[i - i / 2], n, n - 1);
    std::memcpy(power[i], w + 1, n * sizeof(u64));
  }
  int end = terms - 1;  // acc is in units of 1 / end!
  while (!kExpSeries.last[end]) ++end;
  for (int j = terms - 1; j >= 0; --j) {
    if (j + 1 < terms && (j + 1) % block == 0) {
      limbs::mul(w, acc, n + 1, power[block], n, n - 1);
      std::memcpy(acc, w + 1, (n + 1) * sizeof(u64));
    }
    if (kExpSeries.last[j] && j != end) {
      limbs::divide_small(acc, n + 1, kExpSeries.product[end]);
      end = j;
    }
    acc[n] += j % block ? limbs::addmul(acc, power[j % block], n, kExpSeries.up[j]) : kExpSeries.up[j];
  }
  limbs::divide_small(acc, n + 1, kExpSeries.product[end]);
  // exp(2y) - 1 = 2 f + f^2 with f = exp(y) - 1; only the last may exceed 1
  acc[n] -= 1;
  for (int i = 0; i < halvings; ++i) {
    limbs::mul(w, acc, n, acc, n, n - 1);
    acc[n] = limbs::add(acc, acc, acc, n);
    acc[n] += limbs::add(acc, acc, w + 1, n);
  }
  acc[n] += 1;
  // In units of 2^-bits: a product is wrong by less than n + 2, a power (y < 1/16) by 1.2 (n + 2), the sum by less than
  // 16 (n + 4) with the remainder; doubling h times makes 2^h exp(r) of that.  Where r is off by its radius, so is exp
  // by at most 2 exp(r) times as much.
  const Radius wrong = Radius(32.0 * (n + 4), halvings + 1 - bits) + r.radius * 6.0;
  return scaled(Big::rounded(false, acc, n + 1, 64, wrong), k);
}

// What the argument's radius makes of f(midpoint) = z, given a bound of its effect.  An infinite z stays so if the
// argument is beyond doubt that large.
inline Big spread(const Big& a, const Big& z, const Radius& effect) {
  if (a.exact() || is_nan(z)) return z;
  if (is_inf(z)) return a.radius < a.lower() ? z : Big::unknown();
  return widened(z, effect);
}

inline Big exp(const Big& a) {
  if (is_nan(a)) return a;
  if (is_inf(a)) return a.negative ? Big() : a;
  const Big z = exp_middle(a);
  return spread(a, z, (z.upper() + z.radius) * expm1(a.radius));
}

using Ratio = std::pair<double, double>;

// The sum of (c_1 ... c_j) q^j with |q| < 2^-32 (and a radius no larger), c_j = ratio(j) = p / r, |c_j| <= 2.
template <class Of>
inline Big small_series(const Big& q, Of ratio) {
  if (q.size == 0) return widened(Big(1.0), q.radius * 3.0);
  const Big m = middle(q);
  const std::int64_t gain = -q.exponent - 1, terms = 64 * kept / gain + 1;
  Big s(1.0);
  for (int j = int(terms) - 1; j > 0; --j) {
    Guard guard(-int((j - 1) * gain / 64));  // what enters with a factor q^(j-1) needs that much less
    const Ratio c = ratio(double(j));
    s = s * m;
    if (c.first != 1.0) s = s * c.first;
    s = s / c.second + 1.0;
  }
  return widened(s, q.radius * 3.0 + Radius(1.0, 1 - terms * gain));
}
inline bool is_small(const Big& q) { return q.size == 0 || q.exponent < -32; }

inline Big expm1(const Big& a) {
  if (is_nan(a)) return a;
  if (is_inf(a)) return a.negative ? Big(-1.0) : a;
  const Big m = middle(a);
  Big z;
  Radius slope(2.0, 0);
  {
    Guard guard(1);
    if (is_small(m)) {
      z = m * small_series(m, [](double j) { return Ratio(1.0, j + 1.0); });
    } else {
      const Big e = exp_middle(m);
      slope = e.upper() + e.radius;
      z = e - 1.0;
    }
  }
  return spread(a, settled(z), slope * expm1(a.radius));
}

// 2 atanh(z), |z| < 2^-32.
inline Big twice_atanh(const Big& z) {
  const Big m = middle(z), s = small_series(sqr(m), [](double j) { return Ratio(2.0 * j - 1.0, 2.0 * j + 1.0); });
  return widened(scaled(m * s, 1), z.radius * 3.0);
}

// An integer.
inline Big whole(std::int64_t k) { return scaled(Big(double(k >> 30)), 30) + double(k & 0x3fffffff); }

// log x for the midpoint of x > 0.  Its absolute error is 2^-precision or less, relative to 1 or a larger result.
inline Big log_middle(const Big& x) {
  if (is_inf(x)) return x;
  // x = 2^k m with m near 1, y = log m in double: then m exp(-y) = 1 + d with |d| of about 2^-52
  Big m = middle(x);
  std::int64_t k = m.exponent;
  m.exponent = 0;
  if (m.mantissa() < 0.70710678) ++m.exponent, --k;
  const double y = std::log(m.approximate());
  const Big d = m * exp_middle(Big(-y)) - 1.0, z = twice_atanh(d / (d + 2.0)) + y;
  return k ? z + whole(k) * log_two() : z;
}
// The same where x is a ball that is surely positive.
inline Big log_ball(const Big& x) { return widened(log_middle(x), x.radius / minus_down(x.lower(), x.radius)); }

// log(1 + x) for the midpoint of x > -1, relatively accurate.
inline Big log1p_middle(const Big& x) {
  if (x.size == 0) return Big();
  const Big m = middle(x);
  Big z;
  {
    // 1 + x, with up to 33 bits more than x has, is exact while x < 1; a result near 2^-33 loses as many bits
    Guard guard(1 + (x.size > kept ? x.size - kept : 0));
    z = is_small(m) ? twice_atanh(m / (m + 2.0)) : log_ball(m + 1.0);
  }
  return settled(z);
}

inline Big log(const Big& a) {
  if (is_nan(a) || surely_negative(a)) return Big::nan();
  if (is_inf(a)) return a;
  if (is_exact_zero(a)) return Big::infinity(true);
  if (a.size == 0 || a.negative) return Big::unknown();
  const Big beyond = [&] {  // exact while 1/2 <= a < 2
    Guard guard(a.size > kept ? a.size - kept : 0);
    return middle(a) - 1.0;
  }();
  Big z;
  if (beyond.exponent < -4) {
    z = log1p_middle(beyond);
  } else {
    Guard guard(1);
    z = log_middle(a);
  }
  return spread(a, settled(z), a.radius / minus_down(a.lower(), a.radius));
}

inline Big log1p(const Big& a) {
  if (is_nan(a)) return a;
  const Big one_more = [&] {
    Guard guard(2);
    return a + 1.0;
  }();
  if (surely_negative(one_more)) return Big::nan();
  if (is_inf(a)) return a;
  if (is_exact_zero(one_more)) return Big::infinity(true);
  if (one_more.size == 0 || one_more.negative) return Big::unknown();
  return spread(a, log1p_middle(a), a.radius / minus_down(one_more.lower(), one_more.radius));
}

inline Big asinh_series(const Big& q) {
  return small_series(-q, [](double j) { return Ratio((2.0 * j - 1.0) * (2.0 * j - 1.0), 2.0 * j * (2.0 * j + 1.0)); });
}

inline Big asinh(const Big& a) {
  if (!a.finite()) return a;
  const Big m = abs(middle(a));
  Big z;
  {
    Guard guard(1);
    const Big q = sqr(m);
    z = is_small(q) ? m * asinh_series(q) : log_ball(m + sqrt(q + 1.0));
  }
  z = settled(z);
  if (a.negative) z = -z;
  // the slope is 1/sqrt(1 + x^2) <= 1/max(1, |x|)
  const Radius least = minus_down(m.lower(), a.radius), one(1.0, 0);
  return spread(a, z, a.radius / (least < one ? one : least));
}

// ---- functions of q = t^2: analytic at 0, where their series start.  q < 0 by no more than its radius is no error.

// series(q) where |q| < 2^-32; closed(q, t) elsewhere, where the guard makes up for what it cancels, 33 bits or less;
// slope(least, most) bounds |f'| over the ball, whose ends these are.  least = 0 stands for -1/4 as well.
template <class Series, class Closed, class Slope>
inline Big even_function(const Big& q, const Big& at_infinity, Series series, Closed closed, Slope slope) {
  if (is_nan(q)) return q;
  if (is_inf(q)) return q.negative ? Big::nan() : at_infinity;
  const Big m = middle(q);
  const bool small = is_small(m);
  if (m.negative && !small) return surely_negative(q) ? Big::nan() : Big::unknown();
  Big z;
  {
    Guard guard(1);
    z = small ? series(m) : closed(m, sqrt(m));
  }
  z = settled(z);
  if (q.exact()) return z;
  const Radius least = m.negative ? Radius() : minus_down(m.lower(), q.radius);
  if (least.zero() && !(q.radius < Radius(1.0, -2))) return Big::unknown();
  return spread(q, z, q.radius * slope(least, m.upper() + q.radius));
}

inline bool below_one(const Radius& a) { return a < Radius(1.0, 0); }
// exp(sqrt(q))
inline Radius exp_root(const Radius& q) { return expm1(root(q)) + Radius(1.0, 0); }

inline Big cosh_series(const Big& q) {
  return small_series(q, [](double j) { return Ratio(1.0, 2.0 * j * (2.0 * j - 1.0)); });
}
inline Big sinhc_series(const Big& q) {
  return small_series(q, [](double j) { return Ratio(1.0, 2.0 * j * (2.0 * j + 1.0)); });
}
inline Big dsinhc_series(const Big& q) {
  return small_series(q, [](double j) { return Ratio(1.0, 2.0 * j * (2.0 * j + 3.0)); }) / 6.0;
}

inline Big coshq(const Big& q) {
  return even_function(
      q, Big::infinity(false), cosh_series,
      [](const Big&, const Big& t) {
        const Big e = exp(t);
        return scaled(e + 1.0 / e, -1);
      },
      // sinh(t)/(2t) < exp(t)/(4t), increasing from t = 1 on
      [](const Radius&, const Radius& most) {
        return below_one(most) ? Radius(0.6, 0) : exp_root(most) / root_down(most) * 0.25;
      });
}
inline Big sinhcq(const Big& q) {
  return even_function(
      q, Big::infinity(false), sinhc_series,
      [](const Big&, const Big& t) {
        const Big e = exp(t);
        return (e - 1.0 / e) / scaled(t, 1);
      },
      // (cosh t - sinh(t)/t)/(2q) < exp(t)/(2q), increasing from t = 2 on, and larger than the value at 2 before
      [](const Radius&, const Radius& most) { return below_one(most) ? Radius(0.2, 0) : exp_root(most) / most * 0.5; });
}
inline Big dsinhcq(const Big& q) {
  return even_function(
      q, Big::infinity(false), dsinhc_series,
      [](const Big& m, const Big& t) {
        const Big e = exp(t), r = 1.0 / e;
        if (is_inf(e)) return e;
        return (e + r - (e - r) / t) / scaled(m, 2);
      },
      // f'' = (f/2 - 3f')/(2q) < exp(t)/(8 t q) for f = sinh(t)/t, increasing from t = 3 on, larger than f''(9) before
      [](const Radius&, const Radius& most) {
        return below_one(most) ? Radius(0.02, 0) : exp_root(most) / root_down(most) / most * 0.125;
      });
}

// tanh t and 1 - tanh^2 t for t >= 2^-17.
inline std::pair<Big, Big> tanh_parts(const Big& t) {
  // exp(-2t) < 2^-(2^t.exponent)
  const std::int64_t out = std::int64_t(1) << (t.exponent < 0 ? 0 : t.exponent > 59 ? 59 : t.exponent);
  if (out > 64 * kept) return {widened(Big(1.0), Radius(2.0, -out)), Big::ball(Radius(4.0, -out))};
  const Big e = exp(scaled(t, 1)), more = e + 1.0;
  return {(e - 1.0) / more, scaled(e, 2) / sqr(more)};
}

// tanh(t)/t is the sum of 8/((2k - 1)^2 pi^2 + 4q): it and its derivatives decrease in size, and |f'| <= f/q,
// f'' <= 2 f/q^2.
inline Big tanhcq(const Big& q) {
  return even_function(
      q, Big(), [](const Big& m) { return sinhc_series(m) / cosh_series(m); },
      [](const Big&, const Big& t) { return tanh_parts(t).first / t; },
      [](const Radius& least, const Radius&) {
        return below_one(least) ? Radius(0.5, 0) : Radius(1.0, 0) / least / root_down(least);
      });
}
inline Big dtanhcq(const Big& q) {
  return even_function(
      q, Big(),
      [](const Big& m) {
        const Big s = sinhc_series(m), c = cosh_series(m);
        return (dsinhc_series(m) - scaled(sqr(s) / c, -1)) / c;
      },
      [](const Big& m, const Big& t) {
        const auto [tanh, slope] = tanh_parts(t);
        return (slope - tanh / t) / scaled(m, 1);
      },
      [](const Radius& least, const Radius&) {
        return below_one(least) ? Radius(0.5, 0) : Radius(2.0, 0) / least / least / root_down(least);
      });
}

// asinh(t)/t for q > 2^-33
inline Big asinhc_closed(const Big& q, const Big& t) { return log_ball(t + sqrt(q + 1.0)) / t; }
// The same, an upper bound for q >= 1: asinh t < log(4t).
inline Radius asinhc_upper(const Radius& q) { return Radius(0.7 * (0.5 * double(q.e + 1) + 2.0), 0) / root_down(q); }

// The integral of (1 + q s^2)^(-1/2) over 0 < s < 1: it and its derivatives decrease in size, and since
// s^2/(1 + q s^2) < 1/q, |f'| <= f/(2q), f'' <= 3f/(4q^2).
inline Big asinhcq(const Big& q) {
  return even_function(q, Big(), asinh_series, asinhc_closed, [](const Radius& least, const Radius&) {
    return below_one(least) ? Radius(0.5, 0) : asinhc_upper(least) / least * 0.5;
  });
}
inline Big dasinhcq(const Big& q) {
  return even_function(
      q, Big(),
      [](const Big& m) {
        const auto ratio = [](double j) { return Ratio((2.0 * j + 1.0) * (2.0 * j + 1.0), 2.0 * j * (2.0 * j + 3.0)); };
        return small_series(-m, ratio) / -6.0;
      },
      [](const Big& m, const Big& t) { return (1.0 / sqrt(m + 1.0) - asinhc_closed(m, t)) / scaled(m, 1); },
      [](const Radius& least, const Radius&) {
        return below_one(least) ? Radius(0.5, 0) : asinhc_upper(least) / least / least * 0.75;
      });
}

// atanh(t)/t is the integral of 1/(1 - q s^2), infinite at q = 1: f' < 4/(3 (1 - q)), f'' < 1/(1 - q)^2.  slope(room)
// has a lower bound of 1 - q over the ball.
template <class Series, class Closed, class Slope>
inline Big atanh_function(const Big& q, Series series, Closed closed, Slope slope) {
  if (!q.finite()) return Big::nan();
  const Big rest = [&] {
    Guard guard(2 + (q.size > kept ? q.size - kept : 0));
    return 1.0 - q;
  }();
  if (surely_negative(rest)) return Big::nan();
  if (is_exact_zero(rest)) return Big::infinity(false);
  const Radius room = rest.negative ? Radius() : minus_down(rest.lower(), rest.radius);
  if (room.zero()) return Big::unknown();
  return even_function(q, Big(), series, closed, [&](const Radius&, const Radius&) { return slope(room); });
}
inline Big atanhc_closed(const Big& q, const Big& t) { return log_ball(sqr(t + 1.0) / (1.0 - q)) / scaled(t, 1); }

inline Big atanhcq(const Big& q) {
  return atanh_function(
      q, [](const Big& m) { return small_series(m, [](double j) { return Ratio(2.0 * j - 1.0, 2.0 * j + 1.0); }); },
      atanhc_closed, [](const Radius& room) { return Radius(4.0 / 3.0, 0) / room; });
}
inline Big datanhcq(const Big& q) {
  return atanh_function(
      q,
      [](const Big& m) {
        const auto ratio = [](double j) { return Ratio((j + 1.0) * (2.0 * j + 1.0), j * (2.0 * j + 3.0)); };
        return small_series(m, ratio) / 3.0;
      },
      [](const Big& m, const Big& t) { return (1.0 / (1.0 - m) - atanhc_closed(m, t)) / scaled(m, 1); },
      [](const Radius& room) { return Radius(1.0, 0) / room / room; });
}

}  // namespace big

// The functions are found by their arguments.
using big::Big;
using big::big_precision;

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
