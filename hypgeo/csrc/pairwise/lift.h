// Rows as the kernels of pairwise distances see them: coordinates z and a factor with
//   sinh^2(sqrt(c) d/2) = a b |z_y - z_x|^2 / 2,
// and the way back for derivatives.  Beside the factors below, b takes what is the same for all rows: 2c, 1/2, 1/2.
//   ball         z = x, factor 1/(1 - c|x|^2)
//   half-space   z = x, factor 1/height
//   hyperboloid  z = sqrt(c) x/(1 + X), X = sqrt(1 + c|x|^2): the ball of radius 1, where 1 - |z|^2 = 2/(1 + X), factor
//                1 + X; to twofold precision, since what a float far out says is lost in a float of the ball
// A. F. Beardon. The Geometry of Discrete Groups. Springer, 1983, sections 7.2 and 3.4.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../scalar/multifloat.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace pairwise {

enum class Model { kBall, kHyperboloid, kHalfSpace };

// Curvature as the rows need it.
struct Space {
  Model model;
  double c;
  dd root;
  Space(Model m, double value) : model(m), c(value), root(sqrt(dd(value))) {}
  int64_t dimension(int64_t columns) const { return model == Model::kHyperboloid ? columns - 1 : columns; }
};

// |x|^2 to twofold precision.
template <class T>
dd square(const T* x, int64_t d) {
  double hi = 0.0, lo = 0.0;
  for (int64_t k = 0; k < d; ++k) {
    const dd p = two_prod(double(x[k]), double(x[k])), s = two_sum(hi, p.hi);
    hi = s.hi;
    lo += s.lo + p.lo;
  }
  return two_sum(hi, lo);
}

// 1 - c|x|^2; next to the rim from exact products, summed in three.
template <class T>
double gap(const T* x, int64_t d, double c) {
  const double quick = (1.0 - square(x, d) * c).hi;
  if (quick > 0x1p-44) return quick;
  double s[3] = {1.0, 0.0, 0.0};
  for (int64_t k = 0; k < d; ++k) {
    const dd p = two_prod(double(x[k]), double(x[k])), high = two_prod(-c, p.hi), low = two_prod(-c, p.lo);
    for (const double part : {high.hi, high.lo, low.hi, low.lo}) {
      const dd first = two_sum(s[0], part), second = two_sum(s[1], first.lo);
      s[0] = first.hi;
      s[1] = second.hi;
      s[2] += second.lo;
    }
  }
  return (two_sum(s[0], s[1]) + s[2]).hi;
}

// What a row is multiplied by, and for the hyperboloid what its coordinates are multiplied by.  Infinite for rows that
// are the exact op's: invalid, or out of the range of the kernels.
struct Lift {
  double factor;
  dd per{1.0};
};
template <class T>
Lift lift(const Space& s, const T* row, int64_t d, bool second) {
  constexpr double low = sizeof(T) == 4 ? 0x1p-28 : 0x1p-240, high = sizeof(T) == 4 ? 0x1p60 : 0x1p300;
  constexpr double longest = sizeof(T) == 4 ? 0x1p240 : 0x1p1000;  // squared; below it differences are finite
  Lift r{};
  if (s.model == Model::kBall) {
    r.factor = (second ? 2.0 * s.c : 1.0) / gap(row, d, s.c);
  } else if (s.model == Model::kHalfSpace) {
    r.factor = square(row, d).hi < longest ? (second ? 0.5 : 1.0) / double(row[d - 1]) : INFINITY;
  } else {
    const dd X = sqrt(1.0 + square(row + 1, d) * s.c);
    r.factor = (1.0 + X).hi * (second ? 0.5 : 1.0);
    r.per = s.root / (1.0 + X);
  }
  if (!(r.factor >= low && r.factor <= high)) r.factor = INFINITY;
  return r;
}
// Where the squares of differences of lifted coordinates are exact enough: for the hyperboloid coordinates are right to
// 2^-53 (float) or 2^-100 (double), elsewhere only underflow matters.
template <class T>
double least(Model m) {
  if (m == Model::kHyperboloid) return sizeof(T) == 4 ? 0x1p-50 : 0x1p-90;
  return sizeof(T) == 4 ? 0x1p-70 : 0x1p-500;
}

// The derivative in a row from the derivatives in its coordinates (sum) and in the logarithm of its factor (pull).
// For the hyperboloid time stands for <x, gradient>, which is known better than the coordinates, once rounded, tell.
template <class T>
void pull_back(const Space& s, const T* row, int64_t d, const double* sum, double pull, double* to) {
  if (!std::isfinite(lift(s, row, d, false).factor)) {  // none of its pairs is in the sums
    std::fill_n(to, d + (s.model == Model::kHyperboloid), 0.0);
  } else if (s.model == Model::kBall) {
    const double by = 2.0 * s.c * pull / gap(row, d, s.c);
    for (int64_t k = 0; k < d; ++k) to[k] = sum[k] + by * double(row[k]);
  } else if (s.model == Model::kHalfSpace) {
    for (int64_t k = 0; k < d; ++k) to[k] = sum[k];
    to[d - 1] -= pull / double(row[d - 1]);
  } else {
    // dz = sqrt(c) (dx - c<x,dx> x/(X (1 + X)))/(1 + X),  d log factor = c<x,dx>/(X (1 + X))
    const T* x = row + 1;
    const double X = sqrt(1.0 + square(x, d) * s.c).hi;
    double along = 0.0;
    for (int64_t k = 0; k < d; ++k) along += double(x[k]) * sum[k];
    along *= s.root.hi / (1.0 + X);
    const double out = s.c * (pull - along) / X;
    for (int64_t k = 0; k < d; ++k) to[k + 1] = (s.root.hi * sum[k] + out * double(x[k])) / (1.0 + X);
    to[0] = (pull * (X - 1.0) + along) / X;
  }
}

// d log factor / dc, where the coordinates do not depend on c beyond what Curving covers.
template <class T>
double factor_slope(const Space& s, const T* row, int64_t d) {
  return s.model == Model::kBall ? square(row, d).hi / gap(row, d, s.c) : 0.0;
}

}  // namespace pairwise
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
