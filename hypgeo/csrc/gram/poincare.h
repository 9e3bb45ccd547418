// The Poincare ball of curvature -c.
#pragma once

#include <type_traits>

#include "pair.h"

namespace hypgeo {

// d = (2/sqrt c) asinh(sqrt(c) m),  m = |w| / sqrt(a b),  a = 1 - c|x|^2, b = 1 - c|y|^2.
// A. F. Beardon. The Geometry of Discrete Groups. Springer, 1983, section 7.2 (for c = 1).
// The differences a and b and w are where a textbook formula loses its digits; here they are formed in twofold precision.
// A point on the rim is infinitely far from all others, one outside has no distance (NaN).
struct PoincareDist {
  static constexpr int first = 0;
  template <class T>
  static constexpr bool exact = sizeof(T) == 8;

  template <class T>
  struct Gram {
    std::conditional_t<exact<T>, Sum, PlainSum> xx, yy, ww;
    HYPGEO_HD void add(double x, double y) {
      xx.add(product<T>(x, x));
      yy.add(product<T>(y, y));
      const dd w = difference<exact<T>>(y, x);
      ww.add(exact<T> ? square(w) : dd(w.hi * w.hi));
    }
    HYPGEO_HD void merge(const Gram& o) {
      xx.add(o.xx.value());
      yy.add(o.yy.value());
      ww.add(o.ww.value());
    }
  };

  // 1 - c|x|^2 for a point too near the rim for the sums above: the products exactly, summed in three.
  template <class T>
  static HYPGEO_HD dd gap(const T* x, long n, double c) {
    double s[3] = {1.0, 0.0, 0.0};
    for (long i = 0; i < n; ++i) {
      const dd p = two_prod(x[i], x[i]), high = two_prod(-c, p.hi), low = two_prod(-c, p.lo);
      for (const double part : {high.hi, high.lo, low.hi, low.lo}) {
        const dd first = two_sum(s[0], part), second = two_sum(s[1], first.lo);
        s[0] = first.hi;
        s[1] = second.hi;
        s[2] += second.lo;
      }
    }
    return two_sum(s[0], s[1]) + s[2];
  }

  template <class T>
  static HYPGEO_HD Coef coef(const Gram<T>& g, const T* x, const T* y, long n, const Curvature& k) {
    Coef r;
    const dd xx = g.xx.value(), yy = g.yy.value(), ww = g.ww.value();
    dd a = 1.0 - xx * k.c, b = 1.0 - yy * k.c;
    constexpr double enough = exact<T> ? 1e-12 : 1e-3;
    if (a.hi < enough) a = gap(x, n, k.c);
    if (b.hi < enough) b = gap(y, n, k.c);
    const dd root = sqrt(a * b);
    const bool rare = ww.hi < 1e-250;
    const double norm = rare ? scaled_norm(x, y, n) : sqrt(ww).hi;
    if (norm == 0.0) return r;
    if (!(a.hi > 0.0 && b.hi > 0.0)) {
      r.value = a.hi < 0.0 || b.hi < 0.0 || norm != norm ? NAN : INFINITY;
      r.slope = r.dc = NAN;
      return r;
    }
    const double m = rare ? norm / root.hi : (sqrt(ww) / root).hi;
    const double dm = 2.0 * arsinh_c_dm(m, k);
    r.value = 2.0 * arsinh_c(m, k);
    r.slope = dm / (norm * root.hi);
    r.along_x = ww * k.c / a;
    r.along_y = ww * k.c / b;
    r.dc = dm * m * 0.5 * (xx / a + yy / b).hi + 2.0 * arsinh_c_dc(m, k);
    return r;
  }
};

}  // namespace hypgeo
