// The ops over rows as torch sees them, on any device: checks, shapes, strides.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cpu/job.h"
#include "gram/op.h"

namespace hypgeo {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// What the launcher needs to know of an op.
struct Shape {
  int rows;
  Layout in[3], out;
  bool number;
};
template <class Op>
constexpr Shape shape_of() {
  Shape s{Op::rows, {}, Op::out, Op::number};
  for (int j = 0; j < Op::rows; ++j) s.in[j] = Op::in[j];
  return s;
}

// The stride from row to row, where the leading axes are one axis with one; else nothing.
std::optional<int64_t> row_stride(const Tensor& t, int64_t axes) {
  int64_t stride = 0, size = 1;
  bool first = true;
  for (int64_t i = axes - 1; i >= 0; --i) {
    if (t.size(i) == 1) continue;
    if (first) {
      stride = t.stride(i);
    } else if (t.stride(i) != stride * size) {
      return std::nullopt;
    }
    size = first ? t.size(i) : size * t.size(i);
    first = false;
  }
  return stride;
}

// A tensor with its strides; copied only where no one stride leads from row to row.
struct Table {
  Tensor t;
  Operand operand;
  Table(const Tensor& tensor, int64_t axes) : t(tensor) {
    std::optional<int64_t> stride = row_stride(t, axes);
    if (!stride) {
      t = torch::stable::contiguous(t);
      stride = row_stride(t, axes);
    }
    operand = {t.const_data_ptr(), *stride, t.dim() > axes ? t.stride(axes) : 0};
  }
};

bool leads_alike(const Tensor& a, const Tensor& b, int64_t axes) {
  for (int64_t i = 0; i < axes; ++i) {
    if (a.size(i) != b.size(i)) return false;
  }
  return true;
}

struct Call {
  std::vector<Table> rows;
  std::vector<Table> numbers;  // the number, where there is one, and c
  std::vector<int64_t> batch;
  Job job;
  int which;  // 0 float32, 1 float64

  Call(const Shape& s, const std::vector<Tensor>& tensors, const std::optional<Tensor>& number, const Tensor& c) {
    STD_TORCH_CHECK(int(tensors.size()) == s.rows, "hypgeo: this op takes ", s.rows, " tensors of rows");
    const Tensor& x = tensors[0];
    STD_TORCH_CHECK(x.dim() >= 1 && (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::Double),
                    "hypgeo: rows must be float32 or float64 tensors with coordinates in the last axis");
    const int64_t axes = x.dim() - 1;
    job.n = 1;
    for (int64_t i = 0; i < axes; ++i) {
      batch.push_back(x.size(i));
      job.n *= x.size(i);
    }
    job.k = x.size(axes) - columns(s.in[0], 0);
    for (int j = 0; j < s.rows; ++j) {
      const Tensor& t = tensors[size_t(j)];
      STD_TORCH_CHECK(t.dim() == x.dim() && leads_alike(t, x, axes) && t.scalar_type() == x.scalar_type() &&
                          t.size(axes) == columns(s.in[j], job.k) && job.k >= 0,
                      "hypgeo: rows must agree in dtype, leading axes and number of coordinates");
      rows.emplace_back(t, axes);
      job.in[j] = rows.back().operand;
    }
    STD_TORCH_CHECK(s.number == number.has_value(), "hypgeo: a number per row is ", s.number ? "missing" : "too many");
    if (number) job.number = add(*number, x, axes);
    job.c = add(c, x, axes);
    which = x.scalar_type() == ScalarType::Double;
  }

  Operand add(const Tensor& t, const Tensor& x, int64_t axes) {
    STD_TORCH_CHECK(t.scalar_type() == ScalarType::Double && (t.numel() == 1 || (t.dim() == axes && leads_alike(t, x, axes))),
                    "hypgeo: numbers must be float64, one in all or one a row");
    numbers.emplace_back(t, t.dim());
    Operand o = numbers.back().operand;
    if (t.numel() == 1) o.row = 0;
    return o;
  }
};

// run: what computes a Call's job.
template <class Run>
Tensor forward(const Shape& shape, const std::vector<Tensor>& rows, const std::optional<Tensor>& number, const Tensor& c,
               const Run& run) {
  Call call(shape, rows, number, c);
  std::vector<int64_t> size = call.batch;
  if (shape.out != Layout::kNumber) size.push_back(columns(shape.out, call.job.k));
  Tensor out = torch::stable::new_empty(rows[0], size);
  call.job.out = out.mutable_data_ptr();
  run(call);
  return out;
}

// needs: a bit for each row, then the number, then c.  Returns what is asked for, in that order.
template <class Run>
std::vector<Tensor> backward(const Shape& shape, const Tensor& grad, const std::vector<Tensor>& rows,
                             const std::optional<Tensor>& number, const Tensor& c, int64_t needs, const Run& run) {
  Call call(shape, rows, number, c);
  Job& job = call.job;
  const int64_t axes = int64_t(call.batch.size());
  const bool row_out = shape.out != Layout::kNumber;
  STD_TORCH_CHECK(grad.dim() == axes + row_out && leads_alike(grad, rows[0], axes) &&
                      grad.scalar_type() == rows[0].scalar_type() &&
                      (!row_out || grad.size(axes) == columns(shape.out, job.k)),
                  "hypgeo: the upstream gradient must have the shape and dtype of the result");
  const Table upstream(grad, axes);
  job.grad = upstream.operand;
  std::vector<Tensor> out;
  for (int j = 0; j < shape.rows; ++j) {
    if (!(needs >> j & 1)) continue;
    out.push_back(torch::stable::new_empty(rows[size_t(j)], rows[size_t(j)].sizes()));
    job.grad_in[j] = out.back().mutable_data_ptr();
  }
  const bool wants_number = shape.number && (needs >> shape.rows & 1);
  const bool wants_c = needs >> (shape.rows + 1) & 1;
  const auto number_grad = [&] {
    out.push_back(torch::stable::new_empty(rows[0], call.batch, ScalarType::Double));
    return static_cast<double*>(out.back().mutable_data_ptr());
  };
  if (wants_number) job.grad_number = number_grad();
  if (wants_c) job.grad_c = number_grad();
  run(call);
  return out;
}

}  // namespace
}  // namespace hypgeo
