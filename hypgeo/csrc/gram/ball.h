// The Poincare ball of curvature -c: points with c|x|^2 < 1, metric 4|dx|^2 / (1 - c|x|^2)^2.
//
// Formulas: A. A. Ungar. A Gyrovector Space Approach to Hyperbolic Geometry. Morgan & Claypool, 2009, chapters 2 and 3;
// O. Ganea, G. Becigneul, T. Hofmann. Hyperbolic neural networks. NeurIPS 2018, section 2, whose conventions hold here.
// They are written in the gap g = 1 - c|x|^2 and in w = y - x (or s = x + y): nothing cancels between neighbours, and
// on the rim the gap alone does.
#pragma once

#include "op.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace ball {

constexpr Layout kPoint = Layout::kBallPoint, kVector = Layout::kPlain;

// The shape of an op: its result, then its arguments, all rows as they stand.
template <Layout result, Layout... arguments>
struct Maps {
  static constexpr int rows = sizeof...(arguments);
  static constexpr Layout in[] = {arguments...};
  static constexpr Layout out = result;
  static constexpr Frame frame[3] = {};
  static constexpr bool number = false;
};
// The same with the second row as its difference to the first (w = y - x), or its sum with it.
template <Layout result, Layout... arguments>
struct MapsDifference : Maps<result, arguments...> {
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kMinusFirst, Frame::kPlain};
};
template <Layout result, Layout... arguments>
struct MapsSum : Maps<result, arguments...> {
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kPlusFirst, Frame::kPlain};
};

// Half a normalised distance that leads beyond every float from any point that floats can hold.
constexpr double most = 1024.0, sqr_most = most * most;

// 1 where the square is exactly zero.  Where it is zero because it underflowed the error bound becomes huge, in values
// and derivatives alike, and calls in more precision: a length has no derivative at 0, where the branch below is taken.
template <class S>
HYPGEO_HD S one_at_zero(const S& square) {
  return 1.0 + 1e300 * (1e300 * square);
}
// The root of a square; 0 with derivative 0 where it is exactly zero.
template <class S>
HYPGEO_HD S length(const S& square) {
  const auto some = 0.0 < square;
  const S none = select(some, S(0.0), square);
  return select(some, sqrt(select(some, square, S(1.0))), none * one_at_zero(none));
}

template <class S, int R>
HYPGEO_HD Out<S, R> just(const S& number) {
  Out<S, R> out;
  for (int k = 0; k < R; ++k) out.a[k] = S(0.0);
  out.odd = number;
  return out;
}

// 1 - c|row|^2
template <class S, int R>
HYPGEO_HD S gap(const In<S, R>& in, int row) {
  return 1.0 - in.c * in.square[row];
}

// g_x g_y, or what is as wrong as the worse of the two where a point is not inside: 0 on the rim, negative beyond.
template <class S>
HYPGEO_HD S product_of_gaps(const S& gx, const S& gy) {
  return select(0.0 < gx, gx * gy, gx);
}

// asinh(sqrt(c) h) / sqrt(c), whose derivative in h is algebraic.
template <class S>
HYPGEO_HD S arc(const S& h, const S& c) {
  return h * asinhcq(c * sqr(h));
}
template <class S>
HYPGEO_HD Rev<S> arc(const Rev<S>& h, const Rev<S>& c) {
  const S q = sqr(h.v), z = c.v * q;
  return binary(h, c, h.v * asinhcq(z), 1.0 / sqrt(1.0 + z), h.v * q * dasinhcq(z));
}

// sinh(kh) / sinh(h), p = sinh^2(h), per = h / sinh(h).  Away from p = 0 the derivatives follow from the value alone.
template <class S>
HYPGEO_HD S sinh_ratio(const S& k, const S& p, const S& per) {
  return k * per * sinhcq(sqr(k * per) * p);
}
template <class S>
HYPGEO_HD Rev<S> sinh_ratio(const Rev<S>& k, const Rev<S>& p, const Rev<S>& per) {
  const Rev<S> near = k * per * sinhcq(sqr(k * per) * p);
  const auto large = 0.25 < p.v;
  const S cosh = sqrt(1.0 + p.v * sqr(near.v));
  const S slope = (k.v * cosh / sqrt(1.0 + p.v) - near.v) / (2.0 * select(large, p.v, S(1.0)));
  return select(large, binary(k, p, near.v, per.v * cosh, slope), near);
}

}  // namespace ball

