// The upper half-space of curvature -c: points (h, z), height z > 0 last, metric (|dh|^2 + dz^2) / (c z^2).
//
// Inner products are those of the horizontal rows; heights come beside them.  x has height a, y height b, w = y - x has
// the horizontal square ww and the rise b - a.  Geodesics, and with them every map of points and vectors but the lengths,
// do not depend on c.
//   [R] J. G. Ratcliffe. Foundations of Hyperbolic Manifolds. 3rd ed., Springer, 2019, section 4.6.
#pragma once

#include "op.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

// sinh(s T) / T, T^2 = q.  Its derivative in s is cosh(s T), which the chain rule would piece together from less.
template <class S>
HYPGEO_HD S sinh_over(const S& s, const S& q) {
  return s * sinhcq(q * sqr(s));
}
template <class S>
HYPGEO_HD Rev<S> sinh_over(const Rev<S>& s, const Rev<S>& q) {
  const S p = q.v * sqr(s.v);
  return binary(s, q, s.v * sinhcq(p), coshq(p), s.v * sqr(s.v) * dsinhcq(p));
}

struct HalfFormulas {
  static constexpr bool number = false;

  template <int R, class S>
  static HYPGEO_HD Out<S, R> scalar(const S& value) {
    Out<S, R> r;
    for (int k = 0; k < R; ++k) r.a[k] = S(0.0);
    r.odd = value;
    return r;
  }

  // sinh^2 of half the normalised distance: |w|^2 / (4 a b), [R] theorem 4.6.1.
  template <class S>
  static HYPGEO_HD S half_chord(const S& ww, const S& a, const S& b) {
    return (ww + sqr(b - a)) / (4.0 * (a * b));
  }

  // 1 where q is exactly zero; where it underflowed, with a bound that no result passes.
  template <class S>
  static HYPGEO_HD S one_at_zero(const S& q) {
    return 1.0 + 1e300 * (1e300 * q);
  }

  // sqrt(q) / sqrt(c), with derivative 0 at q = 0.
  template <class S>
  static HYPGEO_HD S length(const S& q, const S& c) {
    const auto some = 0.0 < q;
    const S none = select(some, S(0.0), q);
    return select(some, sqrt(select(some, q, S(1.0))), none * one_at_zero(none)) / sqrt(c);
  }

  // Twice asinh sqrt(q), over sqrt(c): 0 with derivative 0 at q = 0, no number where a height is negative.
  template <class S>
  static HYPGEO_HD S distance(const S& q, const S& c) {
    const auto apart = (0.0 < q) | (q < 0.0);
    const S none = select(apart, S(0.0), q);
    return 2.0 * select(apart, asinh(sqrt(select(apart, q, S(1.0)))), none * one_at_zero(none)) / sqrt(c);
  }

  // The velocity at x towards y: `along` times the horizontal w, and `rise`.  The initial velocity of the circle through
  // both is (a w, ((b - a)(a + b) + ww) / 2) / b times T / sinh T, T the normalised distance, sinh T = 2 sqrt(q (1 + q)).
  template <class S>
  static HYPGEO_HD void logarithm(const S& ww, const S& a, const S& b, S& along, S& rise) {
    const S q = half_chord(ww, a, b), f = asinhcq(q) / (b * sqrt(1.0 + q));
    along = a * f;
    rise = 0.5 * ((b - a) * (a + b) + ww) * f;
  }

  // The end of the geodesic with horizontal velocity u (its square uu) and rise v at height a: `along` times u, and the
  // height.  With p = uu/a^2, v/a for v, T^2 = p + v^2 the end is (u s, a) / D, s = sinh(T)/T, where
  // D = cosh T - v s = e^-T + (T - v) s, and T - v = p / (T + v): away from T = 0 a sum of positive terms.
  template <class S>
  static HYPGEO_HD void exponential(const S& uu, const S& rise, const S& a, S& along, S& height) {
    const S p = uu / sqr(a), v = rise / a, q = p + sqr(v);
    const S s = sinhcq(q), cosh = sqrt(1.0 + q * sqr(s)), one(1.0);
    const auto near = q < 1.0, up = 0.0 < v;
    const S t = sqrt(select(near, one, q));
    const S lean = select(up, p / (t + select(up, v, one)), t - v);
    const S d = select(near, cosh - v * s, 1.0 / (cosh + t * s) + lean * s);
    along = s / d;
    height = a / d;
  }

