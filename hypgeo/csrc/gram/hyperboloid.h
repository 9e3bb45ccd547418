// The hyperboloid -x0^2 + |x|^2 = -1/c of curvature -c.  The spatial coordinates are the point, and those of a tangent
// vector the vector: time is derived from them, x0 = sqrt(1/c + |x|^2) and v0 = <x, v>/x0.
//
// All inner products are those of the spatial rows.  Throughout X = sqrt(c) x0 = sqrt(1 + c|x|^2), and Y likewise; most
// pairs of points enter as x and w = y - x.  The formulas are Ratcliffe's with these put in:
//   [R] J. G. Ratcliffe. Foundations of Hyperbolic Manifolds. 3rd ed., Springer, 2019, chapters 3 and 4.
// What cancels is what has to: far out the spatial coordinates of a neighbourhood are e^radius times as long along the
// ray from the origin as the distances they stand for, and their squares e^(2 radius).
#pragma once

#include "op.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

namespace hyperboloid {

constexpr Layout kNumber = Layout::kNumber, kPoint = Layout::kLorentzPoint, kVector = Layout::kLorentzVector;

// The shape of an op: its result, then its arguments.
template <Layout result, Layout... arguments>
struct Maps {
  static constexpr int rows = sizeof...(arguments);
  static constexpr Layout in[] = {arguments...};
  static constexpr Layout out = result;
  static constexpr Frame frame[3] = {};
  static constexpr bool number = false;
};
// The same with the second row as its difference from the first, w = y - x, or its sum with it.
template <Layout result, Layout... arguments>
struct MapsDifference : Maps<result, arguments...> {
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kMinusFirst, Frame::kPlain};
};
template <Layout result, Layout... arguments>
struct MapsSum : Maps<result, arguments...> {
  static constexpr Frame frame[3] = {Frame::kPlain, Frame::kPlusFirst, Frame::kPlain};
};

// Two points, from the inner products of x and w = y - x.
template <class S>
struct Pair {
  S X2, XY;  // X^2 and X Y
  S rise;    // |y|^2 - |x|^2 = (Y^2 - X^2)/c
  S half_q;  // half the squared chord <y - x, y - x>_L
  S u;       // c q/2 = cosh(sqrt(c) distance) - 1 = 2 sinh(sqrt(c) distance/2)^2
};

// The chord |w|^2 - (y0 - x0)^2 cancels on every ray out of the origin, so it is taken without a difference: with
// S = |x|^2|w|^2 - <x,w>^2 = |x|^2|y|^2 - <x,y>^2, the squared area,
//   (X Y)^2 - (1 + c<x,y>)^2 = c|w|^2 + c^2 S    gives    q/2 = (|w|^2 + c S) / (X Y + c<x,y> + 1),
// whose denominator is safe unless x and y are far out on opposite sides; there q/2 = (X Y - c<x,y> - 1)/c is.
template <class S, int R>
HYPGEO_HD Pair<S> pair(const In<S, R>& in) {
  const S &c = in.c, &xx = in.g(0, 0), &xw = in.g(0, 1), &ww = in.g(1, 1), &yy = in.square[1];
  Pair<S> r;
  r.rise = 2.0 * xw + ww;
  r.X2 = 1.0 + c * xx;
  r.XY = sqrt(r.X2 * (1.0 + c * yy));
  const S xy = xx + xw, cxy = c * xy;
  const auto near = ww < yy;
  const auto opposite = (cxy < 0.0) & (2.0 < r.XY);
  const S area = xx * select(near, ww, yy) - sqr(select(near, xw, xy));
  r.half_q = select(opposite, r.XY - cxy - 1.0, ww + c * area) / select(opposite, c, r.XY + cxy + 1.0);
  r.u = c * r.half_q;
  return r;
}

// <v, v>_L for the tangent vector v at x, from |v|^2 and <x, v>.
template <class S>
HYPGEO_HD S squared_norm(const S& c, const S& X2, const S& vv, const S& xv) {
  return vv - c * (sqr(xv) / X2);
}

