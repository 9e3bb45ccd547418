// One step of Riemannian Adam or gradient descent on the rows of a table: plain pointers, no torch.
#pragma once

#include <cstdint>

namespace hypgeo::steps {

struct Job {
  int64_t columns = 0;
  void* point = nullptr;
  const void* grad = nullptr;  // as autograd gives it
  void *mean = nullptr, *square = nullptr, *greatest = nullptr;  // the state; null: none
  double c = 1.0;
  double rate = 0.0, decay = 0.0;
  double keep = 0.0, gain = 1.0;                  // mean = keep mean + gain gradient
  double keep_square = 0.0, gain_square = 0.0;    // of |gradient|^2; Adam only, where square is
  double correction = 1.0, correction_square = 1.0, eps = 0.0;
  // A row left as it was: it wants the manifold's own verbs.
  void (*open)(void* list, int64_t row) = nullptr;
  void* list = nullptr;
};

using Kernel = void (*)(const Job&, int64_t begin, int64_t end);
// For float32 and float64 rows; in the order of Model in ops.cpp.
struct Kernels {
  Kernel step[2];
};

}  // namespace hypgeo::steps