// ---- distances

// (2 / sqrt c) asinh(sqrt(c p)), p = |w|^2 / (g_x g_y).
// A. F. Beardon. The Geometry of Discrete Groups. Springer, 1983, section 7.2 (for c = 1).
// A point on the rim is infinitely far from all others, one outside has no distance (NaN).
struct PoincareDist : ball::MapsDifference<Layout::kNumber, ball::kPoint, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S gaps = ball::product_of_gaps(ball::gap(in, 0), ball::gap(in, 1));
    const S p = in.g(1, 1) / gaps;
    return ball::just<S, 2>(select(0.0 < gaps, 2.0 * ball::length(p) * asinhcq(in.c * p), sqrt(p)));
  }
};

// Its square, smooth also at y = x.
struct PoincareDist2 : ball::MapsDifference<Layout::kNumber, ball::kPoint, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S gaps = ball::product_of_gaps(ball::gap(in, 0), ball::gap(in, 1));
    const S p = in.g(1, 1) / gaps;
    return ball::just<S, 2>(select(0.0 < gaps, 4.0 * p * sqr(asinhcq(in.c * p)), sqrt(p)));
  }
};

// (2 / sqrt c) artanh(sqrt(c)|x|)
struct PoincareDist0 : ball::Maps<Layout::kNumber, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return ball::just<S, 1>(2.0 * ball::length(in.g(0, 0)) * atanhcq(in.c * in.g(0, 0)));
  }
};

// ---- Moebius operations

// (g_x s + c|s|^2 x) / (g_x g_y + c|s|^2), s = x + y: Ungar's (2.3) with its inner products taken from s.
struct PoincareMobiusAdd : ball::MapsSum<ball::kPoint, ball::kPoint, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S gx = ball::gap(in, 0), q = in.c * in.g(1, 1), qx = in.c * in.g(0, 0);
    // 1 + 2c<x,y> + c|x|^2 c|y|^2 near the origin, where it does not cancel: free of c to the last digit for x = 0
    const S near = 1.0 + (2.0 * in.c * (in.g(0, 1) - in.g(0, 0)) + qx * (in.c * in.square[1]));
    const S inverse = 1.0 / select(qx < 0x1p-8, near, gx * ball::gap(in, 1) + q);
    return {{q * inverse, gx * inverse}, S(0.0), S(0.0)};
  }
};

// tanh(rA) / sqrt(c) in the direction of x, A = artanh(sqrt(c)|x|) and r the number.  Where rA is large and tanh
// saturates it is taken as 1 - 2 / (1 + e^2rA), whose derivative is one small term, not the difference of large ones.
struct PoincareMobiusScalarMul : ball::Maps<ball::kPoint, ball::kPoint> {
  static constexpr bool number = true;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S q = in.c * in.g(0, 0), r = in.number * atanhcq(q), square = sqr(r) * q;
    const auto near = square < 1.0;
    const S size = sqrt(select(near, S(1.0), q)), whole = exp(2.0 * select(near, S(0.0), r) * size);
    const S tanhc = tanhcq(select(near, square, S(0.0)));
    return {{select(near, r * tanhc, (1.0 - 2.0 / (1.0 + whole)) / size)}, S(0.0), S(0.0)};
  }
};

// gyr[a, b] v = v + 2c ((g_b <s,v> + q (<s,v> - <a,v>)) a - (c|a|^2 <s,v> + g_a <a,v>) s) / (g_a g_b + q) with
// s = a + b and q = c|s|^2: Ungar's (2.66), its inner products taken from a and s.
struct PoincareGyration : ball::MapsSum<ball::kVector, ball::kPoint, ball::kPoint, ball::kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S ga = ball::gap(in, 0), gb = ball::gap(in, 1), q = in.c * in.g(1, 1);
    const S &av = in.g(0, 2), &sv = in.g(1, 2);
    const S f = 2.0 * in.c / (ga * gb + q);
    return {{f * ((gb + q) * sv - q * av), -f * (in.c * in.g(0, 0) * sv + ga * av), S(1.0)}, S(0.0), S(0.0)};
  }
};

// ---- exponential and logarithm