// sinh(t)/t and asinh(t)/t of q = t^2.  Far out a gradient is a small difference of large terms: away from q = 0 slopes
// are taken from the values, which are known to more digits than the series.
template <class S>
HYPGEO_HD S sinhc(const S& q) {
  return sinhcq(q);
}
template <class S>
HYPGEO_HD Rev<S> sinhc(const Rev<S>& q) {
  const auto large = 0.25 < q.v;
  const S f = sinhcq(q.v), p = select(large, q.v, S(1.0));
  return unary(q, f, select(large, (sqrt(1.0 + p * sqr(f)) - f) / (2.0 * p), dsinhcq(q.v)));
}
template <class S>
HYPGEO_HD S asinhc(const S& q) {
  return asinhcq(q);
}
template <class S>
HYPGEO_HD Rev<S> asinhc(const Rev<S>& q) {
  const auto large = 0.25 < q.v;
  const S f = asinhcq(q.v), p = select(large, q.v, S(1.0));
  return unary(q, f, select(large, (1.0 / sqrt(1.0 + p) - f) / (2.0 * p), dasinhcq(q.v)));
}

// asinh(sqrt(c) h)/sqrt(c), and the square of that from q = h^2.  The derivatives in h and q are algebraic.
template <class S>
HYPGEO_HD S arc(const S& h, const S& c) {
  return h * asinhcq(c * sqr(h));
}
template <class S>
HYPGEO_HD Rev<S> arc(const Rev<S>& h, const Rev<S>& c) {
  const S q = sqr(h.v), z = c.v * q;
  return binary(h, c, h.v * asinhcq(z), 1.0 / sqrt(1.0 + z), h.v * q * dasinhcq(z));
}
template <class S>
HYPGEO_HD S squared_arc(const S& q, const S& c) {
  return q * sqr(asinhcq(c * q));
}
template <class S>
HYPGEO_HD Rev<S> squared_arc(const Rev<S>& q, const Rev<S>& c) {
  const S z = c.v * q.v, f = asinhcq(z);
  return binary(q, c, q.v * sqr(f), f / sqrt(1.0 + z), 2.0 * sqr(q.v) * f * dasinhcq(z));
}

// d = (2/sqrt c) asinh(sqrt(c q)/2)  [R, section 3.2], 0 with derivative 0 where w = 0.
struct Dist : MapsDifference<kNumber, kPoint, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const Pair<S> p = pair(in);
    const S& ww = in.g(1, 1);
    const auto apart = 0.0 < ww;
    Out<S, 2> r;
    r.odd = select(apart, 2.0 * arc(sqrt(select(apart, 0.5 * p.half_q, S(1.0))), in.c), ww);
    return r;
  }
};

// d^2, smooth where the points meet.
struct Dist2 : MapsDifference<kNumber, kPoint, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const Pair<S> p = pair(in);
    Out<S, 2> r;
    r.odd = 4.0 * squared_arc(0.5 * p.half_q, in.c);
    return r;
  }
};

// asinh(sqrt(c)|x|)/sqrt(c).
struct Dist0 : Maps<kNumber, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S& xx = in.g(0, 0);
    const auto away = 0.0 < xx;
    Out<S, 1> r;
    r.odd = select(away, arc(sqrt(select(away, xx, S(1.0))), in.c), xx);
    return r;
  }
};

// cosh(t) x + sinh(t)/t v, t = sqrt(c) |v|_L  [R, section 3.2].
struct Expmap : Maps<kPoint, kPoint, kVector> {
  static constexpr int velocity = 1;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &c = in.c, &xv = in.g(0, 1);
    const S X2 = 1.0 + c * in.g(0, 0), q = c * squared_norm(c, X2, in.g(1, 1), xv);
    Out<S, 2> r;
    r.a[0] = coshq(q);
    r.a[1] = sinhc(q);
    r.odd = (r.a[0] * X2 + r.a[1] * (c * xv)) / sqrt(c * X2);
    return r;
  }
};

