// A step on kLanes rows at once, row index = SIMD lane, in double; twofold where a difference would lose digits.
//
// The step follows the geodesic from x against the mean m: u = -tau m.  So m is carried along its own geodesic, and its
// parallel transport is a combination of x and m, like the new point: one exponential serves both.  With T the
// normalised length of u, E = exp(-T), S = 1 - E and n = u/|u|, both are sums of terms of one sign, scaled by powers of
// E:
//   ball         g = 1 - c|x|^2, b = |n + sqrt(c) x|^2, D = 4 E^2 + b S (1 + E) + 2 g E S:
//                y = x + g S ((1 + E) n/sqrt(c) + S x)/D, and m goes to a multiple of
//                (4 E + g S^2) m - sqrt(c) |m| S (4 E + S (b + g)) x
//   hyperboloid  y = x + (cosh T - 1) x - tau (sinh T/T) m,  m goes to cosh T m - tau c|m|^2 (sinh T/T) x
//   half-space   height h, D = E^2 + (1 - n_up) (1 - E^2)/2: y = (x + h n (1 - E^2)/(2D), h E/D), and n goes to a
//                multiple of (n E, ((1 + n_up) E^2 - (1 - n_up))/2)/D
// In ball and half-space the multiple is that which keeps the Riemannian norm at the new point as it was rounded.
// O. Ganea, G. Becigneul, T. Hofmann. Hyperbolic Neural Networks. NeurIPS 2018, section 2; J. G. Ratcliffe. Foundations
// of Hyperbolic Manifolds. 3rd ed., Springer, 2019, sections 3.2, 4.5, 4.6 (here with e^-T taken out).
// G. Becigneul, O. Ganea. Riemannian Adaptive Optimization Methods. ICLR 2019 (Adam with one number a point).
#pragma once

#include <cfloat>

#include "../cpu/rows.h"
#include "job.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace optim {

using steps::Job;
using V = Lanes;
using M = LaneMask;

HYPGEO_HD V over(V a, V b) { return a * reciprocal<V>(b); }
HYPGEO_HD V root_of(V a) { return vroot<V>(a).root; }

// Inner product of k planes, to twofold precision.
HYPGEO_HD Twofold inner(const V* a, const V* b, int64_t k) {
  V hi = V{}, lo = V{};
  for (int64_t i = 0; i < k; ++i) {
    const Twofold p = two_prod<V>(a[i], b[i]), s = two_sum<V>(hi, p.hi);
    hi = s.hi;
    lo += s.lo + p.lo;
  }
  return two_sum<V>(hi, lo);
}
HYPGEO_HD V plain_inner(const V* a, const V* b, int64_t k) {
  V sum = V{};
  for (int64_t i = 0; i < k; ++i) sum = vfma<V>(a[i], b[i], sum);
  return sum;
}

// 1 - c|x|^2.  Squares of floats are exact in double: their sum errs by k 2^-53, next to which a float sees no gap.
template <class T>
HYPGEO_HD V gap_of(const V* x, int64_t k, double c) {
  if constexpr (sizeof(T) == 4) return 1.0 - plain_inner(x, x, k) * c;
  return (1.0 - inner(x, x, k) * c).hi;
}

// exp(-T), 1 - exp(-T), and expm1(T); T <= 700.
struct Decay {
  V E, S, w;
  HYPGEO_HD explicit Decay(V T) : w(expm1_of<V>(T)) {
    E = reciprocal<V>(1.0 + w);
    S = w * E;
  }
};

template <class T>
HYPGEO_HD void round_to(V* rows, int64_t k) {
  if constexpr (sizeof(T) == 4) {
    for (int64_t i = 0; i < k; ++i) {
      rows[i] = __builtin_convertvector(__builtin_convertvector(rows[i], decltype(VectorOf<float, kLanes>::type())), V);
    }
  }
}

// The state of kLanes rows, as planes.
struct Rows {
  V *x, *grad, *mean, *next;
  int64_t columns;
};

