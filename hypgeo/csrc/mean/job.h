// What the torch side of the means hands to the kernels, and the kernels each instruction set offers.
#pragma once

#include <cstdint>

namespace hypgeo::mean {

enum class Model : int64_t { kBall, kHyperboloid, kHalfSpace };
// kGuess, inside alone: the midpoint with weights w 3 / (2 + cosh r), r from an estimate; it is near the Frechet mean.
enum class Kind : int64_t { kMidpoint, kFrechet, kGuess };
enum Status : int8_t { kConverged = 0, kNotConverged = 1, kBadWeights = 2 };

// Runs task(context, i) for i in [0, n), on several threads where it pays.
using Each = void (*)(int64_t n, void (*task)(void*, int64_t), void* context);

struct Job {
  Model model;
  Kind kind;
  bool wide;                      // rows are float64, not float32
  int64_t d, width;               // dimension of the space; floats in a row (one more on the hyperboloid)
  const void* x;                  // the rows of all sets
  const double* w;                // their weights; null where all are 1
  const int64_t *start, *order;   // rows of set k: order[start[k]] ... order[start[k + 1] - 1]; null: as they stand
  const double* c;                // -K, one number (c_step 0) or one a set (1)
  int64_t c_step;
  double* center;                 // (sets, 2, d): the mean in the coordinates of the chart, unrounded, as hi + lo
  Each each;
  // forward
  void* out;                      // (sets, width)
  int8_t* status;                 // (sets)
  // backward
  const void* grad;               // (sets, width)
  bool in_w, in_c;                // whether grad_w and grad_c are to be right where their sums cancel
  void* grad_x;
  double *grad_w, *grad_c;        // (rows), (sets)
  int8_t* lost;                   // (sets): 1 where they cancel too far for `pull`
};

// All work on one set with its points side by side in the lanes (count = 1), or on up to `lanes` sets, a lane each.
struct Kernels {
  int lanes;
  void (*solve)(const Job&, const int64_t* sets, int count);
  void (*pull)(const Job&, const int64_t* sets, int count);
  void (*pull_again)(const Job&, const int64_t* sets, int count);
};

}  // namespace hypgeo::mean
