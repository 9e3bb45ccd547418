// Isometries between the models of hyperbolic space of curvature -c.
//
// With b = sqrt(c) x in the Poincare ball the hyperboloid has time (1 + |b|^2) / (1 - |b|^2) and space 2 b / (1 - |b|^2),
// and the Klein ball space / time; all times 1 / sqrt(c).  These three differ by a factor of the row.  The half-space
// singles out the last axis, which points up in it: height 1 / (time - last), horizontally space times height.
// J. W. Cannon, W. J. Floyd, R. Kenyon, W. R. Parry. Hyperbolic geometry. In: Flavors of Geometry, MSRI Publications 31,
// 1997, section 7.
#pragma once

#include "op.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

template <Layout from, Layout to>
struct Conversion {
  static constexpr int rows = 1;
  static constexpr bool number = false;
  static constexpr Layout in[1] = {from};
  static constexpr Frame frame[1] = {Frame::kPlain};
  static constexpr Layout out = to;

  template <class S>
  static HYPGEO_HD Out<S, 1> result(const S& factor, const S& odd, const S& time = S(0.0)) {
    Out<S, 1> r;
    r.a[0] = factor;
    r.odd = odd;
    r.time = time;
    return r;
  }
};

// ---- along the rays: Klein ball, Poincare ball, hyperboloid

struct BallToLorentz : Conversion<Layout::kBallPoint, Layout::kLorentzPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S bb = in.c * in.g(0, 0), factor = 2.0 / (1.0 - bb);
    return result(factor, 0.5 * (1.0 + bb) * factor / sqrt(in.c));
  }
};

struct LorentzToBall : Conversion<Layout::kLorentzPoint, Layout::kBallPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return result(1.0 / (1.0 + sqrt(1.0 + in.c * in.g(0, 0))), S(0.0));
  }
};

struct KleinToLorentz : Conversion<Layout::kKleinPoint, Layout::kLorentzPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S factor = 1.0 / sqrt(1.0 - in.c * in.g(0, 0));
    return result(factor, factor / sqrt(in.c));
  }
};

struct LorentzToKlein : Conversion<Layout::kLorentzPoint, Layout::kKleinPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return result(1.0 / sqrt(1.0 + in.c * in.g(0, 0)), S(0.0));
  }
};

struct BallToKlein : Conversion<Layout::kBallPoint, Layout::kKleinPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return result(2.0 / (1.0 + in.c * in.g(0, 0)), S(0.0));
  }
};

struct KleinToBall : Conversion<Layout::kKleinPoint, Layout::kBallPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    return result(1.0 / (1.0 + sqrt(1.0 - in.c * in.g(0, 0))), S(0.0));
  }
};

// ---- to and from the half-space, `last` being the coordinate along the axis that points to its infinity

// (2 h, |h|^2 + z^2 - 1) / (den sqrt c), the last entry as (1 - rest / den) / sqrt c far from the unit sphere.  Where
// derivatives are small, so are then the terms they are made of.
template <class Op, class S>
HYPGEO_HD Out<S, 1> from_half(const S& hh, const S& z, const S& den, const S& rest, const S& c) {
  const S unit = 1.0 / sqrt(c), per = unit / den, square = select(z < 0.5, sqr(z) - 1.0, (z - 1.0) * (z + 1.0));
  return Op::result(2.0 * per, select(den < 8.0, (hh + square) * per, unit - rest * per));
}

struct BallToHalf : Conversion<Layout::kBallPointLast, Layout::kHalfPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S root = sqrt(in.c), down = 1.0 - root * in.odd[0], bb = in.c * in.g(0, 0), den = bb + sqr(down);
    return result(2.0 * root / den, (1.0 - (bb + in.c * sqr(in.odd[0]))) / den);
  }
};

struct HalfToBall : Conversion<Layout::kHalfPoint, Layout::kBallPointLast> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S z = in.odd[0], up = 1.0 + z;
    return from_half<HalfToBall>(in.g(0, 0), z, in.g(0, 0) + sqr(up), 2.0 * up, in.c);
  }
};

struct KleinToHalf : Conversion<Layout::kKleinPointLast, Layout::kHalfPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S root = sqrt(in.c), per = 1.0 / (1.0 - root * in.odd[0]);
    return result(root * per, sqrt(1.0 - in.c * (in.g(0, 0) + sqr(in.odd[0]))) * per);
  }
};

struct HalfToKlein : Conversion<Layout::kHalfPoint, Layout::kKleinPointLast> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S& z = in.odd[0];
    return from_half<HalfToKlein>(in.g(0, 0), z, in.g(0, 0) + sqr(z) + 1.0, S(2.0), in.c);
  }
};

struct LorentzToHalf : Conversion<Layout::kLorentzPointLast, Layout::kHalfPoint> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S root = sqrt(in.c), last = root * in.odd[0], hh = 1.0 + in.c * in.g(0, 0), time = sqrt(hh + sqr(last));
    const auto rising = 0.0 < last;  // 1 / (time - last), without the difference
    const S height = select(rising, (time + last) / hh, 1.0 / (time - select(rising, S(0.0), last)));
    return result(root * height, height);
  }
};

struct HalfToLorentz : Conversion<Layout::kHalfPoint, Layout::kLorentzPointLast> {
  template <class S>
  static HYPGEO_HD Out<S, 1> coef(const In<S, 1>& in) {
    const S z = in.odd[0], per = 1.0 / (z * sqrt(in.c)), half = 0.5 * per;
    return result(per, (in.g(0, 0) + (z - 1.0) * (z + 1.0)) * half, (in.g(0, 0) + sqr(z) + 1.0) * half);
  }
};

