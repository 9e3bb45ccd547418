// Distances and their slopes on kLanes pairs at once, lane = negative, in each model.
//
// A node has a record of doubles, made from its row of points, that pairs are computed from.  With
//   ball          q = |x - y|^2/((1 - |x|^2)(1 - |y|^2)), coordinates times sqrt(c)
//   hyperboloid   q = <x - y, x - y>/4, coordinates times sqrt(c)
//   half-space    q = |x - y|^2/(4 a b), a and b the heights
// the distance at curvature -1 is 2 asinh sqrt q (J. G. Ratcliffe. Foundations of Hyperbolic Manifolds. 3rd ed.,
// Springer, 2019, sections 3.2, 4.5, 4.6), and its slope in q is 1/sqrt(q(1 + q)).  Half-space coordinates of several
// components are subtracted exactly; from there on a double is enough, as T. Yu, C. De Sa. Representing hyperbolic
// space accurately using multi-component floats. NeurIPS 2021, has it.
#pragma once

#include "../optim/step.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace learn {

using V = Lanes;
using D = DD<V>;

// How a node's row is moved.
enum class Move { plain, components, half_tile, hyperboloid_tile };

// The distance at curvature -1 and its slope in q.  Points nearer than 2^-500 count as one, which pulls nowhere.
struct Arc {
  V distance, slope;
  HYPGEO_HD explicit Arc(V q) {
    const Root<V> t = rooted<V>(q);
    const Area<V> a = area<V>(q);
    distance = 2.0 * t.v * a.asinhc;
    slope = q > 0x1p-1000 ? t.inverse * a.secant.inverse : V{};
  }
};

// x0 + ... + x(n-1) exactly, in components of which each is the rounding of the rest: sweeps of two-sums from the
// smallest up (T. Ogita, S. M. Rump, S. Oishi. Accurate sum and dot product. SIAM J. Sci. Comput. 26 (2005), VecSum).
template <int n, int sweeps>
HYPGEO_HD void distil(V* x) {
#pragma GCC unroll 8
  for (int sweep = 0; sweep < sweeps; ++sweep) {
#pragma GCC unroll 8
    for (int i = n - 1; i > 0; --i) {
      const D s = two_sum<V>(x[i - 1], x[i]);
      x[i - 1] = s.hi;
      x[i] = s.lo;
    }
  }
}

// Two half-space points at heights a and b, with rise = a - b and what lies between them sideways in at_u[0 ... d - 2]:
// the distance, and its slopes in the coordinates of either.
HYPGEO_HD V half_view(V a, V b, V rise, int64_t d, V* at_u, V* at_v) {
  const int64_t up = d - 1;
  const V per_a = reciprocal<V>(a), per_b = reciprocal<V>(b);
  V flat = V{};
  for (int64_t i = 0; i < up; ++i) flat += (at_u[i] * per_a) * (at_u[i] * per_b);
  const Arc arc(0.25 * (flat + (rise * per_a) * (rise * per_b)));
  const V along = 0.5 * arc.slope * per_a;
  for (int64_t i = 0; i < up; ++i) {
    at_u[i] = along * (at_u[i] * per_b);
    at_v[i] = -at_u[i];
  }
  at_u[up] = arc.slope * (0.25 * per_a) * ((rise * per_b) * (1.0 + b * per_a) - flat);
  at_v[up] = arc.slope * (0.25 * per_b) * (-(rise * per_a) * (1.0 + a * per_b) - flat);
  return arc.distance;
}

template <int components>
struct Half {
  using Step = optim::Half;
  static constexpr Move kMove = components == 1 ? Move::plain : Move::components;
  static constexpr int kComponents = components;
  static constexpr bool kScaled = false;  // coordinates are the same at every curvature
  static constexpr int64_t dim(int64_t width) { return width / components; }
  static constexpr int64_t width(int64_t d) { return components * d; }
  static constexpr int64_t record(int64_t d) { return components * d; }
  static HYPGEO_HD void note(const double* row, int64_t d, double, double* to) {
    for (int64_t i = 0; i < components * d; ++i) to[i] = row[i];
  }

  // u - v in coordinate i: 2N numbers, summed without error but for the last rounding.
  static HYPGEO_HD V difference(const double* u, const V* v, int64_t i, int64_t d) {
    if constexpr (components == 1) {
      return u[i] - v[i];
    } else {
      V x[2 * components];
#pragma GCC unroll 4
      for (int k = 0; k < components; ++k) {
        const D s = two_diff<V>(splat<V>(u[k * d + i]), v[k * d + i]);
        x[2 * k] = s.hi;
        x[2 * k + 1] = s.lo;
      }
      distil<2 * components, components + 1>(x);
      return x[0] + x[1];
    }
  }

