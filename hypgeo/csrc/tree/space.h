// A tree of points in the upper half-space, each stored relative to its parent: geometry in one place.
//
// The affine maps (x, y) -> (a x + b, a y), a > 0, act simply transitively on the half-space by isometries, so a point is
// the same thing as the map that takes (0, 1) there.  A node holds its map *in its parent's frame*: offset b (d-1 numbers)
// and log a.  Composing along a path from an ancestor down to a node gives the node as that ancestor sees it,
//     x = sum_i b_i prod_{j<i} a_j,     log y = sum_i log a_i,
// so a distance needs only the two paths up to the common ancestor and never a coordinate from the root.  With
//     cosh d = 1 + (|dx|^2 + dy^2) / (2 y_u y_v)
// one has  d = 2 asinh sqrt(A^2 + B^2),  A = |dx| / (2 sqrt(y_u y_v)),  B = sinh((log y_u - log y_v) / 2),
// a form without cancellation; heights enter through their logarithms only, so that no radius is too large.
// What can cancel is dx, where different paths lead (nearly) to one place, and what can leave the exponents of float64 are a
// and the squares.  Every sum is followed by a bound of its error, and a distance that is not certain is NaN: the caller
// (hypgeo/ops/tree.py) then takes it in decimals, with as many digits as it needs.
// Nodes are stored parents first (parent[i] < i, the root's parent is -1); hence the larger of two indices is never an
// ancestor of the smaller, and walking the larger one up finds the common ancestor.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../scalar/multifloat.h"

namespace hypgeo::tree {

struct Points {
  const int64_t* parent;  // (n,)
  const double* rows;     // (n, d): d-1 offsets, then the logarithm of the height ratio
  int64_t n;
  int d;
  int axes() const { return d - 1; }
  const double* offset(int64_t i) const { return rows + i * d; }
  double log_height(int64_t i) const { return rows[i * d + d - 1]; }
};

// ------------------------------------------------------------------------------------------------ two-component part

inline dd ln2() { return dd(0.693147180559945286, 2.319046813846299558e-17); }

// exp of a double-double below the overflow threshold, relative error about 2^-98 + 2^-103 |a|: reduction by ln 2 and by 2^9,
// Taylor, nine doublings.
inline dd exp(dd a) {
  if (a.hi < -740) return dd(0.0);
  const double k = std::nearbyint(a.hi / 0.693147180559945286);
  dd r = (a - ln2() * dd(k));
  r = dd(std::ldexp(r.hi, -9), std::ldexp(r.lo, -9));
  // expm1(r), |r| < 7e-4: from r^5 on the terms are below 2^-49 of the sum, so plain doubles do for them
  const double x = r.hi, tail = x * (1.0 / 120 + x * (1.0 / 720 + x * (1.0 / 5040 + x * (1.0 / 40320 + x / 362880))));
  const dd third(0.16666666666666666, 9.25185853854297e-18), fourth(0.041666666666666664, 2.3129646346357427e-18);  // 1/6, 1/24
  dd sum = r + r * r * (dd(0.5) + r * (third + r * (fourth + tail)));
  for (int i = 0; i < 9; ++i) sum = sum * (sum + dd(2.0));  // expm1(2r) = expm1(r) (expm1(r) + 2)
  sum = sum + dd(1.0);
  return dd(std::ldexp(sum.hi, int(k)), std::ldexp(sum.lo, int(k)));
}

// sinh(z), |z| < 50, relative error about 2^-95
inline dd sinh(dd z) {
  if (std::fabs(z.hi) > 0.3) {
    const dd e = exp(z);
    return (e - dd(1.0) / e) * dd(0.5);
  }
  const dd z2 = z * z;
  dd term = z, sum = z;
  for (int i = 2; i <= 22; i += 2) {
    term = term * z2 / dd(double(i * (i + 1)));
    sum = sum + term;
  }
  return sum;
}

// How much was summed on the way to a position: what the error of the sum is measured by.
struct Wear {
  double size = 0;   // sum of |b| prod a: no partial sum was larger
  double turns = 0;  // sum of |log a|
  double steps = 0;

