// L-tiling: the hyperbolic plane tiled by the images of a square with angles pi/3.
// T. Yu, C. De Sa. Numerically Accurate Hyperbolic Embeddings Using Tiling-Based Models. NeurIPS 2019, section 3.
//
// A row of doubles (x_1, x_2, g) with two spatial coordinates x on the hyperboloid, in F = {2 x_1^2 - x_2^2 <= 1,
// 2 x_2^2 - x_1^2 <= 1}, and nine integers g in limbs, row by row and limb-major (number.h), is the point L g L^-1 x,
// L = diag(sqrt 3, 1, 1).  g is in the group that
//     g_a = [2 1 0; 0 0 -1; 3 2 0],  g_b = [2 -1 0; 0 0 -1; -3 2 0]
// generate: rotations by pi/3 about the corners (-1, 1) and (1, -1) of F, which permute its sides; so F has one point of
// each orbit but for its boundary.  g preserves M = diag(3, -1, -1), whence g_x^-1 g_y = M^-1 g_x' M g_y is the tile of
// y as x's frame sees it: exact integers, of which as many leading digits are formed as the distance asks for.
#pragma once

#include <algorithm>
#include <array>

#include "half.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace tiling {
namespace plane {

constexpr int kHead = 2, kEntries = 9;
inline int64_t width(int64_t limbs) { return kHead + kEntries * limbs; }
inline int64_t limbs_of(int64_t width) { return (width - kHead) / kEntries; }

inline dd root3() { return dd(0x1.bb67ae8584caap+0, 0x1.cec95d0b5c1e3p-54); }  // 2^-108
inline dd over_root3() { return dd(0x1.279a74590331cp-1, 0x1.34863e0792bedp-55); }
constexpr double kBeside = 0x1p-36;  // across a boundary, nearer than this in coordinates is not certain
constexpr double kOut = 64.0;        // farther out of their tile offsets are left to Python

// ---- the tile of one point seen from another

// Q = g_x^-1 g_y = m 2^e, to 2^-92 of its largest entry; exact where e = 0.
struct Seen {
  dd m[kEntries];
  int64_t e = 0;
  bool same = false;  // Q = 1
};

// Two limbs a digit: what follows computes to the base 2^48.  The digits at a position of g, of which `used` limbs are
// not zero.
inline void take48(const double* g, int64_t used, int64_t position, int64_t* out) {
  const int64_t low = 2 * position;
  const double *a = g + low * kEntries, *b = a + kEntries;
  if (low + 1 < used) {
    for (int c = 0; c < kEntries; ++c) out[c] = limb(a[c]) + limb(b[c]) * (1 << kBits);
  } else {
    for (int c = 0; c < kEntries; ++c) out[c] = limb(a[c]);
  }
}

struct Digits48 {
  std::vector<int64_t> d;  // [position][entry]
  int64_t count = 0;
  void take(const double* g, int64_t used, int64_t from, int64_t n) {
    d.resize(size_t(n * kEntries));
    count = n;
    for (int64_t i = 0; i < n; ++i) take48(g, used, from + i, d.data() + i * kEntries);
  }
  const int64_t* operator[](int64_t i) const { return d.data() + i * kEntries; }
};

inline int64_t used_limbs(const double* g, int64_t limbs) {
  const auto zero = [](const double* p) {
    for (int c = 0; c < kEntries; ++c)
      if (p[c] != 0.0) return false;
    return true;
  };
  while (limbs > 1 && zero(g + (limbs - 1) * kEntries)) --limbs;
  return limbs;
}

constexpr int64_t kUnit48 = int64_t(1) << 48;

struct Product {
  Digits48 x, y;
  std::vector<i128> sums;        // [position][entry]
  std::vector<int64_t> digits;