// t/sinh(t) (y - cosh(t) x), t = sqrt(c) d: with cosh t = 1 + u it is t/sinh(t) (w - u x), and
// t/sinh(t) = (t/2)/sinh(t/2) / cosh(t/2).
struct Logmap : MapsDifference<kVector, kPoint, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const Pair<S> p = pair(in);
    Out<S, 2> r;
    r.a[1] = asinhc(0.5 * p.u) / sqrt(1.0 + 0.5 * p.u);
    r.a[0] = -(p.u * r.a[1]);
    r.odd = in.c * r.a[1] * (in.g(0, 1) - p.u * in.g(0, 0)) / sqrt(in.c * p.X2);
    return r;
  }
};

struct Expmap0 : Maps<kPoint, kVector> {
  static constexpr int velocity = 0;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S q = in.c * in.g(0, 0);
    Out<S, 1> r;
    r.a[0] = sinhc(q);
    r.odd = sqrt((1.0 + q * sqr(r.a[0])) / in.c);
    return r;
  }
};

struct Logmap0 : Maps<kVector, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    r.a[0] = asinhc(in.c * in.g(0, 0));
    r.odd = S(0.0);
    return r;
  }
};

// v + k (x + y), k = c<y,v>_L / (1 - c<x,y>_L), with <y,v>_L = <y,v> - <x,v> Y/X and Y - X = c (|y|^2 - |x|^2)/(X + Y).
// The rows are taken as they stand: where x and y are small a derivative in x would be lost in one in y - x.
struct Transp : Maps<kVector, kPoint, kPoint, kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S &c = in.c, &xx = in.g(0, 0), &xy = in.g(0, 1), &yy = in.g(1, 1), &xv = in.g(0, 2), &yv = in.g(1, 2);
    const S X2 = 1.0 + c * xx, Y2 = 1.0 + c * yy, XY = sqrt(X2 * Y2);
    const S k = c * (yv - xv - c * (yy - xx) * xv / (X2 + XY)) / (1.0 + (XY - c * xy));
    Out<S, 3> r;
    r.a[0] = k;
    r.a[1] = k;
    r.a[2] = S(1.0);
    r.odd = c * (yv + k * (xy + yy)) / sqrt(c * Y2);
    return r;
  }
};

struct Transp0 : Maps<kVector, kPoint, kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S& yv = in.g(0, 1);
    Out<S, 2> r;
    r.a[0] = in.c * yv / (1.0 + sqrt(1.0 + in.c * in.g(0, 0)));
    r.a[1] = S(1.0);
    r.odd = sqrt(in.c) * yv;
    return r;
  }
};

// (sinh((1-s) t) x + sinh(s t) y)/sinh(t), t = sqrt(c) d.  In x and w the coefficients are cosh((1/2 - s) t)/cosh(t/2)
// and sinh(s t)/sinh(t): everything comes from sinh(t/2)^2 = u/2.
struct Geodesic : MapsDifference<kPoint, kPoint, kPoint> {
  static constexpr bool number = true;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const Pair<S> p = pair(in);
    const S half = asinhc(0.5 * p.u), cosh_half = sqrt(1.0 + 0.5 * p.u), t2 = 2.0 * p.u * sqr(half);
    Out<S, 2> r;
    r.a[0] = coshq(sqr(0.5 - in.number) * t2) / cosh_half;
    r.a[1] = in.number * sinhc(sqr(in.number) * t2) * half / cosh_half;
    r.odd = (r.a[0] * p.X2 + r.a[1] * (p.XY - p.X2)) / sqrt(in.c * p.X2);
    return r;
  }
};

