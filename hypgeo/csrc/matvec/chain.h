// exp_0(m log_0(x)) and its pullback in a number type S.  Coefficients are of S, and the rows they multiply are known to
// twice its digits or exactly: with p = c|x|^2, y = m x and q = c|w|^2
//   w = m log_0(x) = l(p) y,  exp_0(w) = f(q) w,
// where l = artanh(r)/r and f = tanh(r)/r in the ball, l = arsinh(r)/r and f = sinh(r)/r on the hyperboloid, r^2 = p, q.
// L and F, their `whole` below, are the derivatives of r l and r f in r, so that l' = (L - l)/(2p) and f' = (F - f)/(2q):
// away from 0 that keeps more digits than the series for slopes do (scalar/special.h).
// Points of the half-space are taken to the hyperboloid of curvature -1 first, (h, z) to (h, (|h|^2 + z^2 - 1)/2)/z, which
// keeps directions at the origin, and back along HalfExpmap0's formula.
#pragma once

#include "../gram/ball.h"
#include "../gram/halfspace.h"
#include "../gram/hyperboloid.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace chain {

template <class S>
S inner(const S* a, const S* b, int64_t n) {
  S sum(0.0);
  for (int64_t i = 0; i < n; ++i) sum = sum + a[i] * b[i];
  return sum;
}

// to[i] = sum of m(i, j) x[j] over n, for i from `first`, `together` of them.  Sums: of products of a float and an S.
template <class Sums, int together, class S, class Matrix>
void rows_of(const Matrix& m, const S* x, int64_t first, int64_t n, S* to) {
  Sums sum[together];
  for (int64_t j = 0; j < n; ++j) {
#pragma GCC unroll 4
    for (int i = 0; i < together; ++i) sum[i].add(m(first + i, j), x[j]);
  }
  for (int i = 0; i < together; ++i) to[first + i] = sum[i].value(n);
}
// y = m x and x = m^T y, as many sums together as there are registers for
template <class Sums, class S, class Matrix>
void product(const Matrix& m, const S* x, int64_t k, int64_t d, S* y) {
  constexpr int together = kLanes == 8 ? 4 : 2;
  int64_t i = 0;
  for (; i + together <= k; i += together) rows_of<Sums, together>(m, x, i, d, y);
  for (; i < k; ++i) rows_of<Sums, 1>(m, x, i, d, y);
}
template <class Sums, class S, class Matrix>
void transposed(const Matrix& m, const S* y, int64_t k, int64_t d, S* x) {
  product<Sums>([&](int64_t i, int64_t j) { return m(j, i); }, y, d, k, x);
}

// A function of a square, and its slope.
template <class S>
struct Radial {
  S value, whole, slope;
};
template <class S>
Radial<S> radial(const S& square, const S& value, const S& whole, const S& series) {
  const auto away = 0x1p-5 < square;
  return {value, whole, select(away, (whole - value) / (2.0 * select(away, square, S(1.0))), series)};
}

struct Ball {
  static constexpr Layout point = Layout::kBallPoint;
  using Exp = PoincareExpmap0;
  template <class S>
  static Radial<S> log0(const S& p) {
    return radial<S>(p, atanhcq(p), 1.0 / (1.0 - p), datanhcq(p));
  }
  template <class S>
  static Radial<S> exp0(const S& q) {
    const auto near = q < 1.0;
    const S f = tanhcq(q), e = exp(-2.0 * sqrt(select(near, S(1.0), q)));
    return radial<S>(q, f, select(near, 1.0 - q * sqr(f), 4.0 * e / sqr(1.0 + e)), dtanhcq(q));
  }
};
struct Hyperboloid {
  static constexpr Layout point = Layout::kLorentzPoint;
  using Exp = hyperboloid::Expmap0;
  template <class S>
  static Radial<S> log0(const S& p) {
    return radial<S>(p, asinhcq(p), 1.0 / sqrt(1.0 + p), dasinhcq(p));
  }
  template <class S>
  static Radial<S> exp0(const S& q) {
    const S f = sinhcq(q);
    return radial<S>(q, f, sqrt(1.0 + q * sqr(f)), dsinhcq(q));
  }
};
struct HalfSpace : Hyperboloid {
  static constexpr Layout point = Layout::kHalfPoint;
  using Exp = HalfExpmap0;
};

// The coordinates of the result that are alike: all but time and a height.
template <class Model>
constexpr int64_t alike(int64_t k) {
  return k - (has_last(Model::point) ? 1 : 0);
}

// Where w = (., v) leads in the half-space, p being the square of the rest, T^2 = q = p + v^2 and s = sinh(T)/T: the end is
// (own ., own/s) with own = s/(cosh T - v s), or 1/(T - v + e^-T/s) for long w, where T - v is taken as p/(T + v) if w
// points up (HalfFormulas::exponential).  coth is T coth T.
template <class S>
struct Fall {
  S own, coth, per_square;
};
template <class S>
Fall<S> fall(const Radial<S>& f, const S& p, const S& v, const S& q) {
  const S one(1.0);
  const auto near = q < 1.0, up = 0.0 < v;
  const S t = sqrt(select(near, one, q)), lean = select(up, p / (t + select(up, v, one)), t - v);
  const S e2 = sqr(1.0 / (f.whole + t * f.value)), g = t / (1.0 - e2);
  return {select(near, f.value / (f.whole - v * f.value), 1.0 / (lean + 2.0 * g * e2)),
          select(near, f.whole / f.value, g * (1.0 + e2)), 1.0 / select(near, one, q)};
}