  // M' g_x' M g_y with M' = diag(1, -1, -1), three times Q in its first row, from x and y; `keep` positions.
  void multiply(int64_t keep) {
    sums.assign(size_t(keep * kEntries), 0);
    for (int64_t i = 0; i < std::min(x.count, keep); ++i) {
      const int64_t* a = x[i];
      for (int64_t j = 0; j < y.count && i + j < keep; ++j) {
        const int64_t* b = y[j];
        i128* s = sums.data() + (i + j) * kEntries;
        for (int r = 0; r < 3; ++r) {
          const int64_t p = r ? -3 * a[r] : 3 * a[r], q = r ? a[3 + r] : -a[3 + r], t = r ? a[6 + r] : -a[6 + r];
          for (int c = 0; c < 3; ++c) s[3 * r + c] += i128(p) * b[c] + i128(q) * b[3 + c] + i128(t) * b[6 + c];
        }
      }
    }
  }
  // Carries sums into digits from -2^47 to 2^47 - 1, two more of them.
  int64_t carry() {
    const int64_t n = int64_t(sums.size()) / kEntries;
    digits.resize(size_t((n + 3) * kEntries));
    for (int c = 0; c < kEntries; ++c) {
      i128 over = 0;
      for (int64_t p = 0; p < n + 3; ++p) {
        const i128 v = (p < n ? sums[size_t(p * kEntries + c)] : 0) + over;
        over = (v + kUnit48 / 2) >> 48;
        digits[size_t(p * kEntries + c)] = int64_t(v - over * kUnit48);
      }
    }
    int64_t top = n + 2;
    while (top > 0 && std::all_of(row(top), row(top) + kEntries, [](int64_t v) { return v == 0; })) --top;
    return top;
  }
  const int64_t* row(int64_t p) const { return digits.data() + p * kEntries; }
};

// From integers below 2^96, exactly.
inline void settle(const i128* q, Seen& out) {
  out.e = 0;
  for (int c = 0; c < kEntries; ++c) {
    out.m[c] = to_dd(c < 3 ? q[c] / 3 : q[c]);
  }
}

// Whether g_x q = g_y for small q, on all digits.
inline bool leads_to(const double* gx, int64_t used_x, const double* gy, int64_t used_y, const i128* q, Product& w) {
  int64_t part[2][kEntries];
  for (int c = 0; c < kEntries; ++c) {
    const i128 high = (q[c] + kUnit48 / 2) >> 48;
    part[0][c] = int64_t(q[c] - high * kUnit48);
    part[1][c] = int64_t(high);
  }
  const int64_t kx = (used_x + 1) / 2, ky = (used_y + 1) / 2;
  w.x.take(gx, used_x, 0, kx);
  w.y.take(gy, used_y, 0, ky);
  w.sums.assign(size_t((kx + 1) * kEntries), 0);
  for (int64_t i = 0; i < kx; ++i) {
    const int64_t* a = w.x[i];
    for (int h = 0; h < 2; ++h) {
      i128* s = w.sums.data() + (i + h) * kEntries;
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c)
          for (int k = 0; k < 3; ++k) s[3 * r + c] += i128(a[3 * r + k]) * part[h][3 * k + c];
    }
  }
  const int64_t n = w.carry() + 1;
  // y's own digits to the same base may be pairs of limbs beyond its range: carry them too
  std::vector<int64_t> mine(w.digits.begin(), w.digits.begin() + n * kEntries);
  w.sums.assign(size_t(ky * kEntries), 0);
  for (int64_t i = 0; i < ky; ++i)
    for (int c = 0; c < kEntries; ++c) w.sums[size_t(i * kEntries + c)] = w.y[i][c];
  return w.carry() + 1 == n && std::equal(mine.begin(), mine.end(), w.digits.begin());
}

// The leading 61 bits of g's largest entry, and as many places of the others: g = m 2^e and less than 2^e more.
inline int64_t leading(const double* g, int64_t used, int64_t* m) {
  const int64_t first = std::max<int64_t>(0, used - 4);
  i128 v[kEntries] = {};
  i128 all = 0;
  for (int64_t l = used - 1; l >= first; --l)
    for (int c = 0; c < kEntries; ++c) v[c] = v[c] * (1 << kBits) + limb(g[l * kEntries + c]);
  for (i128 t : v) all |= t < 0 ? -t : t;
  const uint64_t high = uint64_t(all >> 64);
  const int bits = high ? 128 - std::countl_zero(high) : 64 - std::countl_zero(uint64_t(all));
  const int shift = std::max(0, bits - 61);
  for (int c = 0; c < kEntries; ++c) m[c] = int64_t(v[c] >> shift);
  return first * kBits + shift;
}

