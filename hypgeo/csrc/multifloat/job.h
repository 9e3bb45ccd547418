// What the kernels on multi-component floats are asked: plain pointers, no torch.
#pragma once

#include <cstdint>

namespace hypgeo::multifloat {

// In the order of hypgeo/ops/multifloat.py.
enum class Op : int {
  kAdd, kSub, kMul, kDiv, kPow,  // of two numbers
  kPowi, kReciprocal, kSqrt, kRsqrt, kExp, kExpm1, kLog, kLog1p, kSinh, kCosh, kTanh, kAsinh, kAcosh, kAtanh, kSin, kCos,
  kRound,  // to canonical components
};

constexpr int kAxes = 16;

// Numbers of N components, one beside the other in memory; strides count components.
struct Operand {
  const void* data = nullptr;
  bool dense = false, single = false;  // all in a row; or one number for all
  int64_t stride[kAxes] = {};
};

struct Elementwise {
  Op op = Op::kAdd;
  int64_t power = 0;  // of kPowi
  int axes = 0;
  int64_t size[kAxes] = {};
  Operand x, y;
  void* out = nullptr;
};

// Lines along the middle axis of dense numbers (outer, count, inner).
struct Lines {
  int64_t count = 0, inner = 0;
  const void* x = nullptr;
  void* out = nullptr;
};

// c = a b, dense: rows of k terms, (k, n); `calm`: no product overflows or loses bits below float64's exponents.
struct Product {
  int64_t k = 0, n = 0;  // of the rows of a that a kernel is asked for
  bool calm = false;
  const void *a = nullptr, *b = nullptr;
  void* c = nullptr;
};

// Of pairs of points whose `dim` coordinates have N components each, component-major: distances to pairs.out, or where
// there is a gradient of these, dense, those by the points: dense rows, or null.
struct Distances {
  Elementwise pairs;
  int dim = 0;
  const void* grad = nullptr;
  void *to_x = nullptr, *to_y = nullptr;
};

// Doubles to numbers, both dense.
struct Split {
  const double* x = nullptr;
  void* out = nullptr;
};

using SplitKernel = void (*)(const Split&, int64_t begin, int64_t end);
using DistanceKernel = void (*)(const Distances&, int64_t begin, int64_t end);
using ElementwiseKernel = void (*)(const Elementwise&, int64_t begin, int64_t end);
using LinesKernel = void (*)(const Lines&, int64_t begin, int64_t end);
using ProductKernel = void (*)(const Product&, int64_t begin, int64_t end);

// Kernels stand in tables by dtype (float16, float32, float64) and components, 1 ... 8.

}  // namespace hypgeo::multifloat