  // The point at fraction t from x to y: x plus `along` times w, and the height.  On the hyperboloid it is
  // (sinh((1 - t) T) X + sinh(t T) Y) / sinh T, where the reciprocal height is a linear function; so the height is
  // a b sinh T / (b sinh((1 - t) T) + a sinh(t T)).  That sum is taken as the lower height times
  // sinh((1 - t) T) + sinh(t T) = 2 sinh(T/2) cosh((1 - 2 t) T/2) and the rise times one of the two, which leaves the
  // derivative in t small between neighbours.
  template <class S>
  static HYPGEO_HD void between(const S& t, const S& ww, const S& a, const S& b, S& along, S& height) {
    const S q = half_chord(ww, a, b), f = asinhcq(q), half = q * sqr(f), rest = 1.0 - t;  // half is (T/2)^2
    const S first = sinh_over(rest, 4.0 * half), last = sinh_over(t, 4.0 * half);
    const auto rising = a < b;
    const S level = select(rising, a, b) * coshq(half * sqr(rest - t)) / f;
    const S total = level + select(rising, (b - a) * first, (a - b) * last);
    along = a * last / total;
    height = a * b * sqrt(1.0 + q) / (f * total);
  }

  // Parallel transport of (v, up) from x to y: `own` times v plus `along` times w, and the rise.  Two reflections, in the
  // bisector of x and y and along the geodesic at y ([R] section 4.6), multiplied out: no term exceeds |v| b/a.
  template <class S>
  static HYPGEO_HD void transport(const S& ww, const S& wv, const S& up, const S& a, const S& b, S& own, S& along, S& rise) {
    const S dz = b - a, square = ww + sqr(dz), dot = wv + dz * up, den = 4.0 * (a * b) + square;
    own = b / a;
    along = own * ((4.0 * (b * up) - 2.0 * dot) / den);
    rise = own * (up - (4.0 * (a * dot) + 2.0 * (square * up)) / den) + along * dz;
  }
};

struct HalfPair : HalfFormulas {
  static constexpr int rows = 2;
  static constexpr Layout in[2] = {Layout::kHalfPoint, Layout::kHalfPoint};
  static constexpr Frame frame[2] = {Frame::kPlain, Frame::kMinusFirst};
};
struct HalfPointVector : HalfFormulas {
  static constexpr int rows = 2;
  static constexpr Layout in[2] = {Layout::kHalfPoint, Layout::kHalfVector};
  static constexpr Frame frame[2] = {Frame::kPlain, Frame::kPlain};
};
struct HalfOne : HalfFormulas {
  static constexpr int rows = 1;
  static constexpr Layout in[1] = {Layout::kHalfPoint};
  static constexpr Frame frame[1] = {Frame::kPlain};
};

// ---- distances

struct HalfDist : HalfPair {
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    return scalar<2>(distance(half_chord(in.g(1, 1), in.odd[0], in.odd[1]), in.c));
  }
};

struct HalfDist2 : HalfPair {
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S q = half_chord(in.g(1, 1), in.odd[0], in.odd[1]);
    return scalar<2>(4.0 * q * sqr(asinhcq(q)) / in.c);
  }
};

struct HalfDist0 : HalfOne {
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return scalar<1>(distance(half_chord(in.g(0, 0), S(1.0), in.odd[0]), in.c));
  }
};

// ---- exponential, logarithm, geodesics

struct HalfExpmap : HalfPointVector {
  static constexpr int velocity = 1;
  static constexpr bool cancels = true;  // in one dimension the end does not move with the start at T = 1
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    r.a[0] = S(1.0);
    exponential(in.g(1, 1), in.odd[1], in.odd[0], r.a[1], r.odd);
    return r;
  }
};

