// Placing a tree in hyperbolic space with guaranteed distortion: sectors, allowances, positions.  All passes are linear.
//
// Setting.  Edge e has wanted length w_e; it is drawn with hyperbolic length  tau_e = s w_e + a(p, e) + a(q, e)  where the
// *allowance* a(p, e) = -log sin phi(p, e) pays for the turns that paths make at its end p.  At every node each edge owns a
// sector of half-width phi + slack, sectors do not overlap, and slack = 2 atan(2 exp(-s w_e) sin phi) bounds the angle by which
// anything reached through the edge, however far, can deviate from the edge's own direction.
//
// Angles are floats: kBlur of every sector is left free for their rounding, and a sector is never narrower than kNarrowest.
//
// Guarantee.  For any nodes u, v at path length D (in w):   s D <= d(u, v) <= sum of tau_e,   hence the worst distortion is
// at most 1 + max_e (a(p, e) + a(q, e)) / (s w_e).
//   Upper bound: triangle inequality.  Lower bound: walk the path u = v_0, ..., v_k = v and write d(v_0, v_k) =
//   sum tau - 2 sum_j g_j with the Gromov products g_j = (v_0 | v_{j+1}) at v_j.  A Gromov product at angle alpha is at most
//   -log sin(alpha / 2) (let both sides grow in cosh c = cosh(a - b) + 2 sinh a sinh b sin^2(alpha / 2)).  By the slack, the angle
//   between the directions to v_0 and v_{j+1} is at least phi + phi' for the two edges' half-widths, and -log sin is convex, so
//   2 g_j <= a(v_j, e) + a(v_j, e'): exactly what the two edges carry.
//   Slack: from p, a point seen through e = pq turns by delta with tan(delta / 2) <= exp(-tau_e) cot(psi), 2 psi the angle at q;
//   2 psi >= phi(q, e), cot(phi / 2) <= 2 exp(a(q, e)), so tan(delta / 2) <= 2 exp(-s w_e - a(p, e)) = 2 exp(-s w_e) sin phi(p, e).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace hypgeo::tree {

constexpr double kPi = 3.14159265358979323846;

// the sector that half-width phi needs; e = exp(-s w)
inline double sector(double phi, double e) { return 2 * phi + 4 * std::atan(2 * e * std::sin(phi)); }

// the half-width, at most pi/2, that a sector leaves: the inverse of `sector`
inline double half_width(double omega, double e) {
  if (omega >= sector(kPi / 2, e)) return kPi / 2;
  if (e < 0.02) {  // contraction by 4 e < 0.08 a step
    double phi = omega / 2;
    for (int i = 0; i < 15 && e > 0; ++i) phi = omega / 2 - 2 * std::atan(2 * e * std::sin(phi));
    return std::max(phi, 0.0);
  }
  double lo = 0, hi = std::min(kPi / 2, omega / 2);
  for (int i = 0; i < 60; ++i) {
    const double mid = 0.5 * (lo + hi);
    (sector(mid, e) > omega ? hi : lo) = mid;
  }
  return lo;
}

constexpr double kNarrowest = 1e-9;  // no sector is narrower: directions are floats, and a long edge asks for next to nothing
constexpr double kBlur = 1e-14;      // what rounding may turn directions by, left free in every sector

struct Sectors {
  std::vector<double> used, up, from_parent;  // per node: angle taken by child edges; sector of the parent edge; that edge's sector at the parent
  const double* fixed;                        // (n, 2): sectors that are given, of the parent edge here and at the parent; else 0
  Sectors(const double* fixed, int64_t n) : used(n), up(n), from_parent(n), fixed(fixed) {}

  // Bottom-up: every node keeps its parent edge as wide as it can and asks the parent for the least sector with
  // a(p, e) + a(q, e) <= allowance * w_e.  Asking for least is optimal, so `false` means that no assignment exists.
  bool fit(const int64_t* parent, const double* w, int64_t n, double allowance, double scale) {
    std::fill(used.begin(), used.end(), 0.0);
    for (int64_t i = n - 1; i > 0; --i) {
      const double left = 2 * kPi - used[i], e = std::exp(-scale * w[i]);
      if (left < kNarrowest) return false;
      up[i] = fixed[2 * i] > 0 ? fixed[2 * i] : std::min(left, sector(kPi / 2, e) + kBlur);
      if (up[i] > left * (1 + 1e-12)) return false;
      const double rest = allowance * w[i] + std::log(std::sin(half_width(up[i] - kBlur, e)));
      if (!(rest >= 0)) return false;
      from_parent[i] = std::max(kNarrowest, sector(std::asin(std::exp(-rest)), e) + kBlur);
      if (const double given = fixed[2 * i + 1]; given > 0) {
        if (from_parent[i] > given) return false;
        from_parent[i] = given;
      }
      used[parent[i]] += from_parent[i];
    }
    return used[0] <= 2 * kPi * (1 + 1e-12);
  }
};

