// Distances in the upper half-space of curvature -1 between points whose d coordinates, the height last, have N
// components each: all leading components first, then all second ones (hypgeo/manifolds/mchalfspace.py).
// T. Yu, C. De Sa. Representing Hyperbolic Space Accurately using Multi-Component Floats. NeurIPS 2021.
//
// With w = y - x and the heights a and b the distance is D = 2 asinh t, t = |w| / 2 sqrt(a b).  Only w cancels: it is
// the exact difference of what the components sum to, rounded (half an ulp); the rest is computed in pairs, so that D
// is within 1 ulp besides its own rounding.  With L = |w| sqrt(a b + |w|^2/4) = a b sinh D, h the horizontal part of w
// and r = b - a, D grows by x with -(h, (r (a + b) + |h|^2) / 2a) / L, by y with (h, (r (a + b) - |h|^2) / 2b) / L.
#pragma once

#include <vector>

#include "elementwise.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

// The exact sum of `count` doubles, as two.
template <class V>
HYPGEO_HD DD<V> summed(V* t, int count) {
  if (count == 1) return DD<V>(t[0]);
  settle<V>(t, count);
  return DD<V>(t[0], t[1]);
}

template <class T, int N>
void run_distance(const Distances& job, int64_t begin, int64_t end) {
  using V = Lanes;
  const Elementwise& pairs = job.pairs;
  const T *x = static_cast<const T*>(pairs.x.data), *y = static_cast<const T*>(pairs.y.data);
  const int d = job.dim;
  Walk walk_x(pairs.x, pairs, N * d, begin), walk_y(pairs.y, pairs, N * d, begin);
  static thread_local std::vector<double> room;
  room.resize(size_t(d * kLanes));
  const auto put = [&](int i, const V& v) { __builtin_memcpy(&room[size_t(i * kLanes)], &v, sizeof(V)); };
  const auto got = [&](int i) {
    V v;
    __builtin_memcpy(&v, &room[size_t(i * kLanes)], sizeof(V));
    return v;
  };
  int64_t at_x[kLanes], at_y[kLanes];
  for (int64_t row = begin; row < end; row += kLanes) {
    const int count = end - row < kLanes ? int(end - row) : kLanes;
    for (int l = 0; l < kLanes; ++l) {
      at_x[l] = l < count ? walk_x.next() : at_x[0];
      at_y[l] = l < count ? walk_y.next() : at_y[0];
    }
    const auto read = [&](const T* from, const int64_t* at, int64_t column) {
      V v{};
      for (int l = 0; l < kLanes; ++l) set_lane<V>(v, l, double(from[at[l] + column]));
      return v;
    };
    V size{}, sound{};
    for (int i = 0; i < d; ++i) {
      V t[2 * N];
      for (int c = 0; c < N; ++c) {
        t[2 * c] = read(y, at_y, c * d + i);
        t[2 * c + 1] = -read(x, at_x, c * d + i);
      }
      const V w = summed<V>(t, 2 * N).hi;
      put(i, w);
      sound += w * 0.0;
      size = vmax<V>(size, vabs<V>(w));
    }
    V low[N], high[N];
    for (int c = 0; c < N; ++c) {
      low[c] = read(x, at_x, c * d + d - 1);
      high[c] = read(y, at_y, c * d + d - 1);
    }
    DD<V> a = summed<V>(low, N), b = summed<V>(high, N);
    const Mask<V> good = (sound + (a.hi + b.hi) * 0.0 == 0.0) & (a.hi > 0.0) & (b.hi > 0.0);
    const auto usual = [&](const V& v, double other) { return select<V>(good, v, splat<V>(other)); };
    a = DD<V>(usual(a.hi, 1.0), usual(a.lo, 0.0));
    b = DD<V>(usual(b.hi, 1.0), usual(b.lo, 0.0));
    size = usual(size, 0.0);
    const V i = exponent_of<V>(a.hi), j = exponent_of<V>(b.hi), k = select<V>(size > 0.0, exponent_of<V>(size), i);
    const V half = nearest_integer<V>(0.5 * (i + j) - 0.25), odd = i + j - 2.0 * half;
    DD<V> square(V{}), level(V{});  // of w 2^-k and of its horizontal part
    for (int c = 0; c < d; ++c) {
      const V v = usual(scaled_by(Ex<V, 1>{{got(c)}}, -k)[0], 0.0);
      level = square;
      square = square + two_prod<V>(v, v);
    }
    if (!job.grad) {
      const Ex<V, 2> p = scaled_by(of<V>(a), -i), q = scaled_by(of<V>(b), odd - j);
      const DD<V> r = sqrt(square / (DD<V>(p[0], p[1]) * DD<V>(q[0], q[1])));
      const V up = k - half - 1.0;  // t = r 2^up
      const Mask<V> far = up > 300.0;
      const Ex<V, 2> near = scaled_by(of<V>(r), select<V>(far, V{}, up));
      V t = asinh(Bounded<DD<V>>(DD<V>(near[0], near[1]), V{})).v.hi;
      if (any<V>(far)) {  // log(2 t)
        const DD<V> rest = select<V>(far, r, DD<V>(splat<V>(1.0)));
        t = select<V>(far, log(Bounded<DD<V>>(rest, V{})).v.hi + (up + 1.0) * log_two()[0], t);
      }
      for (int l = 0; l < count; ++l) {
        double result = 2.0 * lane<V>(t, l);
        if (!lane_of<V>(good, l)) {
          double sum = 0.0;
          for (int c = 0; c < d; ++c) sum += room[size_t(c * kLanes + l)] * room[size_t(c * kLanes + l)];
          result = 2.0 * std::asinh(0.5 * std::sqrt(sum / (lane<V>(low[0], l) * lane<V>(high[0], l))));
        }
        static_cast<T*>(pairs.out)[row + l] = T(result);
      }
      continue;
    }
    const V most = vmax<V>(k, vmax<V>(i, j));
    const auto scaled_down = [&](const V& v) { return scaled_by(Ex<V, 1>{{v}}, -most)[0]; };
    const V p = scaled_down(a.hi), q = scaled_down(b.hi), down = scaled_by(number<V, 1>(1.0), k - most)[0];
    const V length = vsqrt<V>(square.hi) * down, flat = level.hi * down * down;
    const T* grads = static_cast<const T*>(job.grad) + row;
    V g{};
    for (int l = 0; l < kLanes; ++l) set_lane<V>(g, l, double(grads[l < count ? l : 0]));
    const V wide = length * vsqrt<V>(p * q + 0.25 * length * length);
    g = select<V>(size > 0.0, g / select<V>(size > 0.0, wide, splat<V>(1.0)), usual(V{}, kInf * 0.0));
    const V lift = usual(scaled_down(got(d - 1)), 0.0) * (p + q);
    for (T* out : {static_cast<T*>(job.to_x), static_cast<T*>(job.to_y)}) {
      if (!out) continue;
      const double sign = out == job.to_x ? -1.0 : 1.0;
      const V rise = sign * (lift - sign * flat) * (0.5 * g) / (out == job.to_x ? a.hi : b.hi);
      for (int l = 0; l < count; ++l) {
        T* to = out + (row + l) * d * N;
        for (int c = 0; c < d * N; ++c) to[c] = T(0);
        to[d - 1] = T(lane<V>(rise, l));
      }
      for (int c = 0; c + 1 < d; ++c) {
        const V slope = scaled_down(sign * g * usual(scaled_down(got(c)), 0.0));
        for (int l = 0; l < count; ++l) out[(row + l) * d * N + c] = T(lane<V>(slope, l));
      }
    }
  }
}

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