// x (+) tanh(T/2) n / sqrt(c), T the normalised length of v and n its direction.  With t = T/2, t^2 = c|v|^2 / g^2:
//   x + (g sinh^2(t) x + (sinh(2t) / 2t) v) / D,   2D = g + (2 - g) cosh 2t + 4 (c<x,v> / g) sinh(2t) / 2t.
// A long v that points inwards makes D cancel; then
//   2D = g + (2 - g) e^-2t + 2 ((2 - g) t + 2 c<x,v> / g) sinh(2t) / 2t,   in which only inner products do.
// From t = 1024 on the end is the geodesic's ideal point to every digit, and t = 1024 is taken.
struct PoincareExpmap : ball::Maps<ball::kPoint, ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S g = ball::gap(in, 0), inverse = 1.0 / g, scaled = in.c * inverse, other = 2.0 - g;
    const S square = scaled * inverse * in.g(1, 1);
    const auto near = square < 0.25, beyond = ball::sqr_most < square;
    const S root = sqrt(select(near, S(1.0), square)), shorter = select(beyond, ball::most / root, S(1.0));
    const S q = select(beyond, S(ball::sqr_most), square), lean = scaled * in.g(0, 1) * shorter;
    const S sh = sinhcq(q), sinh2 = q * sqr(sh), shch = sh * sqrt(1.0 + sinh2), cosh2t = 1.0 + 2.0 * sinh2;
    const S t = select(near, S(0.0), shorter * root);
    const S even = select(near, cosh2t, 1.0 / (cosh2t + 2.0 * (t * shch)));
    const S share = 1.0 / (0.5 * (g + other * even) + (other * t + 2.0 * lean) * shch);
    return {{1.0 + g * sinh2 * share, shch * share * shorter}, S(0.0), S(0.0)};
  }
};

struct PoincareExpmap0 : ball::Maps<ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return {{tanhcq(in.c * in.g(0, 0))}, S(0.0), S(0.0)};
  }
};

// (2 / lambda_x) artanh(|z|) z / |z| with z = (-x) (+) y = (g_x w - q x) / (g_x g_y + q), q = c|w|^2; since
// |z|^2 = P / (1 + P), P = q / (g_x g_y), that is  asinh(sqrt P) / sqrt(P (1 + P)) (g_x w - q x) / g_y.
struct PoincareLogmap : ball::MapsDifference<ball::kVector, ball::kPoint, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S gx = ball::gap(in, 0), gy = ball::gap(in, 1), q = in.c * in.g(1, 1);
    const S p = q / (gx * gy), f = asinhcq(p) / (gy * sqrt(1.0 + p));
    return {{-(f * q), f * gx}, S(0.0), S(0.0)};
  }
};

struct PoincareLogmap0 : ball::Maps<ball::kVector, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return {{atanhcq(in.c * in.g(0, 0))}, S(0.0), S(0.0)};
  }
};

// The point at fraction t: (W_x x + W_y y) / (W_x + W_y + W_0).  On the hyperboloid (spatial part 2x / g, time
// (2 - g) / g) it is (sinh(2(1 - t)h) X + sinh(2th) Y) / sinh 2h, h half the normalised distance, sinh^2 h = P =
// c|w|^2 / (g_x g_y); back in the ball, divided by sinh h,
//   W_x = g_y s_x sqrt(1 + P s_x^2),  W_y = g_x s_y sqrt(1 + P s_y^2),  W_0 = c|w|^2 s_x s_y,
//   s_x = sinh((1 - t)h) / sinh h,    s_y = sinh(th) / sinh h,
// all positive for 0 < t < 1.  The larger of W_x, W_y divides the others, so that the derivatives do not cancel near
// either end, and the ends themselves are exact.
struct PoincareGeodesic : ball::MapsDifference<ball::kPoint, ball::kPoint, ball::kPoint> {
  static constexpr bool number = true, cancels = true;  // outside 0 <= t <= 1
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S gx = ball::gap(in, 0), gy = ball::gap(in, 1), q = in.c * in.g(1, 1);
    const S p = q / (gx * gy), per = asinhcq(p);
    const S reach = sqr(in.number * per) * p;
    const auto beyond = ball::sqr_most < reach;
    const S t = in.number * select(beyond, ball::most / sqrt(select(beyond, reach, S(1.0))), S(1.0));
    const S sx = ball::sinh_ratio(1.0 - t, p, per), sy = ball::sinh_ratio(t, p, per);
    const S wx = gy * sx * sqrt(1.0 + p * sqr(sx)), wy = gx * sy * sqrt(1.0 + p * sqr(sy));
    const auto first = wy < wx;
    const S inverse = 1.0 / select(first, wx, wy);
    const S other = select(first, wy, wx) * inverse, zero = q * sx * sy * inverse;
    const S share = 1.0 / (1.0 + other + zero);
    return {{select(zero < 1.0, 1.0 - zero * share, (1.0 + other) * share), share * select(first, other, S(1.0))},
            S(0.0),
            S(0.0)};
  }
};

