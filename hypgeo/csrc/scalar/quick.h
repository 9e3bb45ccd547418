// Quick<R>: Bounded<R> without the bound, for inputs where a bound is known beforehand.
//
// Every operation is Bounded's on exact operands; the compiler drops the error that nobody reads.
#pragma once

#include "special.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

template <class R>
struct Quick {
  using V = typename Bounded<R>::V;
  static constexpr bool straight = true;  // see Tape
  R v;
  Quick() = default;
  HYPGEO_HD explicit Quick(double a) : v(Bounded<R>(a).v) {}
  HYPGEO_HD Quick(const R& value, const V&) : v(value) {}
  HYPGEO_HD Quick(const Bounded<R>& b) : v(b.v) {}
  HYPGEO_HD Bounded<R> bounded() const { return Bounded<R>(v, V{}); }
};

template <class R>
HYPGEO_HD Quick<R> operator-(const Quick<R>& a) {
  return -a.bounded();
}
#define HYPGEO_BINARY(op)                                                                                      \
  template <class R>                                                                                           \
  HYPGEO_HD Quick<R> operator op(const Quick<R>& a, const Quick<R>& b) { return a.bounded() op b.bounded(); }  \
  template <class R>                                                                                           \
  HYPGEO_HD Quick<R> operator op(const Quick<R>& a, double b) { return a.bounded() op b; }                     \
  template <class R>                                                                                           \
  HYPGEO_HD Quick<R> operator op(double a, const Quick<R>& b) { return a op b.bounded(); }
HYPGEO_BINARY(+)
HYPGEO_BINARY(-)
HYPGEO_BINARY(*)
HYPGEO_BINARY(/)
#undef HYPGEO_BINARY

template <class R>
HYPGEO_HD auto operator<(const Quick<R>& a, const Quick<R>& b) { return a.bounded() < b.bounded(); }
template <class R>
HYPGEO_HD auto operator<(const Quick<R>& a, double b) { return a.bounded() < b; }
template <class R>
HYPGEO_HD auto operator<(double a, const Quick<R>& b) { return a < b.bounded(); }
template <class R>
HYPGEO_HD Quick<R> select(const MaskOf<R>& m, const Quick<R>& a, const Quick<R>& b) {
  return select(m, a.bounded(), b.bounded());
}
template <class R>
HYPGEO_HD Quick<R> times_or_zero(const Quick<R>& a, const Quick<R>& w) {
  return times_or_zero(a.bounded(), w.bounded());
}
#define HYPGEO_UNARY(f)                              \
  template <class R>                                 \
  HYPGEO_HD Quick<R> f(const Quick<R>& a) { return f(a.bounded()); }
HYPGEO_UNARY(sqr)
HYPGEO_UNARY(sqrt)
HYPGEO_UNARY(exp)
HYPGEO_UNARY(expm1)
HYPGEO_UNARY(log)
HYPGEO_UNARY(log1p)
HYPGEO_UNARY(asinh)
HYPGEO_UNARY(coshq)
HYPGEO_UNARY(sinhcq)
HYPGEO_UNARY(dsinhcq)
HYPGEO_UNARY(tanhcq)
HYPGEO_UNARY(dtanhcq)
HYPGEO_UNARY(asinhcq)
HYPGEO_UNARY(dasinhcq)
HYPGEO_UNARY(atanhcq)
HYPGEO_UNARY(datanhcq)
#undef HYPGEO_UNARY

#define HYPGEO_WITH_SLOPE(f)                              \
  template <class R>                                      \
  HYPGEO_HD Quick<R> f(const Quick<R>& a, Quick<R>& slope) { \
    Bounded<R> s;                                         \
    const Bounded<R> value = f(a.bounded(), s);           \
    slope = s;                                            \
    return value;                                         \
  }
HYPGEO_WITH_SLOPE(coshq)
HYPGEO_WITH_SLOPE(sinhcq)
HYPGEO_WITH_SLOPE(tanhcq)
HYPGEO_WITH_SLOPE(asinhcq)
HYPGEO_WITH_SLOPE(atanhcq)
#undef HYPGEO_WITH_SLOPE

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
