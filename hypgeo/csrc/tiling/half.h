// H-tiling: the half-space of dimension d tiled by 2^j ([0,1)^(d-1) + k) x [1,2).
// T. Yu, C. De Sa. Numerically Accurate Hyperbolic Embeddings Using Tiling-Based Models. NeurIPS 2019, section 4.
//
// A row of doubles (x, h, j, k) with d - 1 offsets x in [0,1), a height h in [1,2), an integer j and d - 1 integers k in
// limbs, limb-major (number.h), is the point 2^j (x + k, h).  All of geometry needs U = Y - X and the heights alone.  In
// U what can cancel is integers and offsets, which are subtracted exactly; what remains is rounded once, to 2^-76.
// With N = |U|^2 + (h_y - h_x)^2 and N' = |U|^2 + (h_y + h_x)^2,
//     4 sinh^2(d/2) = N / (h_x h_y),
//     n_x = (2 h_x U, |U|^2 + h_y^2 - h_x^2) / sqrt(N N'),   n_y = (-2 h_y U, |U|^2 + h_x^2 - h_y^2) / sqrt(N N')
// are the distance and the unit vectors from each point to the other, in the frame that is orthonormal there.
#pragma once

#include <algorithm>

#include "number.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace tiling {

// How two points see each other; the unit vectors only where they are asked for (both 0 between equal points).
struct View {
  double dist = 0;
  bool certain = true;  // that dist is within 2 ulp
  std::vector<double> nx, ny;
  std::vector<double> side;  // of length 1: with the last axis it spans the plane of the points (d - 1)
  std::vector<Wide> u;       // scratch
  explicit View(int dim) : nx(dim), ny(dim), side(dim - 1), u(dim) {}
};