// Q to 2^-53 of its largest entry from leading digits alone, where they do not cancel: enough for a long distance.
inline bool glimpse(const double* gx, int64_t used_x, const double* gy, int64_t used_y, Seen& out) {
  int64_t a[kEntries], b[kEntries];
  out.e = leading(gx, used_x, a) + leading(gy, used_y, b);
  i128 q[kEntries], all = 0;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) {
      const i128 v = i128(3 * a[r]) * b[c] - i128(a[3 + r]) * b[3 + c] - i128(a[6 + r]) * b[6 + c];
      q[3 * r + c] = r ? -v : v;
      if (r) all |= v < 0 ? -v : v;
    }
  if (all < i128(1) << 118 || out.e <= 0) return false;  // 5 2^62 or less was left out
  const dd third(0x1.5555555555555p-2, 0x1.5555555555555p-56);
  for (int c = 0; c < kEntries; ++c) {
    const dd v = to_dd(q[c] >> 64) * 0x1p-56;
    out.m[c] = c < 3 ? v * third : v;
  }
  out.e += 120;
  return true;
}

// rough: what glimpse gives will do.
inline void relate(const double* gx, const double* gy, int64_t limbs, bool rough, Product& w, Seen& out) {
  const int64_t used_x = used_limbs(gx, limbs), used_y = used_limbs(gy, limbs);
  out.same = used_x == used_y && std::equal(gx, gx + used_x * kEntries, gy);
  if (out.same) {
    out.e = 0;
      for (int c = 0; c < kEntries; ++c) out.m[c] = dd(c % 4 == 0 ? 1.0 : 0.0);
    return;
  }
  if (used_x <= 2 && used_y <= 2) {  // integers below 2^47
    int64_t a[kEntries], b[kEntries];
    i128 q[kEntries];
    take48(gx, used_x, 0, a);
    take48(gy, used_y, 0, b);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) {
        const i128 v = i128(3 * a[r]) * b[c] - i128(a[3 + r]) * b[3 + c] - i128(a[6 + r]) * b[6 + c];
        q[3 * r + c] = r ? -v : v;
      }
    settle(q, out);
    return;
  }
  if (rough && glimpse(gx, used_x, gy, used_y, out)) return;
  const int64_t kx = (used_x + 1) / 2, ky = (used_y + 1) / 2;
  for (int64_t n = std::max(kx, ky) <= 8 ? 8 : 5;; n *= 2) {
    const int64_t nx = std::min(n, kx), ny = std::min(n, ky), low = kx - nx + ky - ny;
    w.x.take(gx, used_x, kx - nx, nx);
    w.y.take(gy, used_y, ky - ny, ny);
    w.multiply(nx + ny - 1);
    const int64_t top = w.carry();
    if (low == 0 && top <= 1) {
      i128 q[kEntries];
      for (int c = 0; c < kEntries; ++c) q[c] = i128(w.row(1)[c]) * kUnit48 + w.row(0)[c];
      settle(q, out);
      return;
    }
    // what was left out is below 5 2^(48 sure) here
    const int64_t sure = std::max(ny < ky ? nx : 0, nx < kx ? ny : 0);
    if (low == 0 || top >= sure + 2) {
      for (int c = 0; c < kEntries; ++c) {
        dd v(double(w.row(top)[c]));
        for (int64_t p = top - 1; p >= top - 2; --p) v = v * 0x1p48 + double(w.row(p)[c]);
        out.m[c] = (c < 3 ? v / dd(3.0) : v) * 0x1p-96;
          }
      out.e = 48 * (top - 2 + low) + 96;
      return;
    }
    if (n == 5) {  // perhaps they are neighbours far out: the last digits then say of which kind
      w.x.take(gx, used_x, 0, std::min<int64_t>(kx, 2));
      w.y.take(gy, used_y, 0, std::min<int64_t>(ky, 2));
      w.multiply(2);
      w.carry();
      i128 q[kEntries], whole[kEntries];
      bool divides = true;
      for (int c = 0; c < kEntries; ++c) {
        q[c] = whole[c] = i128(w.row(1)[c]) * kUnit48 + w.row(0)[c];
        if (c < 3) divides = divides && q[c] % 3 == 0, whole[c] = q[c] / 3;
      }
      if (divides && leads_to(gx, used_x, gy, used_y, whole, w)) {
        settle(q, out);
        return;
      }
    }
  }
}