// What leads to w: x in coordinates of the ball or the hyperboloid, y = m x, and the logarithm's factor.
template <class Model, class S>
struct Journey {
  static constexpr bool half = has_last(Model::point);
  int64_t k, d;
  S c, square, size;  // size: of y, squared
  Radial<S> l;
  S *x, *y, *w;

  // at: room for 2 k + d
  template <class Sums, class Matrix>
  void go(const Matrix& m, const S* given, int64_t rows, int64_t columns, const S& curvature, S* at) {
    k = rows, d = columns;
    x = at, y = x + d, w = y + k;
    c = half ? S(1.0) : curvature;
    for (int64_t i = 0; i < d; ++i) x[i] = given[i];
    if constexpr (half) {
      const S z = given[d - 1], per = 1.0 / z;
      x[d - 1] = 0.5 * ((z - 1.0) * (z + 1.0) + inner(x, x, d - 1));
      for (int64_t i = 0; i < d; ++i) x[i] = times_or_zero(x[i], per);
    }
    square = inner(x, x, d);
    l = Model::log0(c * square);
    product<Sums>(m, x, k, d, y);
    size = inner(y, y, k);
    for (int64_t i = 0; i < k; ++i) w[i] = times_or_zero(y[i], l.value);
  }
  S q() const { return c * size * sqr(l.value); }
  S level() const { return sqr(l.value) * inner(y, y, k - 1); }  // |w|^2 without the last coordinate
};

// The end, and its time where it has one.
template <class Model, class S>
S end(const Journey<Model, S>& way, S* to) {
  if constexpr (way.half) {
    const int64_t even = way.k - 1;
    const S q = way.q();
    const Radial<S> f = Model::exp0(q);
    const S a = fall(f, way.level(), way.w[even], q).own, height = a / f.value;
    for (int64_t i = 0; i < even; ++i) to[i] = times_or_zero(way.w[i], a);
    to[even] = height;
    return height;
  } else {
    const Radial<S> f = Model::exp0(way.q());
    for (int64_t i = 0; i < way.k; ++i) to[i] = times_or_zero(way.w[i], f.value);
    return f.whole / sqrt(way.c);
  }
}

// From u in the end and `time` in its time: the gradient gw in w, that in x (`to`), and what is returned, that in c.
// gw = own u + outward w (in the half-space in all but the last coordinate), and so m^T gw and its multiple in `to` come
// from m^T u and m^T y.  `along` is <gw, w>, and <m^T gw, x> = along / l: the radial part, which the logarithm's derivative
// magnifies towards the rim, is not sought in the whole gradient, where it may be small.  at: room for 2 d.
template <class Model, class Sums, class S, class Matrix>
S pull(const Journey<Model, S>& way, const Matrix& m, const S* given, const S* u, const S& time, S* gw, S* to, S* at) {
  const int64_t k = way.k, d = way.d, even = alike<Model>(k);
  const Radial<S>& l = way.l;
  const S &c = way.c, uw = l.value * inner(u, way.y, even), ll = sqr(l.value), ww = ll * way.size, q = way.q();
  const Radial<S> f = Model::exp0(q);
  S own, outward, along;
  if constexpr (way.half) {
    const S p = way.level(), &v = way.w[even];
    const Fall<S> to_end = fall(f, p, v, q);
    own = to_end.own;
    // what flows into the logarithm of the height; far from the origin f' is put in as (F - f)/(2q)
    const S height = own / f.value, n = uw * own + u[even] * height, steep = uw * own * (to_end.coth - 1.0);
    const auto near = q < 1.0;
    const S swell = 2.0 * height * (n * (v * f.slope - 0.5 * f.value) + uw * f.slope);
    outward = select(near, swell, (n * (v - own * (p + v)) + steep) * to_end.per_square);
    gw[even] = select(near, n * own + v * swell, (n * (own * p * (1.0 - v) + sqr(v)) + v * steep) * to_end.per_square);
    along = uw * own * to_end.coth + n * (v - own * p);
  } else {
    own = f.value;
    outward = 2.0 * c * f.slope * uw;
    along = f.whole * uw;
  }
  S moved = own * uw, rate = ww * 0.5 * outward / c;
  if constexpr (has_time(Model::point)) {  // F / sqrt(c)
    const S lift = sqrt(c) * own * time, still = f.whole * time / sqrt(c);
    outward = outward + lift;
    along = along + ww * lift;
    moved = moved + still;
    rate = rate + 0.5 * (ww * lift - still) / c;
  }
  for (int64_t i = 0; i < even; ++i) gw[i] = times_or_zero(u[i], own) + times_or_zero(way.w[i], outward);

  S *mu = at, *my = at + d;
  transposed<Sums>(m, u, even, d, mu);
  transposed<Sums>(m, way.y, even, d, my);
  const S part = along / l.value, inward = 2.0 * c * l.slope * part, a = l.value * own, b = ll * outward;
  for (int64_t i = 0; i < d; ++i) {
    to[i] = times_or_zero(mu[i], a) + times_or_zero(my[i], b) + times_or_zero(way.x[i], inward);
  }
  if constexpr (way.half) {
    const S last = l.value * gw[even], per = 1.0 / given[d - 1];
    for (int64_t i = 0; i < d; ++i) {
      Sums sum;
      sum.add(m(even, i), last);
      to[i] = to[i] + sum.value(1);
    }
    for (int64_t i = 0; i + 1 < d; ++i) to[i] = (to[i] + times_or_zero(given[i], to[d - 1])) * per;
    to[d - 1] = to[d - 1] - l.whole * part * per;
    return S(0.0);
  } else {
    // the sum of both maps' own derivatives in c, or the same in what does not cancel far out
    return select(c * way.square + q < 0x1p-6, rate + way.square * l.slope * part, (l.whole * part - moved) / (2.0 * c));
  }
}

}  // namespace chain
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