namespace half {

inline int64_t width(int d, int64_t limbs) { return d + 1 + (d - 1) * limbs; }
inline int64_t limbs_of(int d, int64_t width) { return (width - d - 1) / (d - 1); }

// The digits to the base 2^24 of x 2^s, s >= 0: its floor as integers at positions, and what is left in [0, 1).
struct Digits {
  int64_t piece[5] = {0, 0, 0, 0, 0};
  int64_t first = 0, last = -1;
  double rest = 0;
  Digits(double x, int64_t s) {
    const Dyadic a(x);
    if (a.m == 0) return;
    const int64_t e = a.e + s;
    int64_t m = a.m;
    if (e < 0) {
      m = e > -63 ? a.m >> -e : a.m < 0 ? -1 : 0;
      rest = e > -63 ? scale(double(a.m - (m << -e)), e) : m == 0 ? scale(double(a.m), e) : 1.0 + scale(double(a.m), e);
      if (m == 0) return;
    }
    const int64_t bit = std::max<int64_t>(e, 0);
    first = last = bit / kBits;
    add_at(piece, m, bit % kBits);
    for (int64_t i = 0; i < 5; ++i)
      if (piece[i]) last = first + i;
  }
  int64_t at(int64_t p) const { return p < first || p > last ? 0 : piece[p - first]; }
};

// 2^s (A + a) - (B + b), s >= 0, A and B in limbs `stride` apart: relative error 2^-76, 2^-104 below 2^100.
inline Wide gap(const double* big_a, double a, int64_t s, const double* big_b, double b, int64_t stride, int64_t limbs) {
  const Digits da(a, s), db(b, 0);
  int64_t used_a = limbs, used_b = limbs;
  while (used_a && big_a[(used_a - 1) * stride] == 0.0) --used_a;
  while (used_b && big_b[(used_b - 1) * stride] == 0.0) --used_b;
  const int64_t q = s / kBits;
  const int64_t up = int64_t(1) << (s % kBits);
  int64_t p = std::max({used_a ? used_a - 1 + q : 0, used_b - 1, da.last, db.last, int64_t(0)});
  i128 sum = 0;
  for (; p >= 0; --p) {
    sum = sum * (1 << kBits) + da.at(p) - db.at(p);
    if (p >= q && p - q < used_a) sum += i128(limb(big_a[(p - q) * stride])) * up;
    if (p < used_b) sum -= limb(big_b[p * stride]);
    if (p > 0 && (sum >= i128(1) << 100 || sum <= -(i128(1) << 100))) return Wide(to_dd(sum), p * kBits);
  }
  return Wide(to_dd(sum) + two_diff<double>(da.rest, db.rest));
}

// x and y: rows of `limbs` limbs each.
inline void view(const double* x, const double* y, int d, int64_t limbs, bool directions, View& out) {
  double sound = (x[d] - y[d]) * 0.0;
  for (int i = 0; i < d; ++i) sound += (x[i] - y[i]) * 0.0;
  const auto in_range = [](double j) { return std::fabs(j) <= double(kFarthest) && j == std::nearbyint(j); };
  if (sound != 0.0 || !in_range(x[d]) || !in_range(y[d])) {
    out.dist = kNaN;
    for (auto* v : {&out.nx, &out.ny, &out.side}) std::fill(v->begin(), v->end(), kNaN);
    return;
  }
  const double *low = x, *high = y;  // of the tile's height
  double sign = 1;
  if (x[d] > y[d]) std::swap(low, high), sign = -1;
  const int64_t s = int64_t(high[d] - low[d]);
  const Wide above = Wide(dd(high[d - 1]), s), below(low[d - 1]);
  Wide square;
  for (int i = 0; i < d - 1; ++i) {
    out.u[i] = gap(high + d + 1 + i, high[i], s, low + d + 1 + i, low[i], d - 1, limbs);
    square = square + out.u[i] * out.u[i];
  }
  const Wide rise = above - below;
  const Wide near = square + rise * rise;
  out.dist = 2 * asinh(twice(sqrt(near / (above * below)), -1));
  if (!directions) return;
  if (near.zero()) {
    std::fill(out.nx.begin(), out.nx.end(), 0.0);
    std::fill(out.ny.begin(), out.ny.end(), 0.0);
    std::fill(out.side.begin(), out.side.end(), 0.0);
    return;
  }
  const Wide reach = above + below, root = sqrt(near), far = sqrt(square + reach * reach);
  const auto over = [](const Wide& a, const Wide& b) { return scale(a.m.hi / b.m.hi, a.e - b.e); };
  const Wide &hx = sign > 0 ? below : above, &hy = sign > 0 ? above : below;
  const double of_x = 2 * over(hx, far), of_y = 2 * over(hy, far);
  const double lean = sign * over(rise, root) * over(reach, far);
  const Wide flat = sqrt(square);
  double bend = 0;
  for (int i = 0; i < d - 1; ++i) {
    const double p = over(out.u[i], root);
    bend += p * over(out.u[i], far);
    out.nx[i] = sign * of_x * p;
    out.ny[i] = -sign * of_y * p;
    out.side[i] = flat.zero() ? 0.0 : sign * over(out.u[i], flat);
  }
  out.nx[d - 1] = bend + lean;
  out.ny[d - 1] = bend - lean;
}

// ---- steps

// A row of any finite offsets, with displacements on top, in the one form that it has: the tile of 2^j h.
// move: (d - 1) in units of 2^(x[d]), or null; float: offsets are rounded to float32.  Writes up to `room` limbs and
// returns how many are needed, or -1 where |j| or k leaves the range.
template <class Float>
int64_t place(const double* x, int d, int64_t limbs, const Wide* move, const Wide& height, double* out, int64_t room) {
  double h = 2.0 * double(Float(height.m.hi));
  int64_t by = height.e - 1;  // of the new tile's height over the old one's, in powers of two
  if (h == 2.0) h = 1.0, ++by;
  const int64_t j = int64_t(x[d]) + by;
  if (j <= -kFarthest || j >= kFarthest) return -1;
  out[d - 1] = h;
  out[d] = double(j);
  constexpr int64_t kFraction = 8;  // digits behind the point
  int64_t needed = 1;
  static thread_local std::vector<int64_t> digits;
  for (int i = 0; i < d - 1; ++i) {
    const double* k = x + d + 1 + i;
    const int stride = d - 1;
    const bool still = !move || move[i].zero();
    if (by == 0 && still && x[i] >= 0.0 && x[i] < 1.0 && double(Float(x[i])) == x[i]) {
      out[i] = x[i];
      for (int64_t l = 0; l < limbs; ++l) {
        if (k[l * stride] != 0.0) needed = std::max(needed, l + 1);
        if (l < room) out[d + 1 + i + l * stride] = k[l * stride];
      }
      for (int64_t l = limbs; l < room; ++l) out[d + 1 + i + l * stride] = 0.0;
      continue;
    }
    int64_t used = limbs;
    while (used && k[(used - 1) * stride] == 0.0) --used;
    const Dyadic terms[3] = {Dyadic(x[i]), Dyadic(still ? 0.0 : move[i].m.hi), Dyadic(still ? 0.0 : move[i].m.lo)};
    const int64_t raise[3] = {0, still ? 0 : move[i].e, still ? 0 : move[i].e};
    int64_t bits = used ? used * kBits - by : 0;  // the highest bit that may be set
    for (int t = 0; t < 3; ++t) bits = std::max(bits, terms[t].e + raise[t] - by + 53);
    const int64_t size = kFraction + std::max<int64_t>(bits, 0) / kBits + 5;
    if (size > kFarthest) return -1;
    digits.assign(size_t(size), 0);
    for (int64_t l = 0; l < used; ++l) {
      const int64_t bit = (l + kFraction) * kBits - by;
      if (bit >= 0) {
        add_at(digits.data(), limb(k[l * stride]), bit);
      } else if (bit > -kBits) {
        digits[0] += limb(k[l * stride]) >> -bit;
      }
    }
    for (int t = 0; t < 3; ++t) {
      const int64_t bit = terms[t].e + raise[t] - by + kFraction * kBits;
      if (bit >= 0) {
        add_at(digits.data(), terms[t].m, bit);
      } else if (bit > -60) {
        add_at(digits.data(), terms[t].m >> -bit, 0);
      }
    }
    int64_t carry = 0;  // of the fraction, whose digits are not negative
    for (int64_t p = 0; p < kFraction; ++p) {
      const int64_t v = digits[p] + carry;
      carry = v >> kBits;
      digits[p] = v - (carry << kBits);
    }
    int64_t top = kFraction - 1;
    while (top > 0 && digits[top] == 0) --top;
    u128 head = 0;  // up to five digits: what follows is 2^-96 of it or less
    int64_t last = std::max<int64_t>(0, top - 4);
    for (int64_t p = top; p >= last; --p) head = head << kBits | u128(digits[p]);
    for (int64_t p = last - 1; p >= 0; --p) head |= digits[p] != 0;  // which way a tie goes
    double offset = scale(double(Float(head)), (last - kFraction) * kBits);
    if (offset == 1.0) offset = 0.0, ++carry;
    out[i] = offset;
    balance(digits.data(), kFraction, size, carry);
    int64_t end = size;
    while (end > kFraction + 1 && digits[end - 1] == 0) --end;
    needed = std::max(needed, end - kFraction);
    for (int64_t l = 0; l < room; ++l) {
      out[d + 1 + i + l * stride] = l < size - kFraction ? double(digits[l + kFraction]) : 0.0;
    }
  }
  return needed;
}

inline void lose(double* out, int64_t width) { std::fill(out, out + width, kNaN); }

// The row in its one form (u null), or the point reached along u, a tangent vector in the chart of the offsets.
// expmap as in T. Yu, C. De Sa. Representing Hyperbolic Space Accurately using Multi-Component Floats. NeurIPS 2021,
// section 3, with e^-s taken out: with n = u/|u|, E = e^-s and D = E^2 + (1 - n_up) (1 - E^2)/2 the point moves by
// h n (1 - E^2)/(2D) to the height h E/D.
template <class Float>
int64_t step(const double* x, const double* u, int d, int64_t limbs, double* out, int64_t room, View& scratch) {
  bool finite = x[d - 1] > 0.0, moves = false;
  for (int i = 0; i < d; ++i) {
    finite = finite && std::isfinite(x[i]) && (!u || std::isfinite(u[i]));
    moves = moves || (u && u[i] != 0.0);
  }
  if (!finite || !(x[d] == std::nearbyint(x[d]))) {
    lose(out, width(d, room));
    return 1;
  }
  const Wide h(x[d - 1]);
  if (!moves) {
    const int64_t needed = place<Float>(x, d, limbs, nullptr, h, out, room);
    if (needed < 0) lose(out, width(d, room));
    return std::max<int64_t>(needed, 1);
  }
  Wide square, flat;
  for (int i = 0; i < d; ++i) {
    const Wide w(u[i]);
    square = square + w * w;
    if (i == d - 2) flat = square;
  }
  const Wide length = sqrt(square), s = length / h, up = Wide(u[d - 1]) / length;
  if (s.e > 23) {  // no tile so far out
    lose(out, width(d, room));
    return 1;
  }
  const dd t = scale(s.m, s.e);
  const Wide one(1.0), fade = exp(-t), square_fade = fade * fade, rest = fall(t + t);
  const Wide away = up.m.hi > 0.0 ? flat / square / (one + up) : one - up;  // 1 - n_up
  const Wide under = square_fade + twice(away * rest, -1);
  const Wide pace = h * rest / twice(under * length);
  for (int i = 0; i < d - 1; ++i) scratch.u[i] = pace * Wide(u[i]);
  const int64_t needed = place<Float>(x, d, limbs, scratch.u.data(), h * fade / under, out, room);
  if (needed < 0) lose(out, width(d, room));
  return std::max<int64_t>(needed, 1);
}

}  // namespace half
}  // namespace tiling
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