// The new mean from the Riemannian gradient `grad`, in planes [first, first + k).
HYPGEO_HD void average(const Job& job, const Rows& r, int64_t first, int64_t k) {
  for (int64_t i = first; i < first + k; ++i) {
    const V g = job.gain * r.grad[i];
    r.mean[i] = job.keep != 0.0 ? vfma<V>(splat<V>(job.keep), r.mean[i], g) : g;
  }
}

// The length of the step in units of the mean: the rate, for Adam over the root of the mean square.
template <class T>
struct Pace {
  V square, greatest, tau;
  Pace(const Job& job, int64_t first, int live, V norm2) {
    tau = splat<V>(job.rate);
    if (!job.square) return;
    const Operand old{job.square, job.columns, 1}, most{job.greatest, job.columns, 1};
    square = vfma<V>(splat<V>(job.gain_square), norm2, job.keep_square * load_one<T>(old, first, 0, live));
    V used = square;
    if (job.greatest) used = greatest = vmax<V>(square, load_one<T>(most, first, 0, live));
    tau = over(tau, job.correction * (root_of(used * (1.0 / job.correction_square)) + job.eps));
  }
};

constexpr double kFarthest = 700.0;  // exp(T) is finite

// Each model: writes next and mean, and returns the lanes where they can be relied on.
struct Ball {
  template <class T>
  static M step(const Job& job, const Rows& r, int64_t first, int live, Pace<T>& pace) {
    const int64_t k = r.columns;
    const double root = std::sqrt(job.c);
    const V gap = gap_of<T>(r.x, k, job.c), per_gap = reciprocal<V>(gap);
    for (int64_t i = 0; i < k; ++i) r.grad[i] = r.grad[i] * (0.25 * gap * gap);
    pace = Pace<T>(job, first, live, plain_inner(r.grad, r.grad, k) * 4.0 * per_gap * per_gap);
    average(job, r, 0, k);
    const V size = root_of(plain_inner(r.mean, r.mean, k)), T_ = 2.0 * root * pace.tau * size * per_gap;
    M good = (gap > 0.0) & (T_ <= kFarthest);
    const Decay d(good ? T_ : V{});
    const V per = size > 0.0 ? -reciprocal<V>(size) : V{};
    V b = V{};
    for (int64_t i = 0; i < k; ++i) {
      const V s = vfma<V>(r.mean[i], per, root * r.x[i]);
      b = vfma<V>(s, s, b);
    }
    const V D = 4.0 * d.E * d.E + b * d.S * (1.0 + d.E) + 2.0 * gap * d.E * d.S, rise = over(gap * d.S, D);
    const V of_mean = rise * (1.0 + d.E) * per * (1.0 / root), of_x = rise * d.S;
    const V keep = 4.0 * d.E + gap * d.S * d.S, bend = root * size * d.S * (4.0 * d.E + d.S * (b + gap));
    for (int64_t i = 0; i < k; ++i) {
      const V x = r.x[i], m = r.mean[i];
      r.next[i] = x + vfma<V>(of_mean, m, of_x * x);
      r.mean[i] = vfma<V>(keep, m, -(bend * x));
    }
    round_to<T>(r.next, k);
    V left = gap_of<T>(r.next, k, job.c);
    const M outside = !(left > (sizeof(T) == 4 ? 0x1p-50 * double(k + 1) : 0x1p-100));
    if (bits(outside & good)) {  // three ulps inside the rim
      const double within = 1.0 - 3.0 * (sizeof(T) == 4 ? FLT_EPSILON : DBL_EPSILON);
      const V pull = within / (root * root_of(plain_inner(r.next, r.next, k)));
      for (int64_t i = 0; i < k; ++i) r.next[i] = outside ? r.next[i] * pull : r.next[i];
      round_to<T>(r.next, k);
      left = gap_of<T>(r.next, k, job.c);
    }
    const V turned = root_of(plain_inner(r.mean, r.mean, k));
    const V factor = turned > 0.0 ? over(left * per_gap * size, turned) : V{} + 1.0;
    for (int64_t i = 0; i < k; ++i) r.mean[i] = r.mean[i] * factor;
    return good & (left > 0.0) & (factor < 0x1p1000);
  }
};

