// What the launchers ask of an op, and the reverse-mode tape that differentiates every op.
//
// In constant curvature a map of points and tangent vectors is: inner products of the rows, a few scalar coefficients, a
// linear combination of the rows (Weyl's first fundamental theorem of the orthogonal group).  An op is a struct with
//   rows                    how many rows it takes (1 to 3), in the order of its arguments
//   in[rows], out           their layouts, below
//   frame[rows]             kPlain, or kMinusFirst / kPlusFirst: the row enters as row - first, row + first, so that
//                           neighbours (or near inverses) lose nothing
//   number                  whether it takes one more number per row (a time, a factor)
//   template <class S> static Out<S, rows> coef(const In<S, rows>& in)
// A coefficient function is written once in a number type S and evaluated in several: values with error bounds, in double
// for float32 rows and in twofold double for float64 rows, many rows at a time; arbitrary precision for the rows where
// those bounds do not suffice; and Rev<S>, which records what happened and yields all derivatives.
#pragma once

#include "../scalar/special.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

// How the coordinates of a row are read and written.  Those that are not alike, the hyperboloid's time, the half-space's
// height and the axis that points up in it, take no part in the inner products.
enum class Layout {
  kNumber,            // an output that is one number: Out::odd
  kPlain,             // all coordinates alike: a vector, a point of the Klein model or of flat space
  kBallPoint,         // the same, kept inside c|x|^2 < 1 when it is rounded
  kKleinPoint,        // likewise
  kLorentzPoint,      // time first.  Never read: the spatial floats are the point.  Written from Out::odd
  kLorentzVector,     // time first, likewise
  kLorentzCovector,   // an ambient gradient: its time entry is read into In::odd
  kHalfPoint,         // height last: In::odd, Out::odd; kept positive and finite when it is rounded
  kHalfVector,        // height last: In::odd, Out::odd
  kBallPointLast,     // a point of the ball, its last coordinate apart: In::odd, Out::odd
  kKleinPointLast,    // likewise
  kLorentzPointLast,  // time first, and the last coordinate apart: In::odd, Out::odd; time from Out::time
};
constexpr bool has_time(Layout l) {
  return l == Layout::kLorentzPoint || l == Layout::kLorentzVector || l == Layout::kLorentzCovector ||
         l == Layout::kLorentzPointLast;
}
constexpr bool has_last(Layout l) {
  return l == Layout::kHalfPoint || l == Layout::kHalfVector || l == Layout::kBallPointLast ||
         l == Layout::kKleinPointLast || l == Layout::kLorentzPointLast;
}
constexpr bool reads_odd(Layout l) { return has_last(l) || l == Layout::kLorentzCovector; }
constexpr bool in_ball(Layout l) {
  return l == Layout::kBallPoint || l == Layout::kBallPointLast || l == Layout::kKleinPoint ||
         l == Layout::kKleinPointLast;
}
// Columns of a row with k coordinates that are alike.
constexpr long columns(Layout l, long k) {
  return l == Layout::kNumber ? 1 : k + (has_time(l) ? 1 : 0) + (has_last(l) ? 1 : 0);
}
// The column of In::odd / Out::odd, and of the first of the coordinates that are alike.
constexpr long odd_column(Layout l, long k) { return has_last(l) ? columns(l, k) - 1 : 0; }
constexpr long first_column(Layout l) { return has_time(l) ? 1 : 0; }

enum class Frame { kPlain, kMinusFirst, kPlusFirst };

// What a coefficient function sees of a row: inner products of the (framed) rows, the squares of the rows as they stand
// (for a framed one a sum of its own, so that neither it nor its derivative is a difference), their heights as they stand,
// the extra number, and c = -K.
template <class S, int R>
struct In {
  S gram[R * (R + 1) / 2];
  S square[R];
  S odd[R];
  S number;
  S c;
  HYPGEO_HD const S& g(int i, int j) const { return i < j ? gram[j * (j + 1) / 2 + i] : gram[i * (i + 1) / 2 + j]; }
};

// The result: sum of a[k] times the framed row k, and the coordinates that are not alike (or the number).
template <class S, int R>
struct Out {
  S a[R];
  S odd;
  S time;
};

// ---- reverse mode

// The record of one evaluation: to each node, what it depends on and how strongly.  A. Griewank, A. Walther. Evaluating
// Derivatives. 2nd ed., SIAM, 2008, chapter 4.  Node 0 takes what flows to constants.
template <class S>
struct Tape {
  static constexpr int kMost = 320;
  S weight[kMost][2];
  short parent[kMost][2];
  int size = 1;
  HYPGEO_HD int push(int p, const S& wp, int q, const S& wq) {
    weight[size][0] = wp;
    weight[size][1] = wq;
    parent[size][0] = short(p);
    parent[size][1] = short(q);
    return size++;
  }
  HYPGEO_HD int leaf() { return push(0, S(0.0), 0, S(0.0)); }
  // adjoint[i] becomes the derivative in node i of sum of seed times result; seeded by the caller, zero elsewhere.
  HYPGEO_HD void sweep(S* adjoint) const {
    for (int i = size - 1; i > 0; --i) {
      for (int k = 0; k < 2; ++k) {
        // an unselected branch has adjoint 0 and may have an infinite weight
        if (parent[i][k]) adjoint[parent[i][k]] = adjoint[parent[i][k]] + times_or_zero(adjoint[i], weight[i][k]);
      }
    }
  }
};

