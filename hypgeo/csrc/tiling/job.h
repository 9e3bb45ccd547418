// What the loops over rows of tilings are given: plain pointers, no torch.
#pragma once

#include <cstdint>

namespace hypgeo::tilings {

struct Job {
  int dim = 0;         // of the half-space; 0: the L-tiling of the plane
  int64_t width = 0;   // of x and y, which have as many limbs
  int64_t n = 0, m = 0;
  const double *x = nullptr, *y = nullptr, *u = nullptr;
  bool single = false;  // offsets are rounded to float32
  double *dist = nullptr, *nx = nullptr, *ny = nullptr, *side = nullptr;
  const double* grad = nullptr;
  double* out = nullptr;
  int64_t room = 0;           // limbs of out
  int64_t* needed = nullptr;  // per row; negative where Python must do it
};

using Kernel = void (*)(const Job&, int64_t begin, int64_t end);
struct Kernels {
  Kernel view;     // dist, and nx, ny, side where asked for, of x[i] and y[i]; dist is -0.0 or below where it is not certain
  Kernel pairs;    // dist (n, m) of x[i] and y[j], rows [begin, end)
  Kernel pull_x;   // nx[i] = sum_j grad[i, j] n_x(x[i], y[j]), over the pairs whose distance is certain
  Kernel pull_y;   // ny[j] = sum_i grad[i, j] n_y(x[i], y[j])
  Kernel step;     // out[i] = x[i] in its one form, or exp_x(u)
  Kernel fault;    // of the plane: needed[i] = what is wrong with the integers of x[i]
};

}  // namespace hypgeo::tilings