struct HalfLogmap : HalfPair {
  static constexpr bool cancels = true;  // in one dimension the velocity does not move with its start at T = 1
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    r.a[0] = S(0.0);
    logarithm(in.g(1, 1), in.odd[0], in.odd[1], r.a[1], r.odd);
    return r;
  }
};

struct HalfExpmap0 : HalfOne {
  static constexpr int velocity = 0;
  static constexpr Layout in[1] = {Layout::kHalfVector};
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    exponential(in.g(0, 0), in.odd[0], S(1.0), r.a[0], r.odd);
    return r;
  }
};

struct HalfLogmap0 : HalfOne {
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    logarithm(in.g(0, 0), S(1.0), in.odd[0], r.a[0], r.odd);
    return r;
  }
};

struct HalfGeodesic : HalfPair {
  static constexpr bool cancels = true;
  static constexpr bool number = true;
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    r.a[0] = S(1.0);
    between(in.number, in.g(1, 1), in.odd[0], in.odd[1], r.a[1], r.odd);
    return r;
  }
};

// ---- transport

struct HalfTransp : HalfFormulas {
  static constexpr int rows = 3;
  static constexpr Layout in[3] = {Layout::kHalfPoint, Layout::kHalfPoint, Layout::kHalfVector};
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kMinusFirst, Frame::kPlain};
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    Out<S, 3> r;
    r.a[0] = S(0.0);
    transport(in.g(1, 1), in.g(1, 2), in.odd[2], in.odd[0], in.odd[1], r.a[2], r.a[1], r.odd);
    return r;
  }
};

struct HalfTransp0 : HalfPointVector {
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    transport(in.g(0, 0), in.g(0, 1), in.odd[1], S(1.0), in.odd[0], r.a[1], r.a[0], r.odd);
    return r;
  }
};

// ---- metric

struct HalfInner : HalfFormulas {
  static constexpr bool cancels = true;
  static constexpr int rows = 3;
  static constexpr Layout in[3] = {Layout::kHalfPoint, Layout::kHalfVector, Layout::kHalfVector};
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kPlain, Frame::kPlain};
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    return scalar<3>((in.g(1, 2) + in.odd[1] * in.odd[2]) / (in.c * sqr(in.odd[0])));
  }
};

struct HalfNorm : HalfPointVector {
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    return scalar<2>(length(in.g(1, 1) + sqr(in.odd[1]), in.c) / in.odd[0]);
  }
};

struct HalfEgrad2rgrad : HalfPointVector {
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    r.a[0] = S(0.0);
    r.a[1] = in.c * sqr(in.odd[0]);
    r.odd = r.a[1] * in.odd[1];
    return r;
  }
};

struct HalfProjx : HalfOne {
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    r.a[0] = S(1.0);
    r.odd = in.odd[0];
    return r;
  }
};

// ---- planes and horospheres

// The ideal point of the direction u = (e, rise) is e / k, k = |u| - rise, where |e|^2 = k (|u| + rise); the function is
// the log of k (|h - e/k|^2 + z^2) / (2 z |u|).  M. R. Bridson, A. Haefliger. Metric spaces of non-positive curvature.
// Springer, 1999, II.8.24.
struct HalfBusemann : HalfPointVector {
  static constexpr bool cancels = true;
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &z = in.odd[0], &rise = in.odd[1], &ee = in.g(1, 1), size = sqrt(ee + sqr(rise));
    const auto up = 0.0 < rise;
    const S large = size + select(up, rise, -rise), small = ee / large;
    const S k = select(up, small, large), level = select(up, large, small);
    const S f = k * (in.g(0, 0) + sqr(z)) - 2.0 * in.g(0, 1) + level;
    return scalar<2>(log(f / (2.0 * z * size)) / sqrt(in.c));
  }
};