// ---- transport and metric

// (g_y / g_x) gyr[y, -x] v, the gyration written in x and w = y - x, q = c|w|^2:
// v + 2c ((g_x <w,v> - q <x,v>) x - (c|x|^2 <w,v> + (q + g_y) <x,v>) w) / (g_x g_y + q), no term longer than 4|v|.
struct PoincareTransp : ball::MapsDifference<ball::kVector, ball::kPoint, ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S gx = ball::gap(in, 0), gy = ball::gap(in, 1), q = in.c * in.g(1, 1);
    const S &xv = in.g(0, 2), &wv = in.g(1, 2);
    const S scale = gy / gx, f = 2.0 * in.c * scale / (gx * gy + q);
    return {{f * (gx * wv - q * xv), -f * (in.c * in.g(0, 0) * wv + (q + gy) * xv), scale}, S(0.0), S(0.0)};
  }
};

// From the origin to y: g_y v.
struct PoincareTransp0 : ball::Maps<ball::kVector, ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    return {{S(0.0), ball::gap(in, 0)}, S(0.0), S(0.0)};
  }
};

struct PoincareInner : ball::Maps<Layout::kNumber, ball::kPoint, ball::kVector, ball::kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    return ball::just<S, 3>(4.0 * in.g(1, 2) / sqr(ball::gap(in, 0)));
  }
};

struct PoincareNorm : ball::Maps<Layout::kNumber, ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    return ball::just<S, 2>(2.0 * ball::length(in.g(1, 1)) / ball::gap(in, 0));
  }
};

// The gradient that autograd gives, divided by the metric.
struct PoincareEgrad2rgrad : ball::Maps<ball::kVector, ball::kPoint, ball::kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    return {{S(0.0), sqr(0.5 * ball::gap(in, 0))}, S(0.0), S(0.0)};
  }
};

// The point itself; the layout keeps it inside.
struct PoincareProjx : ball::Maps<ball::kPoint, ball::kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>&) {
    return {{S(1.0)}, S(0.0), S(0.0)};
  }
};

// ---- horospheres and hyperplanes

// log(|n - sqrt(c) x|^2 / g) / sqrt(c), n the second row over its length.
// M. R. Bridson, A. Haefliger. Metric Spaces of Non-Positive Curvature. Springer, 1999, II.8.17 and II.8.24.
struct PoincareBusemann : ball::Maps<Layout::kNumber, ball::kPoint, ball::kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S root = sqrt(in.c), along = in.g(0, 1) / sqrt(in.g(1, 1));
    const S excess = 2.0 * root * (root * in.g(0, 0) - along);
    return ball::just<S, 2>(log1p(excess / ball::gap(in, 0)) / root);
  }
};

// Signed distance of x from the hyperplane through p with normal a: asinh(sqrt(c) h) / sqrt(c),
// h = 2 <(-p) (+) x, a> / ((1 - c|(-p) (+) x|^2) |a|): Ganea et al., theorem 5; 0 for a = 0.  Here w = p - x.
struct PoincareHyperplaneDist : ball::MapsDifference<Layout::kNumber, ball::kPoint, ball::kPoint, ball::kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S gx = ball::gap(in, 0), gp = ball::gap(in, 1), &wa = in.g(1, 2), &aa = in.g(2, 2);
    const auto some = 0.0 < aa;
    const S size = select(some, sqrt(select(some, aa, S(1.0))), ball::one_at_zero(select(some, S(0.0), aa)));
    const S h = -2.0 * (gp * wa + in.c * in.g(1, 1) * (in.g(0, 2) + wa)) / (gx * gp * size);
    return ball::just<S, 3>(ball::arc(h, in.c));
  }
};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
