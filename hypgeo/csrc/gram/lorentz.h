// The hyperboloid -x0^2 + |x|^2 = -1/c of curvature -c.  The spatial coordinates are the point; time is derived from them.
#pragma once

#include "pair.h"

namespace hypgeo {

// d = (2/sqrt c) asinh(sqrt(c) h),  h = sqrt(q)/2,  q = <y - x, y - x>_L the squared chord.
// J. G. Ratcliffe. Foundations of Hyperbolic Manifolds. 3rd ed., Springer, 2019, section 3.2.
//
// The chord |w|^2 - (y0 - x0)^2 cancels on every ray out of the origin, so it is taken without a difference.  With
// X = sqrt(1 + c|x|^2), Y likewise (sqrt(c) times the times) and S = |x|^2|y|^2 - <x,y>^2 the squared area,
//   c^2 (x0 y0)^2 - (1 + c<x,y>)^2 = c|w|^2 + c^2 S    gives    q/2 = (|w|^2 + c S) / (X Y + c<x,y> + 1),
// whose denominator is safe unless x and y are far out on opposite sides; there q/2 = (X Y - c<x,y> - 1) / c is.
// What remains is S for rows that are nearly parallel and far out: a twofold Gram determinant while that suffices (to
// radius about 17), then Lagrange's sum of squares of 2 x 2 determinants, each right to its last bit at any radius.
//
// Gradient.  e = (|y|^2 - |x|^2)/(X + Y) = (Y - X)/c and u = (c e/X) x - w give grad_x = u / (sqrt(q) sqrt(1 + c q/4)) in
// the spatial coordinates.  An optimiser projects the ambient gradient back to the tangent space, which multiplies its
// component along x by 1 + c|x|^2: the mere rounding of a correct gradient would come back e^(2 radius) times larger.  So
// the time entry carries what the rounding of the spatial ones took: (<x, grad_x> - sum of x_i times rounded grad_i)/x0,
// where <x, grad_x> = (q/2 - e/X) slope is known in closed form.
struct LorentzDist {
  static constexpr int first = 1;
  template <class T>
  static constexpr bool exact = true;

  template <class T>
  struct Gram {
    Sum xx, yy, ww, xy, xw;
    HYPGEO_HD void add(double x, double y) {
      const dd w = two_diff(y, x);
      xx.add(product<T>(x, x));
      yy.add(product<T>(y, y));
      xy.add(product<T>(x, y));
      ww.add(square(w));
      xw.add(times(w, x));
    }
    HYPGEO_HD void merge(const Gram& o) {
      xx.add(o.xx.value());
      yy.add(o.yy.value());
      xy.add(o.xy.value());
      ww.add(o.ww.value());
      xw.add(o.xw.value());
    }
  };

  // sum over i < j of (x_i y_j - x_j y_i)^2 for rows scaled by 2^-ex and 2^-ey.
  template <class T>
  static HYPGEO_HD double area(const T* x, const T* y, long n, int ex, int ey) {
    double sum = 0.0;
    for (long i = 0; i < n; ++i) {
      const double xi = std::ldexp(double(x[i]), -ex), yi = std::ldexp(double(y[i]), -ey);
      for (long j = i + 1; j < n; ++j) {
        const dd p = two_prod(xi, std::ldexp(double(y[j]), -ey)), q = two_prod(std::ldexp(double(x[j]), -ex), yi);
        const double det = (two_diff(p.hi, q.hi) + two_diff(p.lo, q.lo)).hi;
        sum += det * det;
      }
    }
    return sum;
  }

  template <class T>
  static HYPGEO_HD Coef coef(const Gram<T>& g, const T* x, const T* y, long n, const Curvature& k) {
    const dd xx = g.xx.value(), yy = g.yy.value(), ww = g.ww.value(), xy = g.xy.value(), xw = g.xw.value();
    if (ww.hi != ww.hi || xx.hi > 1e150 || yy.hi > 1e150) return far(x, y, n, k);
    if (ww.hi < 1e-250) return near(x, y, n, k, xx, yy);
    const dd X = sqrt(1.0 + xx * k.c), Y = sqrt(1.0 + yy * k.c), XY = X * Y;
    const dd twice_xw = ldexp(xw, 1);
    const dd e = (twice_xw + ww) / (X + Y);
    dd half_q;  // q/2
    if (xy.hi < 0.0 && XY.hi > 2.0) {
      half_q = (XY - xy * k.c - 1.0) / k.c;
    } else {
      const bool by_w = ww.hi < yy.hi;
      const double size = by_w ? xx.hi * ww.hi : xx.hi * yy.hi;
      dd S = by_w ? xx * ww - xw * xw : xx * yy - xy * xy;
      const double enough = sizeof(T) == 4 ? 9.3e-10 : 1.4e-17;  // 2^-30, 2^-56
      if (k.c * size * (double(n) + 4.0) * 2.5e-32 > enough * (ww.hi + k.c * std::fmax(S.hi, 0.0))) {
        S = dd(area(x, y, n, 0, 0));
      }
      half_q = (ww + S * k.c) / (XY + xy * k.c + 1.0);
    }
    const double chord = sqrt(ldexp(half_q, 1)).hi, h = 0.5 * chord;
    Coef r;
    r.value = 2.0 * arsinh_c(h, k);
    r.slope = arsinh_c_dm(h, k) / chord;
    r.along_x = e * k.c / X;
    r.along_y = -(e * k.c / Y);
    r.target_x = half_q - e / X;
    r.target_y = half_q + e / Y;
    r.per_x = (k.root / X).hi;
    r.per_y = (k.root / Y).hi;
    r.dc = 2.0 * arsinh_c_dc(h, k) - 0.5 * r.slope * (e * e / XY).hi;  // dq/dc = -e^2/(X Y)
    return r;
  }

