#include <cstring>

#include "multifloat/expansion.h"

namespace mf = hypgeo::multifloat;

// What the functions read: 1 / k, 1 / k! and exp(j / 256) - 1, and how long the series are.
extern "C" void tables(double* inverse, double* factorial, double* step, int* halvings, int* terms) {
  const mf::Tables& t = mf::tables();
  std::memcpy(inverse, t.inverse, sizeof t.inverse);
  std::memcpy(factorial, t.factorial, sizeof t.factorial);
  std::memcpy(step, t.step, sizeof t.step);
  std::memcpy(halvings, t.halvings, sizeof t.halvings);
  std::memcpy(terms, t.terms, sizeof t.terms);
}

// The float64 log1p inside log1p_core.
extern "C" double inner_log1p(double x) { return hypgeo::log1p(hypgeo::Bounded<double>(x, 0.0)).v; }

// Weak sums and products of w parts.
template <int W>
void arithmetic(bool product, const double* a, const double* b, double* r) {
  const auto x = mf::number<double, W>(a), y = mf::number<double, W>(b), z = product ? x * y : x + y;
  std::memcpy(r, z.p, sizeof z.p);
}
extern "C" void weak(int w, bool product, const double* a, const double* b, double* r) {
  void (*const of[])(bool, const double*, const double*, double*) = {
      arithmetic<2>, arithmetic<3>, arithmetic<4>, arithmetic<5>,
      arithmetic<6>, arithmetic<7>, arithmetic<8>, arithmetic<9>,
  };
  of[w - 2](product, a, b, r);
}