  void step(double log_a) {
    turns += std::fabs(log_a);
    steps += 1;
  }
  Wear operator+(const Wear& o) const { return {size + o.size, turns + o.turns, steps + o.steps}; }
  // Bound of the error of x: 2^-97 per exponential and product, and what rounding of the logarithms, 2^-104 a step, makes of it.
  double error() const { return std::ldexp(size * steps * (1 + std::ldexp(turns, -6)), -97); }
};

constexpr double kFaint = 1e-270;  // below this the low parts of double-doubles underflow

// What a frame sees of a node below it.
struct Seen {
  std::vector<dd> x;
  dd log_y;
  bool at_axis;  // x = 0 so far
  Wear wear;
  explicit Seen(int axes) : x(axes, dd(0.0)), log_y(0.0), at_axis(true) {}
  void reset() {
    std::fill(x.begin(), x.end(), dd(0.0));
    log_y = dd(0.0);
    at_axis = true;
    wear = Wear();
  }
  // from the frame of `node` to its parent's
  void lift(const Points& t, int64_t node) {
    const double* b = t.offset(node);
    const double la = t.log_height(node);
    wear.step(la);
    if (wear.size > 0) wear.size = std::max(std::exp(la) * wear.size, kFaint);
    for (int k = 0; k < t.axes(); ++k) wear.size += std::fabs(b[k]);
    if (at_axis) {
      for (size_t k = 0; k < x.size(); ++k) x[k] = dd(b[k]);
    } else {
      const dd a = la == 0.0 ? dd(1.0) : exp(dd(la));
      for (size_t k = 0; k < x.size(); ++k) x[k] = dd(b[k]) + a * x[k];
    }
    at_axis = true;
    for (const dd& v : x) at_axis = at_axis && v.hi == 0.0;
    log_y = log_y + dd(la);
  }
};

// Distance (K = -1) of two nodes seen from one frame at horizontal displacement dx: at most 2 ulp, or NaN.
inline double distance(const std::vector<dd>& dx, dd lu, dd lv, const Wear& wear) {
  dd delta = lu - lv;
  if (delta.hi < 0) delta = dd(0.0) - delta;
  double largest = 0;
  for (const dd& v : dx) largest = std::max(largest, std::fabs(v.hi));
  const double blur = std::ldexp(wear.steps * wear.turns, -48);  // 2^56 times the error of the logarithms
  const bool beside = !(largest >= std::ldexp(wear.error(), 56) && (largest >= kFaint || wear.size == 0));
  if (beside) {  // dx is uncertain: it must not matter, whatever it is
    const double r = 2 * std::log(std::max(wear.size, kFaint)) - (lu + lv).hi;
    const double least = delta.hi > 1 ? delta.hi : 2 * std::log(delta.hi);
    if (!(r < least - 80) || !(delta.hi >= blur)) return NAN;
    return delta.hi + delta.lo;
  }
  if (largest == 0.0) return delta.hi == 0 || delta.hi >= blur ? delta.hi + delta.lo : NAN;  // one above the other
  int e;
  std::frexp(largest, &e);
  dd q(0.0);  // |dx|^2 = q 4^e, q in [1/4, d)
  for (const dd& v : dx) {
    const dd s(std::ldexp(v.hi, -e), std::ldexp(v.lo, -e));
    q = q + s * s;
  }
  const dd r = ln2() * dd(2.0 * e) - (lu + lv);  // 4 A^2 = q e^r
  if (r.hi > 80 || delta.hi > 80) {              // e^d + e^-d - 2 = q e^r + e^delta (1 - e^-delta)^2, and e^-d is below the last bit
    const dd top = r.hi > delta.hi ? r : delta;
    const double shrink = -std::expm1(-delta.hi);
    const double rest = std::log(q.hi * std::exp((r - top).hi) + shrink * shrink * std::exp((delta - top).hi));
    return top.hi + (top.lo + rest);
  }
  const dd b = sinh(delta * dd(0.5));
  const dd h = sqrt(q * exp(r) * dd(0.25) + b * b);
  if (!(h.hi >= 1e-120 && 2 * h.hi >= blur)) return NAN;  // its square is too small, or its parts are too large
  return 2 * (std::asinh(h.hi) + h.lo / std::sqrt(1 + h.hi * h.hi));
}

// Distance of nodes i and j, or NaN; u and v are scratch.
inline double distance(const Points& t, int64_t i, int64_t j, Seen& u, Seen& v) {
  u.reset();
  v.reset();
  while (i != j) {
    if (i > j) {
      u.lift(t, i);
      i = t.parent[i];
    } else {
      v.lift(t, j);
      j = t.parent[j];
    }
  }
  for (size_t k = 0; k < u.x.size(); ++k) u.x[k] = u.x[k] - v.x[k];
  return distance(u.x, u.log_y, v.log_y, u.wear + v.wear);
}

// Distances from node s to all n nodes in one sweep, the same bound, or NaN.
inline void distances_from(const Points& t, int64_t s, double* out) {
  const int m = t.axes();
  std::vector<dd> dx(size_t(t.n) * m);             // displacement from s, in the frame of the node where the paths part
  std::vector<dd> ly(t.n), ls(t.n), y(t.n);        // log height of the node and of s in that frame; height of the node
  std::vector<char> ancestor(t.n, 0);
  std::vector<Wear> wear(t.n);
  Seen seen(m);
  for (int64_t a = s;; a = t.parent[a]) {
    ancestor[a] = 1;
    for (int k = 0; k < m; ++k) dx[a * m + k] = seen.x[k];
    ly[a] = dd(0.0);
    y[a] = dd(1.0);
    ls[a] = seen.log_y;
    wear[a] = seen.wear;
    if (t.parent[a] < 0) break;
    seen.lift(t, a);
  }
  std::vector<dd> row(m);
  for (int64_t i = 0; i < t.n; ++i) {
    if (!ancestor[i]) {
      const int64_t p = t.parent[i];
      ls[i] = ls[p];
      ly[i] = ly[p] + dd(t.log_height(i));
      y[i] = exp(ly[i]);
      wear[i] = wear[p];
      wear[i].step(t.log_height(i));
      for (int k = 0; k < m; ++k) {
        const double b = t.offset(i)[k];
        dx[i * m + k] = b == 0 ? dx[p * m + k] : dx[p * m + k] - y[p] * dd(b);
        if (b != 0) wear[i].size += std::max(y[p].hi * std::fabs(b), kFaint);
      }
    }
    std::copy(dx.begin() + i * m, dx.begin() + (i + 1) * m, row.begin());
    out[i] = distance(row, ls[i], ly[i], wear[i]);
  }
}

// Every node as the root sees it: horizontal position (d - 1) and log height, each rounded once.
inline void positions(const Points& t, double* out) {
  const int m = t.axes();
  std::vector<dd> x(size_t(t.n) * m), ly(t.n), y(t.n);
  for (int64_t i = 0; i < t.n; ++i) {
    const int64_t p = t.parent[i];
    ly[i] = p < 0 ? dd(0.0) : ly[p] + dd(t.log_height(i));
    y[i] = exp(ly[i]);
    for (int k = 0; k < m; ++k) {
      x[i * m + k] = p < 0 ? dd(0.0) : x[p * m + k] + y[p] * dd(t.offset(i)[k]);
      out[i * t.d + k] = x[i * m + k].hi;
    }
    out[i * t.d + m] = ly[i].hi;
  }
}

// ------------------------------------------------------------------------------------------------ plain float64 part: bounds and ranks

// The same distance in plain float64, g = |dx|: a few parts in 10^15 of itself where dx has not cancelled.
inline double distance(double g, double lu, double lv) {
  const double delta = std::fabs(lu - lv);
  if (g == 0) return delta;
  const double r = 2 * std::log(g) - (lu + lv);
  if (r > 36 || delta > 36) {
    const double top = std::max(r, delta), gap = std::fabs(r - delta);
    return top + (gap > 40 ? 0.0 : std::log1p(std::exp(-gap)));
  }
  const double b = std::sinh(0.5 * delta);
  return 2 * std::asinh(std::sqrt(0.25 * std::exp(r) + b * b));
}

inline double norm(const double* x, int m) {
  if (m == 1) return std::fabs(x[0]);
  double s = 0;
  for (int k = 0; k < m; ++k) s += x[k] * x[k];
  return std::sqrt(s);
}

// Distances from node s to all nodes in plain float64 (for averages over pairs).
struct Sweep {
  std::vector<double> dx, ly, ls, y;
  std::vector<int64_t> stamp;
  void run(const Points& t, int64_t s, double* out) {
    const int m = t.axes();
    if (ly.empty()) {
      dx.resize(size_t(t.n) * m);
      ly.resize(t.n), ls.resize(t.n), y.resize(t.n);
      stamp.assign(t.n, -1);
    }
    std::vector<double> x(m, 0.0);
    double l = 0;
    for (int64_t a = s;; a = t.parent[a]) {
      stamp[a] = s;
      std::copy(x.begin(), x.end(), dx.begin() + a * m);
      ly[a] = 0, y[a] = 1, ls[a] = l;
      if (t.parent[a] < 0) break;
      const double h = std::exp(t.log_height(a));
      for (int k = 0; k < m; ++k) x[k] = t.offset(a)[k] + h * x[k];
      l += t.log_height(a);
    }
    for (int64_t i = 0; i < t.n; ++i) {
      if (stamp[i] != s) {
        const int64_t p = t.parent[i];
        ls[i] = ls[p];
        ly[i] = ly[p] + t.log_height(i);
        y[i] = std::exp(ly[i]);
        for (int k = 0; k < m; ++k) dx[i * m + k] = dx[p * m + k] - y[p] * t.offset(i)[k];
      }
      out[i] = distance(norm(dx.data() + i * m, m), ls[i], ly[i]);
    }
  }
};

}  // namespace hypgeo::tree
