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

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