// ---- how they see each other

struct Vector {
  dd t, x[2];  // time and space
};

inline Vector on_hyperboloid(const dd& a, const dd& b) {
  Vector v;
  v.x[0] = a;
  v.x[1] = b;
  v.t = sqrt(a * a + b * b + 1.0);
  return v;
}

// The spatial coordinates s 2^k of z 2^e in the frame that the boost from the origin makes orthonormal at x.  w = z - x.
struct Sight {
  dd s[2];
  int64_t k;
  Wide length() const { return Wide(sqrt(s[0] * s[0] + s[1] * s[1]), k); }
  void direction(const Wide& length, double* n) const {
    const double size = length.zero() ? 1.0 : length.m.hi;
    for (int i = 0; i < 2; ++i) n[i] = scale(s[i].hi / size, k - length.e);
  }
};

inline Sight from_frame(const Vector& x, const Vector& z, int64_t e, const dd* w) {
  Sight out;
  if (e == 0 && z.t.hi < 16.0) {
    out.k = exponent(std::max(std::fabs(w[0].hi), std::fabs(w[1].hi)));
    const dd a = scale(w[0], -out.k), b = scale(w[1], -out.k);
    const dd rise = (a * (z.x[0] + x.x[0]) + b * (z.x[1] + x.x[1])) / (z.t + x.t);
    const dd bend = (rise + scale(a * a + b * b - rise * rise, out.k - 1)) / (x.t + 1.0);
    out.s[0] = a - x.x[0] * bend;
    out.s[1] = b - x.x[1] * bend;
    return out;
  }
  const dd c = x.t * z.t - x.x[0] * z.x[0] - x.x[1] * z.x[1], bend = (z.t + c) / (x.t + 1.0);
  for (int i = 0; i < 2; ++i) out.s[i] = z.x[i] - x.x[i] * bend;
  out.k = e;
  return out;
}

struct Scratch {
  Product product;
  Seen seen;
};

inline void view(const double* x, const double* y, int64_t limbs, bool directions, Scratch& s, View& out) {
  const double sound = (x[0] - y[0]) * 0.0 + (x[1] - y[1]) * 0.0;
  const Seen& q = s.seen;
  out.certain = true;
  if (sound != 0.0) {
    out.dist = kNaN;
    for (auto* v : {&out.nx, &out.ny}) std::fill(v->begin(), v->end(), kNaN);
    return;
  }
  out.side[0] = 1.0;
  relate(x + kHead, y + kHead, limbs, !directions, s.product, s.seen);
  const Vector a = on_hyperboloid(dd(x[0]), dd(x[1])), b = on_hyperboloid(dd(y[0]), dd(y[1]));
  const dd r = root3();
  const auto difference = [&](const Vector& z, const Vector& of, dd* w) {
    for (int i = 0; i < 2; ++i) w[i] = z.x[i] - of.x[i];
  };
  Vector z = b;
  dd w[2];
  if (!q.same) {
    const dd low = b.t * over_root3();
    z.t = q.m[0] * b.t + r * (q.m[1] * b.x[0] + q.m[2] * b.x[1]);
    for (int i = 0; i < 2; ++i) z.x[i] = q.m[3 + 3 * i] * low + q.m[4 + 3 * i] * b.x[0] + q.m[5 + 3 * i] * b.x[1];
  }
  difference(z, a, w);
  const double beside = std::max(std::fabs(w[0].hi), std::fabs(w[1].hi));
  out.certain = a.t.hi <= kOut && b.t.hi <= kOut && (q.same || q.e > 0 || beside >= kBeside);
  if (q.same && beside == 0.0) {
    out.dist = 0;
    for (auto* v : {&out.nx, &out.ny}) std::fill(v->begin(), v->end(), 0.0);
    return;
  }
  const Sight there = from_frame(a, z, q.e, w);
  const Wide length = there.length();
  out.dist = asinh(length);
  if (!directions) return;
  there.direction(length, out.nx.data());
  if (q.same) {
    z = a;
  } else {  // by the inverse, which for a Lorentz matrix is its transpose but for signs
    z.t = q.m[0] * a.t - (q.m[3] * a.x[0] + q.m[6] * a.x[1]) * over_root3();
    const dd high = a.t * r;
    for (int i = 0; i < 2; ++i) z.x[i] = q.m[4 + i] * a.x[0] + q.m[7 + i] * a.x[1] - q.m[1 + i] * high;
  }
  difference(z, b, w);
  const Sight back = from_frame(b, z, q.e, w);
  back.direction(back.length(), out.ny.data());
}

