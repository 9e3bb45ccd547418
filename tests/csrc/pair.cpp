#include <cstdint>

#include "multifloat/pair.h"

// numbers (n, 2) one beside the other
extern "C" void evaluate(int op, int64_t n, const double* x, const double* y, double* out) {
  for (int64_t i = 0; i < n; ++i) {
    const hypgeo::dd r = hypgeo::pair::evaluate(hypgeo::pair::Op(op), {x[2 * i], x[2 * i + 1]}, {y[2 * i], y[2 * i + 1]});
    out[2 * i] = r.hi;
    out[2 * i + 1] = r.lo;
  }
}