  static HYPGEO_HD V pair(const double* u, const V* v, int64_t d, V* at_u, V* at_v) {
    for (int64_t i = 0; i < d - 1; ++i) at_u[i] = difference(u, v, i, d);
    return half_view(splat<V>(u[d - 1]), v[d - 1], difference(u, v, d - 1, d), d, at_u, at_v);
  }
};

struct Ball {
  using Step = optim::Ball;
  static constexpr Move kMove = Move::plain;
  static constexpr int kComponents = 1;
  static constexpr bool kScaled = true;
  static constexpr int64_t dim(int64_t width) { return width; }
  static constexpr int64_t width(int64_t d) { return d; }
  static constexpr int64_t record(int64_t d) { return d + 1; }
  static HYPGEO_HD void note(const double* row, int64_t d, double root, double* to) {
    DD<double> gap(1.0);
    for (int64_t i = 0; i < d; ++i) {
      to[i] = root * row[i];
      gap = gap - two_prod<double>(to[i], to[i]);
    }
    to[d] = 1.0 / gap.hi;
  }

  static HYPGEO_HD V pair(const double* u, const V* v, int64_t d, V* at_u, V* at_v) {
    const double per_a = u[d];
    const V per_b = v[d];
    V q = V{};
    for (int64_t i = 0; i < d; ++i) {
      at_u[i] = u[i] - v[i];
      q += (at_u[i] * per_a) * (at_u[i] * per_b);
    }
    const Arc arc(q);
    const V twice = 2.0 * arc.slope, apart = twice * per_a * per_b, own_u = twice * q * per_a, own_v = twice * q * per_b;
    for (int64_t i = 0; i < d; ++i) {
      const V way = apart * at_u[i];
      at_u[i] = way + own_u * u[i];
      at_v[i] = own_v * v[i] - way;
    }
    return arc.distance;
  }
};

// Time is derived from the spatial coordinates, to twofold precision, and so are the differences: what far points that
// lie in one direction lose by cancellation is e^(2R) 2^-104.  The slope is the covector in the spatial coordinates.
struct Hyperboloid {
  using Step = optim::Hyperboloid;
  static constexpr Move kMove = Move::plain;
  static constexpr int kComponents = 1;
  static constexpr bool kScaled = true;
  static constexpr int64_t dim(int64_t width) { return width - 1; }
  static constexpr int64_t width(int64_t d) { return d + 1; }
  static constexpr int64_t record(int64_t d) { return d + 4; }  // d, time and its reciprocal as pairs
  static HYPGEO_HD void note(const double* row, int64_t d, double root, double* to) {
    DD<double> square(1.0);
    for (int64_t i = 0; i < d; ++i) {
      to[i] = root * row[i + 1];
      square = square + two_prod<double>(to[i], to[i]);
    }
    const DD<double> time = sqrt(square), inverse = DD<double>(1.0) / time;
    to[d] = time.hi;
    to[d + 1] = time.lo;
    to[d + 2] = inverse.hi;
    to[d + 3] = inverse.lo;
  }

  static HYPGEO_HD V pair(const double* u, const V* v, int64_t d, V* at_u, V* at_v) {
    const D late = D(splat<V>(u[d]), splat<V>(u[d + 1])) - D(v[d], v[d + 1]);
    D square = -(late * late);
    for (int64_t i = 0; i < d; ++i) {
      const D s = two_diff<V>(splat<V>(u[i]), v[i]);
      square = square + s * s;
    }
    const V q = vmax<V>(0.25 * square.hi, V{});
    const Arc arc(q);
    const V half = 0.5 * arc.slope;
    const D lean_u = late * D(splat<V>(u[d + 2]), splat<V>(u[d + 3])), lean_v = late * D(v[d + 2], v[d + 3]);
    for (int64_t i = 0; i < d; ++i) {
      const D s = two_diff<V>(splat<V>(u[i]), v[i]);
      at_u[i] = half * (s - lean_u * splat<V>(u[i])).hi;
      at_v[i] = half * (lean_v * v[i] - s).hi;
    }
    return arc.distance;
  }
};

}  // namespace learn
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
