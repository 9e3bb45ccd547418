// Scalar functions of hyperbolic geometry: value beside derivative, regions and bounds stated.
#pragma once

#include "bounded.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

// f of every lane (in double), with error bound slope(lane) e + 2^-49 |f|.
template <class R, class F, class G>
HYPGEO_HD Bounded<R> by_lane(const Bounded<R>& a, F f, G slope) {
  using V = typename Bounded<R>::V;
  V r, e;
  for (int i = 0; i < lanes_of<V>; ++i) {
    const double x = lane(high(a.v), i), y = f(x);
    const double given = lane(a.e, i) + (std::is_same_v<R, V> ? 0.0 : std::fabs(x) * 0x1p-52);
    set_lane(r, i, y);
    set_lane(e, i, std::fabs(y) * 0x1p-49 + (given == 0.0 ? 0.0 : 1.1 * std::fabs(slope(x)) * given));
  }
  return Bounded<R>(R(r), e);
}
HYPGEO_HD double series(double q, const double* c, int n) {
  double s = 0.0;
  for (int i = n - 1; i >= 0; --i) s = s * q + c[i];
  return s;
}
struct Plain {
  static HYPGEO_HD double coshq(double q) { return std::cosh(std::sqrt(std::fmax(q, 0.0))); }
  static HYPGEO_HD double sinhcq(double q) {
    const double t = std::sqrt(std::fmax(q, 1e-40));
    return std::sinh(t) / t;
  }
  static HYPGEO_HD double tanhcq(double q) {
    const double t = std::sqrt(std::fmax(q, 1e-40));
    return std::tanh(t) / t;
  }
  static HYPGEO_HD double asinhcq(double q) {
    const double t = std::sqrt(std::fmax(q, 1e-40));
    return std::asinh(t) / t;
  }
  static HYPGEO_HD double atanhcq(double q) {
    const double t = std::sqrt(std::fmax(q, 1e-40));
    return std::atanh(t) / t;
  }
  static HYPGEO_HD double dsinhcq(double q) {
    const double c[] = {1 / 6., 1 / 60., 1 / 1680., 1 / 90720., 1 / 7983360.};
    return q < 0.01 ? series(q, c, 5) : (coshq(q) - sinhcq(q)) / (2.0 * q);
  }
  static HYPGEO_HD double dtanhcq(double q) {
    const double c[] = {-1 / 3., 4 / 15., -17 / 105., 248 / 2835., -1382 / 31185.};
    const double t = tanhcq(q);
    return q < 0.01 ? series(q, c, 5) : (1.0 - q * t * t - t) / (2.0 * q);
  }
  static HYPGEO_HD double dasinhcq(double q) {
    const double c[] = {-1 / 6., 3 / 20., -15 / 112., 35 / 288., -315 / 2816.};
    return q < 0.01 ? series(q, c, 5) : (1.0 / std::sqrt(1.0 + q) - asinhcq(q)) / (2.0 * q);
  }
  static HYPGEO_HD double datanhcq(double q) {
    const double c[] = {1 / 3., 2 / 5., 3 / 7., 4 / 9., 5 / 11.};
    return q < 0.01 ? series(q, c, 5) : (1.0 / (1.0 - q) - atanhcq(q)) / (2.0 * q);
  }
};

template <class R>
HYPGEO_HD Bounded<R> exp(const Bounded<R>& a) {
  return by_lane(a, [](double x) { return std::exp(x); }, [](double x) { return std::exp(x); });
}
template <class R>
HYPGEO_HD Bounded<R> expm1(const Bounded<R>& a) {
  return by_lane(a, [](double x) { return std::expm1(x); }, [](double x) { return std::exp(x); });
}
template <class R>
HYPGEO_HD Bounded<R> log(const Bounded<R>& a) {
  return by_lane(a, [](double x) { return std::log(x); }, [](double x) { return 1.0 / x; });
}
template <class R>
HYPGEO_HD Bounded<R> log1p(const Bounded<R>& a) {
  return by_lane(a, [](double x) { return std::log1p(x); }, [](double x) { return 1.0 / (1.0 + x); });
}
template <class R>
HYPGEO_HD Bounded<R> asinh(const Bounded<R>& a) {
  return by_lane(a, [](double x) { return std::asinh(x); }, [](double x) { return 1.0 / std::hypot(1.0, x); });
}
template <class R>
HYPGEO_HD Bounded<R> coshq(const Bounded<R>& q) {
  return by_lane(q, Plain::coshq, Plain::sinhcq);
}
template <class R>
HYPGEO_HD Bounded<R> sinhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::sinhcq, Plain::dsinhcq);
}
template <class R>
HYPGEO_HD Bounded<R> dsinhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::dsinhcq, Plain::dsinhcq);
}
template <class R>
HYPGEO_HD Bounded<R> tanhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::tanhcq, Plain::dtanhcq);
}
template <class R>
HYPGEO_HD Bounded<R> dtanhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::dtanhcq, Plain::dtanhcq);
}
template <class R>
HYPGEO_HD Bounded<R> asinhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::asinhcq, Plain::dasinhcq);
}
template <class R>
HYPGEO_HD Bounded<R> dasinhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::dasinhcq, Plain::dasinhcq);
}
template <class R>
HYPGEO_HD Bounded<R> atanhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::atanhcq, Plain::datanhcq);
}
template <class R>
HYPGEO_HD Bounded<R> datanhcq(const Bounded<R>& q) {
  return by_lane(q, Plain::datanhcq, [](double x) { return 1.2 * Plain::datanhcq(x) / (1.0 - x); });
}

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

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
