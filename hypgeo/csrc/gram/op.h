// What the launchers ask of an op, and the reverse-mode tape that differentiates every op.
//
// In constant curvature a map of points and tangent vectors is: inner products of the rows, a few scalar coefficients, a
// linear combination of the rows (Weyl's first fundamental theorem of the orthogonal group).  An op is a struct with
//   rows                    how many rows it takes (1 to 3), in the order of its arguments
//   in[rows], out           their layouts, below
//   frame[rows]             kPlain, or kMinusFirst / kPlusFirst: the row enters as row - first, row + first, so that
//                           neighbours (or near inverses) lose nothing
//   number                  whether it takes one more number per row (a time, a factor)
//   faint                   optional: a derivative in c that cancels to less than 2^-52 of the result times the upstream
//                           gradient counts as zero
//   calm(in)                optional: where its formula may be trusted without bounds, if that is not everywhere
//   velocity                optional: the argument that is a velocity, whose direction alone counts once the end is past all floats
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
HYPGEO_HD constexpr bool has_time(Layout l) {
  return l == Layout::kLorentzPoint || l == Layout::kLorentzVector || l == Layout::kLorentzCovector ||
         l == Layout::kLorentzPointLast;
}
HYPGEO_HD constexpr bool has_last(Layout l) {
  return l == Layout::kHalfPoint || l == Layout::kHalfVector || l == Layout::kBallPointLast ||
         l == Layout::kKleinPointLast || l == Layout::kLorentzPointLast;
}
HYPGEO_HD constexpr bool reads_odd(Layout l) { return has_last(l) || l == Layout::kLorentzCovector; }
HYPGEO_HD constexpr bool in_ball(Layout l) {
  return l == Layout::kBallPoint || l == Layout::kBallPointLast || l == Layout::kKleinPoint ||
         l == Layout::kKleinPointLast;
}
// Columns of a row with k coordinates that are alike.
HYPGEO_HD constexpr long columns(Layout l, long k) {
  return l == Layout::kNumber ? 1 : k + (has_time(l) ? 1 : 0) + (has_last(l) ? 1 : 0);
}
// The column of In::odd / Out::odd, and of the first of the coordinates that are alike.
HYPGEO_HD constexpr long odd_column(Layout l, long k) { return has_last(l) ? columns(l, k) - 1 : 0; }
HYPGEO_HD constexpr long first_column(Layout l) { return has_time(l) ? 1 : 0; }

enum class Frame { kPlain, kMinusFirst, kPlusFirst };

// Op::in[j] and Op::frame[j], also in device code, which knows no static arrays.
template <class Op>
HYPGEO_HD constexpr Layout layout_in(int j) {
  constexpr Layout a = Op::in[0], b = Op::in[Op::rows > 1 ? 1 : 0], c = Op::in[Op::rows > 2 ? 2 : 0];
  return j == 0 ? a : j == 1 ? b : c;
}
template <class Op>
HYPGEO_HD constexpr Frame frame_of(int j) {
  constexpr Frame a = Op::frame[0], b = Op::frame[Op::rows > 1 ? 1 : 0], c = Op::frame[Op::rows > 2 ? 2 : 0];
  return j == 0 ? a : j == 1 ? b : c;
}

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

// The record of one evaluation: from each node, what it depends on and how strongly.  A. Griewank, A. Walther. Evaluating
// Derivatives. 2nd ed., SIAM, 2008, chapter 4.  Node 0 takes what flows to constants.
// A number type that says `straight` has its tape laid out by the compiler: everything but the weights is a constant then,
// the sweep is unrolled, and what flows to node 0 is dropped.  The others keep a record at run time.
template <class S>
struct Tape {
  static constexpr int kMost = 160;  // nodes; the longest of our ops takes 141 (tests/csrc/test_tape.py)
  static constexpr bool straight = requires { S::straight; };
  enum Kind : short { kUnit, kMinus, kGeneral };  // a weight of 1, of -1, of weight[i]
  struct Edge {
    short from, to;
    Kind kind;
  };
  S weight[2 * kMost];
  Edge edge[2 * kMost];
  bool met[straight ? kMost : 1] = {};  // what has an adjoint already
  int size = 1, edges = 0;