// ---- words

using Matrix = std::array<int64_t, kEntries>;
constexpr Matrix kOne = {1, 0, 0, 0, 1, 0, 0, 0, 1};
constexpr Matrix kA = {2, 1, 0, 0, 0, -1, 3, 2, 0}, kUndoA = {2, 0, -1, -3, 0, 2, 0, -1, 0};
constexpr Matrix kB = {2, -1, 0, 0, 0, -1, -3, 2, 0}, kUndoB = {2, 0, 1, 3, 0, 2, 0, -1, 0};

inline Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) c[3 * i + j] += a[3 * i + k] * b[3 * k + j];
  return c;
}

// An element of the group: limbs, and a word of small entries yet to be multiplied in.
struct Element {
  std::vector<int64_t> g;  // [limb][entry], balanced
  Matrix word = kOne;
  Element() = default;
  Element(const double* row, int64_t limbs) : g(size_t(limbs * kEntries)) {
    for (size_t i = 0; i < g.size(); ++i) g[i] = limb(row[i]);
  }
  int64_t limbs() const { return int64_t(g.size()) / kEntries; }
  void right(const Matrix& m) {
    word = word * m;
    for (int64_t v : word)
      if (v > int64_t(1) << 40 || v < -(int64_t(1) << 40)) return finish();
  }
  void finish() {
    if (word == kOne) return;
    g.resize(g.size() + 3 * kEntries, 0);
    const int64_t n = limbs();
    for (int r = 0; r < 3; ++r) {
      i128 carry[3] = {0, 0, 0};
      for (int64_t l = 0; l < n; ++l) {
        int64_t* a = g.data() + l * kEntries + 3 * r;
        const int64_t in[3] = {a[0], a[1], a[2]};
        for (int c = 0; c < 3; ++c) {
          const i128 v = carry[c] + i128(in[0]) * word[c] + i128(in[1]) * word[3 + c] + i128(in[2]) * word[6 + c];
          carry[c] = (v + (1 << (kBits - 1))) >> kBits;
          a[c] = int64_t(v - carry[c] * (1 << kBits));
        }
      }
    }
    while (limbs() > 1 && std::all_of(g.end() - kEntries, g.end(), [](int64_t v) { return v == 0; })) {
      g.resize(g.size() - kEntries);
    }
    word = kOne;
  }
  // By entries, row by row; both finished.
  bool operator<(const Element& o) const {
    const int64_t n = std::max(limbs(), o.limbs());
    for (int c = 0; c < kEntries; ++c) {
      for (int64_t l = n - 1; l >= 0; --l) {
        const int64_t a = l < limbs() ? g[size_t(l * kEntries + c)] : 0, b = l < o.limbs() ? o.g[size_t(l * kEntries + c)] : 0;
        if (a != b) return a < b;
      }
    }
    return false;
  }
};

