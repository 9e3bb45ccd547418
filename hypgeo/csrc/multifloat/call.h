// Multi-component floats as torch sees them, components in the last axis of plain tensors: what is asked of the ops on
// the CPU and on a GPU alike, checked, as jobs.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "job.h"

namespace hypgeo {
namespace multifloat {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

int dtype_of(const Tensor& t) {
  const ScalarType s = t.scalar_type();
  return s == ScalarType::Half ? 0 : s == ScalarType::Float ? 1 : s == ScalarType::Double ? 2 : -1;
}
int64_t bytes_of(const Tensor& t) { return int64_t(2) << dtype_of(t); }

int64_t components(const Tensor& t) {
  STD_TORCH_CHECK(t.dim() >= 1 && dtype_of(t) >= 0 && t.size(t.dim() - 1) >= 1 && t.size(t.dim() - 1) <= 8,
                  "hypgeo: numbers must be float16, float32 or float64 tensors of 1 to 8 components in the last axis");
  return t.size(t.dim() - 1);
}

struct Given {
  Tensor t;  // components one beside the other
  Operand operand;

  // Broadcast to the leading axes `size`.
  Given(const Tensor& tensor, const std::vector<int64_t>& size, int64_t n) : t(tensor) {
    const int64_t axes = int64_t(size.size());
    if (t.stride(t.dim() - 1) != 1 && t.size(t.dim() - 1) > 1) t = torch::stable::contiguous(t);
    const int64_t missing = axes - (t.dim() - 1);
    int64_t step = n;
    operand.dense = operand.single = true;
    for (int64_t d = axes - 1; d >= 0; --d) {
      const bool repeats = d < missing || t.size(d - missing) == 1;
      STD_TORCH_CHECK(missing >= 0 && (repeats || t.size(d - missing) == size[size_t(d)]),
                      "hypgeo: the leading axes of numbers do not broadcast");
      operand.stride[d] = repeats ? 0 : t.stride(d - missing);
      if (size[size_t(d)] == 1) continue;
      operand.dense &= operand.stride[d] == step;
      operand.single &= operand.stride[d] == 0;
      step *= size[size_t(d)];
    }
    operand.data = t.const_data_ptr();
  }
};

struct ElementwiseCall {
  int dtype = 0;
  int64_t n = 0, count = 1;
  Elementwise job;
  std::optional<Given> x, y;
  Tensor out;

  ElementwiseCall(const Tensor& a, const std::optional<Tensor>& b, int64_t op, int64_t power) : n(components(a)) {
    STD_TORCH_CHECK(op >= 0 && op <= int64_t(Op::kRound) && (op <= int64_t(Op::kPow)) == b.has_value() &&
                        (!b || (components(*b) == n && b->scalar_type() == a.scalar_type())),
                    "hypgeo: an op of numbers takes one dtype and number of components");
    STD_TORCH_CHECK(!b || b->device() == a.device(), "hypgeo: an op of numbers takes tensors of one device");
    const int64_t axes = std::max(a.dim(), b ? b->dim() : 0) - 1;
    STD_TORCH_CHECK(axes <= kAxes, "hypgeo: numbers may have at most ", kAxes, " axes");
    std::vector<int64_t> size(size_t(axes), 1);
    for (const Tensor* t : {&a, b ? &*b : &a}) {
      for (int64_t d = 0; d + 1 < t->dim(); ++d) {
        int64_t& s = size[size_t(d + axes - (t->dim() - 1))];
        if (s == 1) s = t->size(d);
      }
    }
    dtype = dtype_of(a);
    job.op = Op(op);
    job.power = power;
    job.axes = int(axes);
    for (int64_t d = 0; d < axes; ++d) count *= job.size[d] = size[size_t(d)];
    x.emplace(a, size, n);
    y.emplace(b ? *b : a, size, n);
    job.x = x->operand;
    job.y = y->operand;
    size.push_back(n);
    out = torch::stable::new_empty(a, size);
    job.out = out.mutable_data_ptr();
  }
};

// Doubles (...) to numbers (..., n) of the dtype with this number.
struct SplitCall {
  Tensor x, out;
  Split job;
  int64_t count = 0;

  SplitCall(const Tensor& given, int64_t dtype, int64_t n) : x(torch::stable::contiguous(given)) {
    STD_TORCH_CHECK(x.scalar_type() == ScalarType::Double && dtype >= 0 && dtype < 3 && n >= 1 && n <= 8,
                    "hypgeo: float64 is split into 1 to 8 components of float16, float32 or float64");
    constexpr ScalarType kinds[] = {ScalarType::Half, ScalarType::Float, ScalarType::Double};
    std::vector<int64_t> size;
    for (int64_t d = 0; d < x.dim(); ++d) size.push_back(x.size(d));
    size.push_back(n);
    out = torch::stable::new_empty(x, size, kinds[dtype]);
    count = x.numel();
    job.x = x.const_data_ptr<double>();
    job.out = out.mutable_data_ptr();
  }
};

// kind: 0 the sum, 1 the running sum, 2 the product along the middle axis of (outer, count, inner, N).
struct LinesCall {
  int dtype = 0;
  int64_t n = 0, count = 0;  // lines
  Lines job;
  Tensor out;

  LinesCall(const Tensor& x, int64_t kind) : n(components(x)) {
    STD_TORCH_CHECK(x.dim() == 4 && x.is_contiguous() && kind >= 0 && kind < 3,
                    "hypgeo: lines of numbers must be a contiguous tensor (outer, count, inner, components)");
    dtype = dtype_of(x);
    job.count = x.size(1);
    job.inner = x.size(2);
    job.x = x.const_data_ptr();
    out = kind == 1 ? torch::stable::new_empty(x, {x.size(0), x.size(1), x.size(2), n})
                    : torch::stable::new_empty(x, {x.size(0), x.size(2), n});
    count = x.size(0) * x.size(2);
    job.out = out.mutable_data_ptr();
  }
};

// (batch, m, k, N) (batch, k, n, N) -> (batch, m, n, N)
struct ProductCall {
  int dtype = 0;
  int64_t n = 0, batch = 0, rows = 0;
  Product job;
  Tensor out;

  ProductCall(const Tensor& a, const Tensor& b) : n(components(a)) {
    STD_TORCH_CHECK(
        a.dim() == 4 && b.dim() == 4 && components(b) == n && a.scalar_type() == b.scalar_type() &&
            a.device() == b.device() && a.size(0) == b.size(0) && a.size(2) == b.size(1) && a.is_contiguous() &&
            b.is_contiguous(),
        "hypgeo: matrices of numbers must be contiguous (batch, m, k, N), (batch, k, n, N), of one dtype and device");
    dtype = dtype_of(a);
    batch = a.size(0);
    rows = a.size(1);
    job.k = a.size(2);
    job.n = b.size(2);
    job.a = a.const_data_ptr();
    job.b = b.const_data_ptr();
    out = torch::stable::new_empty(a, {batch, rows, job.n, n});
    job.c = out.mutable_data_ptr();
  }
};

}  // namespace
}  // namespace multifloat
}  // namespace hypgeo