// x (height b) seen from p (height m) along the unit normal: O. Ganea, G. Becigneul, T. Hofmann. Hyperbolic neural
// networks. NeurIPS 2018, theorem 5, on the hyperboloid.  w = p - x here.
struct HalfHyperplaneDist : HalfFormulas {
  static constexpr bool cancels = true;
  static constexpr int rows = 3;
  static constexpr Layout in[3] = {Layout::kHalfPoint, Layout::kHalfPoint, Layout::kHalfVector};
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kMinusFirst, Frame::kPlain};
  static constexpr Layout out = Layout::kNumber;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S &b = in.odd[0], &m = in.odd[1], &rise = in.odd[2];
    const S square = in.g(2, 2) + sqr(rise);
    const auto some = 0.0 < square;  // a zero normal gives 0
    const S size = sqrt(select(some, square, one_at_zero(select(some, S(0.0), square))));
    const S seen = rise * ((b - m) * (b + m) + in.g(1, 1)) / (2.0 * m) - in.g(1, 2);
    return scalar<3>(asinh(seen / (b * size)) / sqrt(in.c));
  }
};

// ---- gyrovector space: (0, 1) is the zero

// exp_x of log_0 y carried to x: the hyperboloid's boost, written out in the heights a and b and multiplied by
// m = |x_h|^2 |y|^2 + 2 (1 + a) <x_h, y_h> + (1 + a)^2, which vanishes only at y_h = -(1 + a) x_h / |x_h|^2, b = 0.
struct HalfMobiusAdd : HalfFormulas {
  static constexpr bool cancels = true;
  static constexpr int rows = 2;
  static constexpr Layout in[2] = {Layout::kHalfPoint, Layout::kHalfPoint};
  static constexpr Frame frame[2] = {Frame::kPlain, Frame::kPlain};
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &a = in.odd[0], &b = in.odd[1], &xx = in.g(0, 0), up = 1.0 + a;
    const S yy = in.g(1, 1) + sqr(b), twice = 2.0 * in.g(0, 1), n = xx + sqr(up);
    const S m = xx * yy + up * (twice + up);
    Out<S, 2> r;
    r.a[0] = (yy * (xx + a * up) + twice + up) / m;
    r.a[1] = a * n / m;
    r.odd = b * r.a[1];
    return r;
  }
};

struct HalfMobiusScalarMul : HalfOne {
  static constexpr bool cancels = true;
  static constexpr bool number = true;
  static constexpr Layout out = Layout::kHalfPoint;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    between(in.number, in.g(0, 0), S(1.0), in.odd[0], r.a[0], r.odd);
    return r;
  }
};

// gyr[a, b] v: v carried from the origin to -b, from there to a and back.  The inverse of b lies at -h/q, z/q, q = |b|^2.
struct HalfGyration : HalfFormulas {
  static constexpr bool cancels = true;
  static constexpr int rows = 3;
  static constexpr Layout in[3] = {Layout::kHalfPoint, Layout::kHalfPoint, Layout::kHalfVector};
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kPlain, Frame::kPlain};
  static constexpr Layout out = Layout::kHalfVector;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S &aa = in.g(0, 0), &z = in.odd[0], one(1.0);
    const S k = -1.0 / (in.g(1, 1) + sqr(in.odd[1])), back = -k * in.odd[1];  // -b is (k h_b, back)
    const S bb = sqr(k) * in.g(1, 1), ab = k * in.g(0, 1), bv = k * in.g(1, 2);
    S own, along, up, v, b, a;  // the vector is v h_v + b (k h_b) + a h_a, up
    transport(bb, bv, in.odd[2], one, back, v, b, up);
    transport(aa - 2.0 * ab + bb, v * (in.g(0, 2) - bv) + b * (ab - bb), S(up), back, z, own, along, up);
    v = own * v;
    b = own * b - along;
    a = along;
    transport(aa, -(v * in.g(0, 2) + b * ab + a * aa), S(up), z, one, own, along, up);
    Out<S, 3> r;
    r.a[0] = own * a - along;
    r.a[1] = own * b * k;
    r.a[2] = own * v;
    r.odd = up;
    return r;
  }
};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