// ---- translations in normal coordinates

// log_0(exp_0(a) (+) exp_0(b)) of two vectors whose Riemannian lengths at the origin are |a|, |b|: the same map in every
// model.  With r = sqrt(c)|a|, s = sqrt(c)|b|, k = c<a,b> the end has, on the hyperboloid,
//   cosh D = cosh r cosh s + k sinh(r)/r sinh(s)/s,   space  sinh(r)/r G a + sinh(s)/s b,
//   G = cosh s + k tanh(r/2)/r sinh(s)/s,
// (Ungar, chapter 3, in these coordinates), and is D / sinh D times that space.  All is taken times exp(-r), exp(-s) where
// r, s exceed 1, so that nothing overflows.  Where both do, k cancels against rs on opposite sides:
//   cosh D - 1 = (e^-r - e^-s)^2 e^(r+s) / 2 + K sinh(r)/r sinh(s)/s,   K = k + rs = (r^2 s^2 - k^2) / (rs - k),
// and G likewise.
struct NormalTranslate {
  static constexpr int rows = 2;
  static constexpr bool number = false, faint = true;
  static constexpr Layout in[2] = {Layout::kPlain, Layout::kPlain};
  static constexpr Frame frame[2] = {Frame::kPlain, Frame::kPlain};
  static constexpr Layout out = Layout::kPlain;

  // Where nothing cancels: a and b do not point in opposite directions, or one is short beside the other.
  template <class S>
  static HYPGEO_HD auto calm(const In<S, 2>& in) {
    const S q = in.c * in.g(0, 0), p = in.c * in.g(1, 1), k = in.c * in.g(0, 1);
    const auto apart = (0.0 < k) | (sqr(k) < 0.5625 * (q * p));
    const auto uneven = ((4.0 * p < q) & (p < 36.0)) | ((4.0 * q < p) & (q < 36.0));
    return (q < 0x1p20) & (p < 0x1p20) & (apart | uneven);
  }

  // What is asked of one of the two lengths.
  template <class S>
  struct Length {
    S square, root, decay;      // t^2; t and e^-t where t > 1, and 1
    S cosh, sinhc, above;       // cosh t, sinh(t)/t and cosh t - 1, times e^-t where t > 1 (and then no `above`)
  };
  template <class S, class M>
  static HYPGEO_HD Length<S> length(const S& square, const M& small) {
    Length<S> r;
    r.square = square;
    const S inner = select(small, square, S(0.0));
    r.root = sqrt(select(small, S(1.0), square));
    // beyond 2^20 powers of e count as zero
    const S e = exp(-select(r.root < 0x1p20, r.root, S(0x1p20))), ee = sqr(e);
    const S sinhc = sinhcq(inner), cosh = sqrt(1.0 + inner * sqr(sinhc));
    r.decay = select(small, S(1.0), e);
    r.cosh = select(small, cosh, 0.5 + 0.5 * ee);
    r.sinhc = select(small, sinhc, (0.5 - 0.5 * ee) / r.root);
    r.above = inner * sqr(sinhc) / (1.0 + cosh);
    return r;
  }

  template <class S>
  static HYPGEO_HD Out<S, 2> coef(const In<S, 2>& in) {
    const S q = in.c * in.g(0, 0), p = in.c * in.g(1, 1), k = in.c * in.g(0, 1);
    const auto small_r = q < 1.0, small_s = p < 1.0;
    const auto near = small_r & small_s, mixed = small_r | small_s;  // of another type where a mask is a bool
    const Length<S> r = length(q, small_r), s = length(p, small_s);
    const S rs = r.root * s.root, both = r.sinhc * s.sinhc, decay = r.decay * s.decay;
    const auto opposite = k < 0.0;
    const S product = select(mixed, S(1.0), rs), turn = select(mixed, S(0.0), k);
    const S wide = select(opposite, (sqr(product) - sqr(turn)) / (product - select(opposite, turn, S(0.0))), turn + product);
    // cosh D and cosh D - 1, times decay
    const S plain = r.cosh * s.cosh + both * k;
    const S excess = select(near, r.above * s.cosh + s.above + both * k,
                            select(mixed, plain - decay, 0.5 * sqr(r.decay - s.decay) + both * wide));
    const S whole = select(mixed, plain, excess + decay);
    // tanh(r/2)/r and G, times the decay of s
    const S tilt = select(small_r, r.sinhc / (1.0 + r.cosh), (1.0 - r.decay) / ((1.0 + r.decay) * r.root));
    const S far_g = sqr(s.decay) + r.decay / (1.0 + r.decay) * (1.0 - sqr(s.decay)) + tilt * s.sinhc * wide;
    const S g = select(mixed, s.cosh + tilt * s.sinhc * k, far_g);
    // D / sinh D over decay, smooth also at D = 0
    const auto close = near | (excess < 2.0 * decay);
    const S per = 1.0 / select(close, decay, S(1.0)), half = select(close, 0.5 * excess * per, S(0.0));
    const S sinh = sqrt(select(close, S(1.0), excess * (excess + 2.0 * decay))), size = select(small_r, S(0.0), r.root) + select(small_s, S(0.0), s.root);
    const S far = (size + log(select(close, S(1.0), whole) + sinh)) / sinh;
    const S f = select(close, asinhcq(half) / sqrt(1.0 + half) * per, far);
    return {{f * r.sinhc * g, f * s.sinhc * r.decay}, S(0.0), S(0.0)};
  }
};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