// exp_x of log_0(y) carried from the origin to x: the boost y + (Y + c<x,y>/(1 + X)) x.  In s = x + y it is s + a x,
//   a = Y - X + c<x,s>/(1 + X) = c ((|s|^2 - 2<x,s>)/(X + Y) + <x,s>/(1 + X)).
struct MobiusAdd : MapsSum<kPoint, kPoint, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &c = in.c, &xx = in.g(0, 0), &xs = in.g(0, 1);
    const S rise = in.g(1, 1) - 2.0 * xs;
    const S X = sqrt(1.0 + c * xx), Y = sqrt(1.0 + c * in.square[1]), sum = X + Y, top = 1.0 + X;
    Out<S, 2> r;
    r.a[0] = c * (rise * top + xs * sum) / (sum * top);
    r.a[1] = S(1.0);
    r.odd = (X * Y + c * (xs - xx)) / sqrt(c);
    return r;
  }
};

// exp_0(number log_0(x)).
struct MobiusScalarMul : Maps<kPoint, kPoint> {
  static constexpr bool number = true;
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S q = in.c * in.g(0, 0), factor = in.number * asinhc(q), t2 = q * sqr(factor), share = sinhc(t2);
    Out<S, 1> r;
    r.a[0] = factor * share;
    r.odd = sqrt((1.0 + t2 * sqr(share)) / in.c);
    return r;
  }
};

// gyr[a, b] v = -(a + b) + (a + (b + v)), a rotation about the origin (Thomas precession): v carried from the origin to
// -b, from there to a, and back to the origin.  With A = sqrt(1 + c|a|^2), B likewise, E = (1 + A)(1 + B) and
// D = 1 + A B + c<a,b>,
//   gyr v = v + (((E + 2c<a,b>) c<b,v> - c|b|^2 c<a,v>) a - (c|a|^2 c<b,v> + E c<a,v>) b) / (E D).
struct Gyration : Maps<kVector, kPoint, kPoint, kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S &c = in.c, aa = c * in.g(0, 0), bb = c * in.g(1, 1), ab = c * in.g(0, 1);
    const S av = c * in.g(0, 2), bv = c * in.g(1, 2), A = sqrt(1.0 + aa), B = sqrt(1.0 + bb);
    const S E = (1.0 + A) * (1.0 + B), per = 1.0 / (E * (1.0 + A * B + ab));
    Out<S, 3> r;
    r.a[0] = ((E + 2.0 * ab) * bv - bb * av) * per;
    r.a[1] = -((aa * bv + E * av) * per);
    r.a[2] = S(1.0);
    r.odd = S(0.0);
    return r;
  }
};

// <u, v>_L = <u,v> - u0 v0.
struct Inner : Maps<kNumber, kPoint, kVector, kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    Out<S, 3> r;
    r.odd = in.g(1, 2) - in.c * (in.g(0, 1) * in.g(0, 2) / (1.0 + in.c * in.g(0, 0)));
    return r;
  }
};

struct Norm : Maps<kNumber, kPoint, kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &c = in.c, &uu = in.g(1, 1);
    const auto some = 0.0 < uu;
    const S q = squared_norm(c, 1.0 + c * in.g(0, 0), uu, in.g(0, 1));
    Out<S, 2> r;
    r.odd = select(some, sqrt(select(some, q, S(1.0))), uu);
    return r;
  }
};

// The covector (u0, u) of the ambient space, raised and projected: (-u0, u) + c (x0 u0 + <x,u>) (x0, x).
struct Egrad2rgrad : Maps<kVector, kPoint, Layout::kLorentzCovector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &c = in.c, &xx = in.g(0, 0), &xu = in.g(0, 1);
    const S root = sqrt(c * (1.0 + c * xx));  // c x0
    Out<S, 2> r;
    r.a[0] = root * in.odd[1] + c * xu;
    r.a[1] = S(1.0);
    r.odd = c * (xu + r.a[0] * xx) / root;
    return r;
  }
};