  HYPGEO_HD void reset() {
    size = 1;
    edges = 0;
  }
  HYPGEO_HD int leaf() { return size++; }
  HYPGEO_HD void depends(int to, const S& w) {
    if (!straight && !to) return;
    edge[edges] = {short(size), short(to), kGeneral};
    weight[edges++] = w;
  }
  HYPGEO_HD void depends(int to, double sign) {
    if (!straight && !to) return;
    edge[edges++] = {short(size), short(to), sign < 0 ? kMinus : kUnit};
  }
  // Adds x to an adjoint; where the compiler knows which comes first, that one is stored, and nothing is ever cleared.
  HYPGEO_HD void flow(S* adjoint, int to, const S& x) {
    if constexpr (straight) {
      adjoint[to] = met[to] ? adjoint[to] + x : x;
      met[to] = true;
    } else {
      adjoint[to] = adjoint[to] + x;
    }
  }
  HYPGEO_HD S arrived(const S* adjoint, int at) const {
    if constexpr (straight) {
      return met[at] ? adjoint[at] : S(0.0);
    } else {
      return adjoint[at];
    }
  }
  HYPGEO_HD void follow(int i, S* adjoint) {
    const Edge e = edge[i];
    if constexpr (straight) {
      if (!met[e.from]) return;
      const S a = adjoint[e.from];
      // an unselected branch has adjoint 0; if its weight is not finite, NaN says that the next level is needed
      flow(adjoint, e.to, e.kind == kGeneral ? a * weight[i] : e.kind == kUnit ? a : -a);
    } else {
      const S& a = adjoint[e.from];
      // an unselected branch has adjoint 0 and may have an infinite weight
      flow(adjoint, e.to, e.kind == kGeneral ? times_or_zero(a, weight[i]) : e.kind == kUnit ? a : -a);
    }
  }
  HYPGEO_HD void clear(S* adjoint) const {
    if constexpr (!straight) {
      for (int i = 0; i < size; ++i) adjoint[i] = S(0.0);
    }
  }
  // adjoint[i] becomes the derivative in node i of sum of seed times result; cleared and seeded by the caller.
  HYPGEO_HD void sweep(S* adjoint) {
    if constexpr (straight) {
#pragma GCC unroll 256
      for (int i = edges - 1; i >= 0; --i) follow(i, adjoint);
    } else {
      for (int i = edges - 1; i >= 0; --i) follow(i, adjoint);
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
HYPGEO_HD void leaf(Rev<S>& to, const S& value, Tape<S>& tape) {  // in place: a copy would wait for its parts
  to.v = value;
  to.id = tape.leaf();
  to.tape = &tape;
}
template <class S, class W>
HYPGEO_HD Rev<S> unary(const Rev<S>& a, const S& value, const W& slope) {
  if (!a.tape) return Rev<S>(value);
  a.tape->depends(a.id, slope);
  return Rev<S>(value, a.tape->leaf(), a.tape);
}
template <class S, class W>
HYPGEO_HD Rev<S> binary(const Rev<S>& a, const Rev<S>& b, const S& value, const W& wa, const W& wb) {
  Tape<S>* t = a.tape ? a.tape : b.tape;
  if (!t) return Rev<S>(value);
  t->depends(a.id, wa);
  t->depends(b.id, wb);
  return Rev<S>(value, t->leaf(), t);
}

template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a) { return unary(a, -a.v, -1.0); }
template <class S>
HYPGEO_HD Rev<S> operator+(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v + b.v, 1.0, 1.0); }
template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v - b.v, 1.0, -1.0); }
template <class S>
HYPGEO_HD Rev<S> operator*(const Rev<S>& a, const Rev<S>& b) { return binary(a, b, a.v * b.v, b.v, a.v); }
template <class S>
HYPGEO_HD Rev<S> operator/(const Rev<S>& a, const Rev<S>& b) {
  const S r = S(1.0) / b.v, q = a.v / b.v;
  return binary(a, b, q, r, -(q * r));
}
template <class S>
HYPGEO_HD Rev<S> operator+(const Rev<S>& a, double b) { return unary(a, a.v + b, 1.0); }
template <class S>
HYPGEO_HD Rev<S> operator+(double a, const Rev<S>& b) { return b + a; }
template <class S>
HYPGEO_HD Rev<S> operator-(const Rev<S>& a, double b) { return unary(a, a.v - b, 1.0); }
template <class S>
HYPGEO_HD Rev<S> operator-(double a, const Rev<S>& b) { return unary(b, a - b.v, -1.0); }
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
template <class S>
struct Slope {
  S value, slope;
};
#define HYPGEO_WITH_SLOPE(f, df)                                                    \
  template <class S>                                                                \
  HYPGEO_CONST Slope<S> f##_slope(S q) {                                            \
    if constexpr (requires(const S& a, S& s) { f(a, s); }) {                        \
      Slope<S> r;                                                                   \
      r.value = f(q, r.slope);                                                      \
      return r;                                                                     \
    } else {                                                                        \
      return {f(q), df(q)};                                                         \
    }                                                                               \
  }                                                                                 \
  template <class S>                                                                \
  HYPGEO_HD Rev<S> f(const Rev<S>& q) {                                             \
    const Slope<S> r = f##_slope(q.v);                                              \
    return unary(q, r.value, r.slope);                                              \
  }
HYPGEO_WITH_SLOPE(coshq, 0.5 * sinhcq)
HYPGEO_WITH_SLOPE(sinhcq, dsinhcq)
HYPGEO_WITH_SLOPE(tanhcq, dtanhcq)
HYPGEO_WITH_SLOPE(asinhcq, dasinhcq)
HYPGEO_WITH_SLOPE(atanhcq, datanhcq)
#undef HYPGEO_WITH_SLOPE

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
