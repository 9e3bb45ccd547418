// What the launchers ask of an op that maps a pair of rows to a number, and the sums such ops are made of.
//
// An op is a struct with
//   first                     the coordinates before it are derived from the others and are not read
//   exact<T>                  whether rows of type T need twofold sums and differences, or double will do
//   Gram<T>: add(x, y)        the inner products of the rows, one coordinate at a time; merge(other) joins partial sums
//   coef(gram, x, y, n, k)    the coefficients of one pair of rows (n coordinates from `first` on; read again in rare cases)
// where Coef holds the value and its derivatives in Gram form, w = y - x:
//   grad_x = slope (along_x x - w),   grad_y = slope (along_y y + w),   and dc, the derivative in c.
// Both models have this shape, because a distance is a function of |w| and of a factor of each row alone.
#pragma once

#include "../scalar/special.h"

namespace hypgeo {

// A compensated sum of products: as if summed in twice the precision and rounded once.
// T. Ogita, S. M. Rump, S. Oishi. Accurate sum and dot product. SIAM J. Sci. Comput. 26 (2005), Algorithm 5.3.
struct Sum {
  double hi = 0.0, lo = 0.0;
  HYPGEO_HD void add(dd p) {
    const dd s = two_sum(hi, p.hi);
    hi = s.hi;
    lo += s.lo + p.lo;
  }
  HYPGEO_HD dd value() const { return two_sum(hi, lo); }
};

// A sum of products in double, enough for coordinates that came from floats wherever nothing cancels.
struct PlainSum {
  double sum = 0.0;
  HYPGEO_HD void add(dd p) { sum += p.hi; }
  HYPGEO_HD dd value() const { return dd(sum); }
};

// The product of two coordinates, exactly: in double where they came from floats.
template <class T>
HYPGEO_HD dd product(double a, double b) {
  if constexpr (sizeof(T) == 4) {
    return dd(a * b);
  } else {
    return two_prod(a, b);
  }
}

// y - x: exactly, or rounded to double where one rounding is far below the rows' own.
template <bool exact>
HYPGEO_HD dd difference(double y, double x) {
  if constexpr (exact) {
    return two_diff(y, x);
  } else {
    return dd(y - x);
  }
}

// (w.hi + w.lo) times a number or itself, to about 106 bits; what is dropped is below 2^-106 of the product.
HYPGEO_HD dd times(dd w, double a) {
  const dd p = two_prod(w.hi, a);
  return dd(p.hi, p.lo + w.lo * a);
}
HYPGEO_HD dd square(dd w) {
  const dd p = two_prod(w.hi, w.hi);
  return dd(p.hi, p.lo + 2.0 * w.hi * w.lo);
}

struct Coef {
  double value = 0.0;
  double slope = 0.0;
  dd along_x{0.0}, along_y{0.0};
  double dc = 0.0;
  // Only for ops with a derived coordinate: <x, grad_x>/slope, <y, grad_y>/slope, and 1 over the derived coordinates.
  dd target_x{0.0}, target_y{0.0};
  double per_x = 0.0, per_y = 0.0;
};

// One coordinate of both gradients, rounded to the rows' type, and what the rounding left of <x, grad_x> and <y, grad_y>.
template <class Op, class T>
struct Pull {
  Coef r;
  double factor;  // upstream times slope
  Sum x_grad, y_grad;
  HYPGEO_HD Pull(const Coef& coef, double upstream) : r(coef), factor(upstream * coef.slope) {}
  HYPGEO_HD void at(T x, T y, T* gx, T* gy) {
    const dd w = difference<Op::template exact<T>>(y, x);
    if constexpr (Op::template exact<T>) {
      *gx = T(factor * (r.along_x * double(x) - w).hi);
      *gy = T(factor * (r.along_y * double(y) + w).hi);
    } else {
      *gx = T(factor * (r.along_x.hi * x - w.hi));
      *gy = T(factor * (r.along_y.hi * y + w.hi));
    }
  }
  // Both gradients of an op with a derived coordinate: adds up the coordinates, then gives the derived ones.
  HYPGEO_HD void count(T x, T y, T gx, T gy) {
    x_grad.add(product<T>(x, gx));
    y_grad.add(product<T>(y, gy));
  }
  HYPGEO_HD void derived(T* gx, T* gy) const {
    *gx = T((r.target_x * factor - x_grad.value()).hi * r.per_x);
    *gy = T((r.target_y * factor - y_grad.value()).hi * r.per_y);
  }
};

// |y - x| where its square would under- or overflow: scaled by a power of two first.
template <class T>
HYPGEO_HD double scaled_norm(const T* x, const T* y, long n) {
  double most = 0.0;
  for (long i = 0; i < n; ++i) most = std::fmax(most, std::fabs(double(y[i]) - double(x[i])));
  if (most == 0.0 || !std::isfinite(most)) return most;
  const int e = std::ilogb(most);
  double sum = 0.0;
  for (long i = 0; i < n; ++i) {
    const double w = std::ldexp(double(y[i]) - double(x[i]), -e);
    sum += w * w;
  }
  return std::ldexp(std::sqrt(sum), e);
}

}  // namespace hypgeo