struct Hyperboloid {
  template <class T>
  static M step(const Job& job, const Rows& r, int64_t first, int live, Pace<T>& pace) {
    const int64_t k = r.columns - 1;
    V *x = r.x + 1, *g = r.grad + 1, *m = r.mean + 1, *y = r.next + 1;
    // what cancels below loses c|x|^2: where that is no more than 2^20, double has digits enough for floats
    const V plain = plain_inner(x, x, k);
    const bool near = sizeof(T) == 4 && !bits(!(plain * job.c < 0x1p20));
    const auto dot = [&](const V* a, const V* b) { return near ? Twofold(plain_inner(a, b, k)) : inner(a, b, k); };
    const Twofold xx = near ? Twofold(plain) : inner(x, x, k), X2 = 1.0 + xx * job.c;
    // the covector's pairing with x; time is derived from the spatial floats
    const V pairing = near ? vfma<V>(root_of(X2.hi * (1.0 / job.c)), r.grad[0], plain_inner(x, g, k))
                           : (sqrt(X2 / job.c) * r.grad[0] + inner(x, g, k)).hi;
    const V along = job.c * pairing;
    for (int64_t i = 0; i < k; ++i) g[i] = vfma<V>(along, x[i], g[i]);
    pace = Pace<T>(job, first, live, norm2(job.c, xx, X2.hi, dot(x, g), dot(g, g)));
    average(job, r, 1, k);
    const V mm = norm2(job.c, xx, X2.hi, dot(x, m), dot(m, m));
    const V T_ = std::sqrt(job.c) * pace.tau * root_of(mm);
    M good = T_ <= kFarthest;
    const Decay d(good ? T_ : V{});
    const V cosh1 = 0.5 * d.w * d.S, sinh = 0.5 * d.S * (2.0 + d.w);
    const V sinhc = T_ > 0.0 ? over(sinh, T_) : V{} + 1.0;
    const V of_mean = -(pace.tau * sinhc), of_x = pace.tau * job.c * mm * sinhc;
    for (int64_t i = 0; i < k; ++i) {
      const V p = x[i], v = m[i];
      y[i] = p + vfma<V>(of_mean, v, cosh1 * p);
      m[i] = v + (cosh1 * v - of_x * p);
    }
    round_to<T>(y, k);
    round_to<T>(m, k);
    const V yy = plain_inner(y, y, k), y0 = root_of(1.0 / job.c + yy);
    r.next[0] = y0;
    r.mean[0] = over(plain_inner(y, m, k), y0);
    // farther out Lorentz._land shortens the step: exp of 0.75 (float) or 0.45 (double) of log(max)
    return good & (y0 * std::sqrt(job.c) < (sizeof(T) == 4 ? 0x1p95 : 0x1p459)) & (mm < 0x1p1000);
  }
  // <v, v>_L = (|v|^2 + c(|x|^2|v|^2 - <x,v>^2))/X^2
  static V norm2(double c, Twofold xx, V X2, Twofold xv, Twofold vv) {
    const V area = (xx * vv - xv * xv).hi;
    return over(vv.hi + c * (area > 0.0 ? area : V{}), X2);
  }
};