// 2 a^2 - b^2 - 1 > 0, for two doubles, exactly.
inline bool beyond(double a, double b) {
  const dd p = two_prod<double>(2 * a, a), q = two_prod<double>(b, b);
  double sum[5] = {0, 0, 0, 0, 0};
  int n = 0;
  for (double t : {-1.0, p.hi, -q.hi, p.lo, -q.lo}) {
    for (int i = 0; i < n; ++i) {  // J. R. Shewchuk. Adaptive precision floating-point arithmetic. 1997, Grow-Expansion
      const dd s = two_sum<double>(t, sum[i]);
      sum[i] = s.lo;
      t = s.hi;
    }
    sum[n++] = t;
  }
  for (int i = 4; i >= 0; --i)
    if (sum[i] != 0.0) return sum[i] > 0.0;
  return false;
}

// A point that moves: where it is in its tile, and its unit velocity where it has one.
struct Walker {
  Element tile;
  Vector at, pace;
  bool moves = false;

  void apply(const Matrix& m) {
    const auto turn = [&](Vector& v) {
      const dd low = v.t * over_root3(), a = v.x[0], b = v.x[1];
      for (int i = 0; i < 2; ++i) {
        const int64_t* row = m.data() + 3 + 3 * i;
        v.x[i] = low * double(row[0]) + a * double(row[1]) + b * double(row[2]);
      }
    };
    turn(at);
    if (moves) turn(pace);
    derive();
  }
  void derive() {
    at = on_hyperboloid(at.x[0], at.x[1]);
    if (moves) pace.t = (at.x[0] * pace.x[0] + at.x[1] * pace.x[1]) / at.t;
  }
  // Back into F, up to 2^-90: each turn about a corner brings the point nearer to F's centre.
  void reduce() {
    while (true) {
      const dd a = at.x[0] * at.x[0], b = at.x[1] * at.x[1];
      const bool across = a.hi >= b.hi;
      const dd out = across ? a * 2.0 - b - 1.0 : b * 2.0 - a - 1.0;
      if (!(out.hi > 0x1p-90)) return;
      const bool first = across ? at.x[0].hi < 0.0 : at.x[1].hi > 0.0;  // a side at the corner of g_a, not of g_b
      apply(first ? (across ? kA : kUndoA) : (across ? kB : kUndoB));
      tile.right(first ? (across ? kUndoA : kA) : (across ? kUndoB : kB));
    }
  }
  void advance(const dd& h) {  // 0 < h <= 2
    dd cosh, sinh;
    if (h.hi < 0.35) {
      const dd m = expm1_small(h), n = m / (m + 1.0);
      sinh = (m + n) * 0.5;
      cosh = m * n * 0.5 + 1.0;
    } else {
      const Wide e = exp(h);
      const dd m = scale(e.m, e.e), n = dd(1.0) / m;
      sinh = (m - n) * 0.5;
      cosh = (m + n) * 0.5;
    }
    for (int i = 0; i < 2; ++i) {
      const dd x = at.x[i], v = pace.x[i];
      at.x[i] = x * cosh + v * sinh;
      pace.x[i] = x * sinh + v * cosh;
    }
    derive();
    reduce();
  }
};

inline void lose(double* out, int64_t limbs) { std::fill(out, out + width(limbs), kNaN); }

// The one form of a point in its tile: rounded into F; of the tiles at a corner the first.
template <class Float>
int64_t land(Walker& w, double* out, int64_t room) {
  double x[2] = {double(Float(w.at.x[0].hi)), double(Float(w.at.x[1].hi))};
  while (true) {
    const bool second = std::fabs(x[1]) > std::fabs(x[0]);
    if (!beyond(x[second], x[!second])) break;
    x[second] = double(std::nextafter(Float(x[second]), Float(0)));
  }
  if (std::fabs(x[0]) == 1.0 && std::fabs(x[1]) == 1.0) {
    if (x[0] < 0 && x[1] < 0) {  // the same corner as (1, 1)
      w.tile.right(kUndoA);
      x[0] = x[1] = 1.0;
    }
    const Matrix turn = x[0] == x[1] ? kA * kB : x[0] < 0 ? kA : kB;
    w.tile.finish();
    Element next = w.tile;
    for (int k = 1; k < (x[0] == x[1] ? 3 : 6); ++k) {
      next.right(turn);
      next.finish();
      if (next < w.tile) w.tile = next;
    }
  }
  w.tile.finish();
  if (w.tile.limbs() <= room) {
    out[0] = x[0];
    out[1] = x[1];
    for (int64_t i = 0; i < room * kEntries; ++i) {
      out[kHead + i] = i < int64_t(w.tile.g.size()) ? double(w.tile.g[size_t(i)]) : 0.0;
    }
  }
  return w.tile.limbs();
}