template <class S>
struct Rev {
  S v;
  int id = 0;
  Tape<S>* tape = nullptr;
  Rev() = default;
  HYPGEO_HD explicit Rev(double value) : v(value) {}
  HYPGEO_HD explicit Rev(const S& value) : v(value) {}
  HYPGEO_HD Rev(const S& value, int node, Tape<S>* t) : v(value), id(node), tape(t) {}
};

template <class S>
HYPGEO_HD Rev<S> leaf(const S& value, Tape<S>& tape) {
  return Rev<S>(value, tape.leaf(), &tape);
}
template <class S>
HYPGEO_HD Rev<S> unary(const Rev<S>& a, const S& value, const S& slope) {
  return a.id ? Rev<S>(value, a.tape->push(a.id, slope, 0, slope), a.tape) : Rev<S>(value);
}
template <class S>
HYPGEO_HD Rev<S> binary(const Rev<S>& a, const Rev<S>& b, const S& value, const S& wa, const S& wb) {
  Tape<S>* t = a.id ? a.tape : b.tape;
  return a.id || b.id ? Rev<S>(value, t->push(a.id, wa, b.id, wb), t) : Rev<S>(value);
}

template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a) { return unary(a, -a.v, S(-1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator+(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v + b.v, S(1.0), S(1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v - b.v, S(1.0), S(-1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator*(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v * b.v, b.v, a.v); }
template <class S>
HYPGEO_HD Rev<S> operator/(const Rev<S>& a, const Rev<S>& b) {
  const S r = S(1.0) / b.v, q = a.v / b.v;
  return binary(a, b, q, r, -(q * r));
}
template <class S>
HYPGEO_HD Rev<S> operator+(const Rev<S>& a, double b) { return unary(a, a.v + b, S(1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator+(double a, const Rev<S>& b) { return b + a; }
template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a, double b) { return unary(a, a.v - b, S(1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator-(double a, const Rev<S>& b) { return unary(b, a - b.v, S(-1.0)); }
template <class S>
HYPGEO_HD Rev<S> operator*(const Rev<S>& a, double b) { return unary(a, a.v * b, S(b)); }
template <class S>
HYPGEO_HD Rev<S> operator*(double a, const Rev<S>& b) { return b * a; }
template <class S>
HYPGEO_HD Rev<S> operator/(double a, const Rev<S>& b) { return Rev<S>(a) / b; }
template <class S>
HYPGEO_HD Rev<S> operator/(const Rev<S>& a, double b) { return a / Rev<S>(b); }
template <class S>
HYPGEO_HD auto operator<(const Rev<S>& a, const Rev<S>& b) { return a.v < b.v; }
template <class S>
HYPGEO_HD auto operator<(const Rev<S>& a, double b) { return a.v < b; }
template <class S>
HYPGEO_HD auto operator<(double a, const Rev<S>& b) { return a < b.v; }
template <class S, class M>
HYPGEO_HD Rev<S> select(const M& m, const Rev<S>& a, const Rev<S>& b) {
  const S one(1.0), zero(0.0);
  return binary(a, b, select(m, a.v, b.v), select(m, one, zero), select(m, zero, one));
}
template <class S>
HYPGEO_HD Rev<S> sqr(const Rev<S>& a) { return unary(a, sqr(a.v), 2.0 * a.v); }
template <class S>
HYPGEO_HD Rev<S> sqrt(const Rev<S>& a) {
  const S r = sqrt(a.v);
  return unary(a, r, 0.5 / r);
}
template <class S>
HYPGEO_HD Rev<S> exp(const Rev<S>& a) {
  const S r = exp(a.v);
  return unary(a, r, r);
}
template <class S>
HYPGEO_HD Rev<S> expm1(const Rev<S>& a) { return unary(a, expm1(a.v), exp(a.v)); }
template <class S>
HYPGEO_HD Rev<S> log(const Rev<S>& a) { return unary(a, log(a.v), 1.0 / a.v); }
template <class S>
HYPGEO_HD Rev<S> log1p(const Rev<S>& a) { return unary(a, log1p(a.v), 1.0 / (1.0 + a.v)); }
template <class S>
HYPGEO_HD Rev<S> asinh(const Rev<S>& a) { return unary(a, asinh(a.v), 1.0 / sqrt(1.0 + sqr(a.v))); }
// Functions of q = t^2 with removable singularities (scalar/special.h), each with its derivative in q, together where a
// number type computes both at less than twice the cost.
#define HYPGEO_WITH_SLOPE(f, df)                             \
  template <class S>                                         \
  HYPGEO_HD Rev<S> f(const Rev<S>& q) {                      \
    if constexpr (requires(const S& a, S& s) { f(a, s); }) { \
      S slope;                                               \
      const S value = f(q.v, slope);                         \
      return unary(q, value, slope);                         \
    } else {                                                 \
      return unary(q, f(q.v), df(q.v));                      \
    }                                                        \
  }
HYPGEO_WITH_SLOPE(coshq, 0.5 * sinhcq)
HYPGEO_WITH_SLOPE(sinhcq, dsinhcq)
HYPGEO_WITH_SLOPE(tanhcq, dtanhcq)
HYPGEO_WITH_SLOPE(asinhcq, dasinhcq)
HYPGEO_WITH_SLOPE(atanhcq, datanhcq)
#undef HYPGEO_WITH_SLOPE

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