struct Projx : Maps<kPoint, kPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    Out<S, 1> r;
    r.a[0] = S(1.0);
    r.odd = sqrt(1.0 / in.c + in.g(0, 0));
    return r;
  }
};

struct Proju : Maps<kVector, kPoint, kVector> {
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    Out<S, 2> r;
    r.a[0] = S(0.0);
    r.a[1] = S(1.0);
    r.odd = in.g(0, 1) / sqrt(1.0 / in.c + in.g(0, 0));
    return r;
  }
};

// log(1 + s m)/s = m G(s m) with G(z) = 2/(2 + z) atanhc(z/(2 + z)), analytic at s = 0.
template <class S>
HYPGEO_HD S log1p_over(const S& m, const S& s) {
  const S z = s * m, per = 1.0 / (2.0 + z);
  return m * (2.0 * per) * atanhcq(sqr(z * per));
}
template <class S>
HYPGEO_HD Rev<S> log1p_over(const Rev<S>& m, const Rev<S>& s) {
  const S z = s.v * m.v, per = 1.0 / (2.0 + z), w = z * per, f = atanhcq(sqr(w)), g = 2.0 * per * f;
  const S slope = 2.0 * sqr(per) * (4.0 * per * w * datanhcq(sqr(w)) - f);  // G'(z)
  return binary(m, s, m.v * g, 1.0 / (1.0 + z), sqr(m.v) * slope);
}

// log(X - b)/sqrt(c), b = sqrt(c) <x, e>, for the ideal point in direction e = row 1 over its length.
// M. R. Bridson, A. Haefliger. Metric Spaces of Non-Positive Curvature. Springer, 1999, II.8.24, in these coordinates.
// Away from the ideal point X - b = 1 + c|x|^2/(1 + X) - b; towards it 1/(X - b) = (X + b)/(1 + c area) is not small,
// area = |x - <x,e> e|^2.
struct Busemann : Maps<kNumber, kPoint, Layout::kPlain> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S &c = in.c, &xx = in.g(0, 0), &xe = in.g(0, 1), &ee = in.g(1, 1);
    const S root = sqrt(c), along = xe / sqrt(ee), area = (xx * ee - sqr(xe)) / ee;
    const S rise = root * xx / (1.0 + sqrt(1.0 + c * xx)), less = rise - along;
    const auto towards = root * less < -0.5;
    const S more = (rise + along - root * area) / (1.0 + c * area);
    const S value = log1p_over(select(towards, more, less), root);
    Out<S, 2> r;
    r.odd = select(towards, -value, value);
    return r;
  }
};

// asinh(sqrt(c) h)/sqrt(c), h = <x, a>_L / |a|_L for the plane through p with normal a at p; 0 where a = 0.
// O. Ganea, G. Becigneul, T. Hofmann. Hyperbolic Neural Networks. NeurIPS 2018, theorem 5, in these coordinates.
// With w = p - x:  <x, a>_L = <x - p, a>_L = (p0 - x0) a0 - <w, a>,  a0 = <p, a>/p0.
struct HyperplaneDist : MapsDifference<kNumber, kPoint, kPoint, kVector> {
  static constexpr bool cancels = true;
  template <class S>
  static HYPGEO_HD Out<S, 3> coef(const In<S, 3>& in) {
    const S &c = in.c, &wa = in.g(1, 2), &aa = in.g(2, 2);
    const S X2 = 1.0 + c * in.g(0, 0), P2 = 1.0 + c * in.square[1];
    const S pa = in.g(0, 2) + wa, rise = 2.0 * in.g(0, 1) + in.g(1, 1);
    const auto some = 0.0 < aa;
    const S size = sqrt(select(some, squared_norm(c, P2, aa, pa), S(1.0)));
    const S h = (c * rise * pa / (sqrt(X2 * P2) + P2) - wa) / size;
    Out<S, 3> r;
    r.odd = select(some, arc(h, c), aa);
    return r;
  }
};

}  // namespace hyperboloid
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