// The row in its one form (u null), or the point reached along u, a tangent vector in the offset's coordinates.  Returns
// the limbs that it needs, or -1 where the offset lies too far outside its tile for twofold doubles.
template <class Float>
int64_t step(const double* x, const double* u, int64_t limbs, double* out, int64_t room) {
  bool finite = std::isfinite(x[0]) && std::isfinite(x[1]);
  if (u) finite = finite && std::isfinite(u[0]) && std::isfinite(u[1]);
  if (!finite) {
    lose(out, room);
    return 1;
  }
  Walker w;
  w.at = on_hyperboloid(dd(x[0]), dd(x[1]));
  if (w.at.t.hi > kOut) return -1;
  w.tile = Element(x + kHead, used_limbs(x + kHead, limbs));
  if (u && (u[0] != 0.0 || u[1] != 0.0)) {
    const int64_t k = exponent(std::max(std::fabs(u[0]), std::fabs(u[1])));
    const dd a(scale(u[0], -k)), b(scale(u[1], -k)), t = (w.at.x[0] * a + w.at.x[1] * b) / w.at.t;
    const dd length = sqrt(a * a + b * b - t * t);
    if (k + exponent(length.hi) > 23) {  // no tile so far out
      lose(out, room);
      return 1;
    }
    w.moves = true;
    w.pace.x[0] = a / length;
    w.pace.x[1] = b / length;
    w.derive();
    dd left = scale(length, k);
    while (left.hi > 2.0) {
      w.advance(dd(2.0));
      left = left - 2.0;
    }
    if (left.hi > 0.0) w.advance(left);
  }
  w.reduce();
  return land<Float>(w, out, room);
}

// ---- checks

// 0, or why the integers of a row are none of the group's: 1 M is not preserved, 2 a reflection, 3 the sheet of negative
// time, 4 a symmetry of M outside the group.  SO+(M) is that of the triangle group (2, 4, 6), in which the group has the
// index 4, with the rotations of F by pi/2 for cosets; modulo 3 these differ from it in the lower right block.
inline int64_t fault(const double* row, int64_t limbs, Scratch& s) {
  const double* g = row + kHead;
  const int64_t used = used_limbs(g, limbs), k = (used + 1) / 2;
  Product& w = s.product;
  w.x.take(g, used, 0, k);
  w.y.take(g, used, 0, k);
  w.multiply(2 * k - 1);
  const int64_t top = w.carry();
  constexpr int64_t kForm[kEntries] = {3, 0, 0, 0, 1, 0, 0, 0, 1};
  if (top != 0 || !std::equal(kForm, kForm + kEntries, w.row(0))) return 1;
  uint64_t m[kEntries] = {0};
  int64_t by3[kEntries] = {0};
  int64_t sign = 0;
  for (int64_t l = used - 1; l >= 0; --l) {
    for (int c = 0; c < kEntries; ++c) {
      const int64_t v = limb(g[l * kEntries + c]);
      if (l < 2) m[c] = (m[c] << kBits) + uint64_t(v);
      by3[c] = (by3[c] + v) % 3;  // 2^24 = 1 modulo 3
    }
    if (sign == 0) sign = limb(g[l * kEntries]);
  }
  const uint64_t det = m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
                       m[2] * (m[3] * m[7] - m[4] * m[6]);
  if ((det & 0xffffff) != 1) return 2;
  if (sign < 0) return 3;
  const auto mod3 = [&](int c) { return (by3[c] + 3) % 3; };
  const bool one = mod3(4) == 1 && mod3(5) == 0 && mod3(7) == 0 && mod3(8) == 1;
  const bool other = mod3(4) == 0 && mod3(5) == 2 && mod3(7) == 2 && mod3(8) == 0;
  return one || other ? 0 : 4;
}

}  // namespace plane
}  // namespace tiling
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
