// What the torch side hands to the kernels: pointers and strides, no torch.
#pragma once

#include <cstdint>

namespace hypgeo {

// A table of rows; strides in elements, 0 where a row or a coordinate is repeated.
struct Operand {
  const void* data = nullptr;
  int64_t row = 0, col = 0;
};

struct Job {
  int64_t n = 0, k = 0;  // rows, and coordinates of a row that take part in the inner products
  Operand in[3];
  Operand number, c;  // float64, one a row
  void* out = nullptr;
  // backward: the upstream gradient (laid out as the output), and where the gradients go (null: not asked for)
  Operand grad;
  void* grad_in[3] = {nullptr, nullptr, nullptr};
  double *grad_number = nullptr, *grad_c = nullptr;
  void (*slow)(const Job&, int64_t row) = nullptr;  // redoes one row in arbitrary precision
};

using Kernel = void (*)(const Job&, int64_t begin, int64_t end);
// The kernels of one op, for float32 and float64 rows.
struct Kernels {
  Kernel forward[2], backward[2];
};
using Slow = void (*)(const Job&, int64_t row);
struct SlowKernels {
  Slow forward[2], backward[2];
};

}  // namespace hypgeo