struct Half {
  template <class T>
  static M step(const Job& job, const Rows& r, int64_t first, int live, Pace<T>& pace) {
    const int64_t k = r.columns, up = k - 1;
    const V h = r.x[up], ch2 = job.c * h * h;
    for (int64_t i = 0; i < k; ++i) r.grad[i] = r.grad[i] * ch2;
    pace = Pace<T>(job, first, live, over(plain_inner(r.grad, r.grad, k), ch2));
    average(job, r, 0, k);
    const V per_h = reciprocal<V>(h);
    const V size = root_of(plain_inner(r.mean, r.mean, k)), T_ = pace.tau * size * per_h;
    M good = (h > 0x1p-480) & (h < 0x1p480) & (T_ <= 0.4 * kFarthest);
    const Decay d(good ? T_ : V{});
    const V per = size > 0.0 ? -reciprocal<V>(size) : V{}, rise = r.mean[up] * per;
    const V flat = plain_inner(r.mean, r.mean, up) * per * per;
    const V lean = rise > 0.0 ? over(flat, 1.0 + rise) : 1.0 - rise, half = 0.5 * d.S * (1.0 + d.E), E2 = d.E * d.E;
    const V D = vfma<V>(lean, half, E2), per_D = reciprocal<V>(D), shift = h * half * per_D * per;
    for (int64_t i = 0; i < up; ++i) r.next[i] = vfma<V>(shift, r.mean[i], r.x[i]);
    r.next[up] = h * d.E * per_D;
    const double least = sizeof(T) == 4 ? double(FLT_MIN) : DBL_MIN, most = sizeof(T) == 4 ? double(FLT_MAX) : DBL_MAX;
    for (int64_t i = 0; i < k; ++i) {
      r.next[i] = vmin<V>(vmax<V>(r.next[i], splat<V>(i < up ? -most : least)), splat<V>(most));
    }
    round_to<T>(r.next, k);
    const V scale = r.next[up] * per_h;
    const V of_mean = scale * d.E * per_D;
    const V turned = (size > 0.0 ? 0.5 * (lean - (1.0 + rise) * E2) * per_D : V{}) * size * scale;
    for (int64_t i = 0; i < up; ++i) r.mean[i] = r.mean[i] * of_mean;
    r.mean[up] = turned;
    return good & (D > 0.0) & (scale > 0.0);
  }
};

template <class Model, class T>
void step_rows(const Job& job, int64_t begin, int64_t end) {
  const int64_t k = job.columns;
  Scratch scratch;
  V* planes = scratch.reserve(size_t(4 * k));
  const Rows r{planes, planes + k, planes + 2 * k, planes + 3 * k, k};
  const Operand point{job.point, k, 1}, grad{job.grad, k, 1}, mean{job.mean, k, 1};
  for (int64_t first = begin; first < end; first += kLanes) {
    const int live = int(end - first < kLanes ? end - first : kLanes);
    load<T>(point, first, 0, live, k, r.x);
    load<T>(grad, first, 0, live, k, r.grad);
    if (job.mean && job.keep != 0.0) load<T>(mean, first, 0, live, k, r.mean);
    if (job.decay != 0.0) {
      for (int64_t i = 0; i < k; ++i) r.grad[i] = vfma<V>(splat<V>(job.decay), r.x[i], r.grad[i]);
    }
    Pace<T> pace(Job(), 0, 0, V{});
    M good = Model::template step<T>(job, r, first, live, pace);
    round_to<T>(r.mean, k);
    V nothing = V{};  // NaN where something is not finite
    for (int64_t i = 0; i < k; ++i) nothing += 0.0 * r.next[i] + 0.0 * r.mean[i];
    if (job.square) {
      V square = pace.square;
      round_to<T>(&square, 1);
      nothing += 0.0 * square;
    }
    good &= nothing == 0.0;
    const unsigned mask = bits(good) & ((1u << live) - 1);
    store<T>(static_cast<T*>(job.point), first, k, r.next, mask);
    if (job.mean) store<T>(static_cast<T*>(job.mean), first, k, r.mean, mask);
    for (int state = 0; state < 2; ++state) {
      T* to = static_cast<T*>(state ? job.greatest : job.square);
      if (!to) continue;
      for (int64_t i = 0; i < k; ++i) r.grad[i] = state ? pace.greatest : pace.square;
      store<T>(to, first, k, r.grad, mask);
    }
    for (int l = 0; l < live && mask != (1u << live) - 1; ++l) {
      if (!(mask >> l & 1)) job.open(job.list, first + l);
    }
  }
}

}  // namespace optim
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
