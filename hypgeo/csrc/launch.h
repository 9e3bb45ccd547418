// What the CPU and CUDA launchers share: the checks, and the shapes of their results.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <tuple>

#include "gram/lorentz.h"
#include "gram/poincare.h"

namespace hypgeo {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Broadcasting, dtype and contiguity are settled in hypgeo/ops/_kernel.py; this is what it promises.
inline void check_pair(const Tensor& x, const Tensor& y, const Tensor& c) {
  STD_TORCH_CHECK(x.dim() == 2 && y.dim() == 2 && x.size(0) == y.size(0) && x.size(1) == y.size(1),
                  "hypgeo: x and y must be two tables of rows of one shape");
  STD_TORCH_CHECK(x.scalar_type() == y.scalar_type() &&
                      (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::Double),
                  "hypgeo: x and y must both be float32 or both float64");
  STD_TORCH_CHECK(c.numel() == 1 && c.scalar_type() == ScalarType::Double, "hypgeo: c must be one float64 number");
  STD_TORCH_CHECK(x.is_contiguous() && y.is_contiguous(), "hypgeo: x and y must be contiguous");
}

inline Tensor numbers(const Tensor& x, ScalarType dtype) { return torch::stable::new_empty(x, {x.size(0)}, dtype); }

}  // namespace hypgeo
