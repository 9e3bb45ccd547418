// Scalar functions of hyperbolic geometry: value beside derivative, regions and bounds stated.
#pragma once

#include "multifloat.h"

namespace hypgeo {

// The positive number c = -K and its root, prepared once per call.
struct Curvature {
  double c;
  dd root;
  HYPGEO_HD explicit Curvature(double value) : c(value), root(sqrt(dd(value))) {}
};

// asinh(sqrt(c) m) / sqrt(c) for m >= 0: the half distance whose half chord is m.  Within 1 ulp beyond asinh's own error.
HYPGEO_HD double arsinh_c(double m, const Curvature& k) {
  const double h = (k.root * m).hi;
  // asinh(h) = h (1 - h^2/6 + ...): below 2^-27 the division would only add its rounding.
  return h < 7.450580596923828e-09 ? m : (dd(std::asinh(h)) / k.root).hi;
}

// Its derivative in m.
HYPGEO_HD double arsinh_c_dm(double m, const Curvature& k) { return 1.0 / std::hypot(1.0, k.root.hi * m); }

// Its derivative in c: m^3 A'(z), z = c m^2, A(z) = asinh(sqrt z)/sqrt z = sum_n (-1)^n (2n)! / (4^n n!^2 (2n+1)) z^n.
// The closed form A' = ((1 + z)^(-1/2) - A) / (2z) cancels as z -> 0, so z < 1/4 takes the series (28 terms: 2^-60).
HYPGEO_HD double arsinh_c_dc(double m, const Curvature& k) {
  const double h = k.root.hi * m, z = h * h;
  if (z >= 0.25) return m * (1.0 / std::hypot(1.0, h) - std::asinh(h) / h) / (2.0 * k.c);
  double binomial = 1.0, power = 1.0, sum = 0.0;
  for (int n = 1; n <= 28; ++n) {
    binomial *= -(2.0 * n - 1.0) / (2.0 * n);
    sum += binomial * n / (2.0 * n + 1.0) * power;
    power *= z;
  }
  return m * m * m * sum;
}

}  // namespace hypgeo