  // Rows whose difference is too small for its square: there the hyperboloid is as flat as X and Y say.
  template <class T>
  static HYPGEO_HD Coef near(const T* x, const T* y, long n, const Curvature& k, dd xx, dd yy) {
    Coef r;
    const double norm = scaled_norm(x, y, n);
    if (norm == 0.0) return r;
    double xw = 0.0;
    for (long i = 0; i < n; ++i) xw += double(x[i]) * ((double(y[i]) - double(x[i])) / norm);
    const double X = std::sqrt(1.0 + k.c * xx.hi), Y = std::sqrt(1.0 + k.c * yy.hi);
    const double across = std::sqrt(std::fmax(1.0 - k.c * xw * xw / (X * X), 0.0));  // chord / |w|
    r.value = norm * across;
    r.slope = 1.0 / r.value;
    const double e = 2.0 * xw * norm / (X + Y);
    r.along_x = dd(k.c * e / X);
    r.along_y = dd(-k.c * e / Y);
    r.target_x = dd(-e / X);
    r.target_y = dd(e / Y);
    r.per_x = k.root.hi / X;
    r.per_y = k.root.hi / Y;
    return r;
  }

  // Rows whose products leave the range of double (radius beyond about 170): the same formulas, scaled by powers of two.
  template <class T>
  static HYPGEO_HD Coef far(const T* x, const T* y, long n, const Curvature& k) {
    Coef r;
    double mx = 0.0, my = 0.0;
    bool same = true, finite = true;
    for (long i = 0; i < n; ++i) {
      mx = std::fmax(mx, std::fabs(double(x[i])));
      my = std::fmax(my, std::fabs(double(y[i])));
      same = same && x[i] == y[i];
      finite = finite && std::isfinite(double(x[i])) && std::isfinite(double(y[i]));
    }
    if (!finite) {
      r.value = r.slope = r.dc = NAN;
      return r;
    }
    if (same) return r;
    int ex = mx > 1.0 ? std::ilogb(mx) : 0, ey = my > 1.0 ? std::ilogb(my) : 0;
    ex += (ex + ey) & 1;
    double xx = 0.0, yy = 0.0, xy = 0.0, ww = 0.0;
    const int least = ex < ey ? ex : ey, most = ex < ey ? ey : ex;
    for (long i = 0; i < n; ++i) {
      const double xi = std::ldexp(double(x[i]), -ex), yi = std::ldexp(double(y[i]), -ey);
      const double wi = std::ldexp(double(y[i]), -most) - std::ldexp(double(x[i]), -most);
      xx += xi * xi;
      yy += yi * yi;
      xy += xi * yi;
      ww += wi * wi;
    }
    const double one = std::ldexp(1.0, -(ex + ey));
    const double X = std::sqrt(std::ldexp(1.0, -2 * ex) + k.c * xx), Y = std::sqrt(std::ldexp(1.0, -2 * ey) + k.c * yy);
    const double half_q = xy < 0.0 ? (X * Y - k.c * xy - one) / k.c
                                   : (std::ldexp(ww, -2 * least) + k.c * area(x, y, n, ex, ey)) / (X * Y + k.c * xy + one);
    const double chord = std::ldexp(std::sqrt(2.0 * half_q), (ex + ey) / 2), h = 0.5 * chord;
    const double ratio = std::ldexp(Y / X, ey - ex), slope = arsinh_c_dm(h, k) / chord;
    r.value = 2.0 * arsinh_c(h, k);
    r.slope = slope;
    r.along_x = dd(ratio - 1.0);
    r.along_y = dd(1.0 / ratio - 1.0);
    r.per_x = std::ldexp(k.root.hi / X, -ex);
    r.per_y = std::ldexp(k.root.hi / Y, -ey);
    r.target_x = dd(0.5 * chord * chord - (ratio - 1.0) / k.c);
    r.target_y = dd(0.5 * chord * chord - (1.0 / ratio - 1.0) / k.c);
    r.dc = 2.0 * arsinh_c_dc(h, k) - 0.5 * slope * ((ratio - 1.0) * (1.0 - 1.0 / ratio)) / (k.c * k.c);
    return r;
  }
};

}  // namespace hypgeo
