// Every operation of Bounded<V> and Bounded<DD<V>>, one argument list at a time, for test_scalar.py.
#include <algorithm>

#include "scalar/special.h"

using namespace hypgeo;

template <class R, class F>
void sweep(long n, const double* a, const double* b, double* out, F f) {
  using S = Bounded<R>;
  using V = typename S::V;
  constexpr int L = lanes_of<V>;
  const auto load = [n](const double* p, long i) {
    V part[3];
    for (int l = 0; l < L; ++l)
      for (int j = 0; j < 3; ++j) set_lane(part[j], l, p[3 * std::min(i + l, n - 1) + j]);
    if constexpr (std::is_same_v<R, V>) {
      return S(part[0], part[2]);
    } else {
      return S(R(part[0], part[1]), part[2]);
    }
  };
  for (long i = 0; i < n; i += L) {
    const S r = f(load(a, i), load(b, i));
    for (int l = 0; l < L && i + l < n; ++l) {
      double* o = out + 3 * (i + l);
      o[0] = lane(high(r.v), l);
      o[1] = 0.0;
      if constexpr (!std::is_same_v<R, V>) o[1] = lane(r.v.lo, l);
      o[2] = lane(r.e, l);
    }
  }
}

template <class R>
void all(int op, long n, const double* a, const double* b, double* out) {
  using S = Bounded<R>;
  const auto run = [&](auto f) { sweep<R>(n, a, b, out, f); };
  switch (op) {
#define OP(number, expression) \
  case number:                 \
    return run([](const S& x, [[maybe_unused]] const S& y) { return expression; });
    OP(0, x + y)
    OP(1, x - y)
    OP(2, x * y)
    OP(3, x / y)
    OP(4, sqr(x))
    OP(5, sqrt(x))
    OP(6, exp(x))
    OP(7, expm1(x))
    OP(8, log(x))
    OP(9, log1p(x))
    OP(10, asinh(x))
    OP(11, coshq(x))
    OP(12, sinhcq(x))
    OP(13, tanhcq(x))
    OP(14, asinhcq(x))
    OP(15, atanhcq(x))
    OP(16, dsinhcq(x))
    OP(17, dtanhcq(x))
    OP(18, dasinhcq(x))
    OP(19, datanhcq(x))
    OP(20, times_or_zero(x, y))
    OP(21, select(x < y, x, y))
    OP(22, x + 0.3)
    OP(23, 0.3 - x)
    OP(24, x * 0.3)
    OP(25, 0.3 / x)
    OP(26, x / 0.3)
#undef OP
#define PAIR(number, name)                                 \
  case number:                                             \
    return run([](const S& x, [[maybe_unused]] const S&) { \
      S slope;                                             \
      (void)name(x, slope);                                \
      return slope;                                        \
    });
    PAIR(27, coshq)
    PAIR(28, sinhcq)
    PAIR(29, tanhcq)
    PAIR(30, asinhcq)
    PAIR(31, atanhcq)
#undef PAIR
  }
}

extern "C" int lanes() { return kLanes; }
extern "C" void evaluate(int op, int twofold, int vector, long n, const double* a, const double* b, double* out) {
  if (vector) {
    twofold ? all<DD<Vec<kLanes>>>(op, n, a, b, out) : all<Vec<kLanes>>(op, n, a, b, out);
  } else {
    twofold ? all<DD<double>>(op, n, a, b, out) : all<double>(op, n, a, b, out);
  }
}