// Least max_e (a(p, e) + a(q, e)) / w_e.  The scale s is allowance / excess, or `scale` itself where that is positive.
inline double smallest_allowance(const int64_t* parent, const double* w, const double* fixed, int64_t n, double excess, double scale) {
  Sectors s(fixed, n);
  auto fits = [&](double m) { return s.fit(parent, w, n, m, scale > 0 ? scale : m / excess); };
  double largest = 0;
  for (int64_t i = 1; i < n; ++i) largest = std::max(largest, w[i]);
  double hi = 1 / largest;
  for (int i = 0; !fits(hi); ++i) {
    if (i == 2000) return INFINITY;
    hi *= 2;
  }
  double lo = hi / 2;
  for (int i = 0; i < 1100 && fits(lo); ++i) hi = lo, lo /= 2;
  while (hi - lo > 1e-4 * hi) {
    const double mid = 0.5 * (lo + hi);
    (fits(mid) ? hi : lo) = mid;
  }
  return hi;
}

// Directions (n, 2) = (sin, cos) of the angle from the parent's direction, and extra[i] = a(p, e) + a(q, e) of node i's parent edge.
// What the guarantee leaves over goes to the children in proportion to `share`, but for nodes with given sectors (`fixed`, see Sectors).
inline bool sectors(const int64_t* parent, const double* w, const double* fixed, const double* share, int64_t n, double allowance, double scale,
                    double* direction, double* extra) {
  Sectors s(fixed, n);
  if (!s.fit(parent, w, n, allowance, scale)) return false;
  std::vector<double> total(n, 0.0), at(n), spare(n);
  for (int64_t i = 1; i < n; ++i) total[parent[i]] += share[i];
  s.up[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    at[i] = s.up[i] / 2;
    spare[i] = fixed[2 * i] > 0 ? 0.0 : std::max(0.0, 2 * kPi - s.up[i] - s.used[i]);
  }
  for (int64_t i = 1; i < n; ++i)
    if (fixed[2 * i + 1] > 0) spare[parent[i]] = 0;
  direction[0] = extra[0] = 0;
  direction[1] = 1;
  for (int64_t i = 1; i < n; ++i) {
    const int64_t p = parent[i];
    const double omega = s.from_parent[i] + spare[p] * share[i] / total[p], e = std::exp(-scale * w[i]);
    const double theta = at[p] + omega / 2;
    at[p] += omega;
    const bool down = std::fabs(theta - kPi) < 0.2 * kBlur;
    direction[2 * i] = down ? 0.0 : std::sin(theta);
    direction[2 * i + 1] = down ? -1.0 : std::cos(theta);
    extra[i] = -std::log(std::sin(half_width(omega - kBlur, e))) - std::log(std::sin(half_width(s.up[i] - kBlur, e)));
  }
  return true;
}

// Relative coordinates from directions (unit vectors, the parent lying towards the last axis) and edge lengths tau.
// A child at distance tau in direction u from (0, 1):  y = 1 / (cosh tau - sinh tau u_d),  x = y sinh tau u_h.  From the child, the
// parent lies not quite at "up" but at theta' with tan(theta' / 2) = exp(-tau) cot(theta / 2) (triangle with one ideal corner); a
// reflection carries the child's own directions there.
inline void place(const int64_t* parent, const double* direction, const double* tau, int64_t n, int d, double* rows) {
  std::vector<double> mirror(size_t(n) * d, 0.0);  // unit normals of the reflections; 0 where there is none
  std::vector<double> g(d);
  std::fill(rows, rows + d, 0.0);
  for (int64_t i = 1; i < n; ++i) {
    const double *u = direction + i * d, *m = mirror.data() + parent[i] * d;
    double dot = 0, h2 = 0;
    for (int k = 0; k < d; ++k) dot += u[k] * m[k];
    for (int k = 0; k < d; ++k) g[k] = u[k] - 2 * dot * m[k];
    for (int k = 0; k + 1 < d; ++k) h2 += g[k] * g[k];
    const double z = g[d - 1], e = std::exp(-tau[i]), e2 = e * e;
    const double below = z > 0 ? h2 / (1 + z) : 1 - z, over = z < 0 ? h2 / (1 - z) : 1 + z;  // 1 - z and 1 + z, rounded once
    const double den = 0.5 * (below + e2 * over);
    double* row = rows + i * d;
    for (int k = 0; k + 1 < d; ++k) row[k] = -0.5 * std::expm1(-2 * tau[i]) * g[k] / den;
    row[d - 1] = -tau[i] - std::log(den);
    const double h = std::sqrt(h2);
    if (h > 0 && tau[i] > 0) {
      const double half = std::atan2(e * h, below);
      for (int k = 0; k + 1 < d; ++k) mirror[i * d + k] = std::cos(half) * g[k] / h;
      mirror[i * d + d - 1] = std::sin(half);
    }
  }
}

}  // namespace hypgeo::tree
