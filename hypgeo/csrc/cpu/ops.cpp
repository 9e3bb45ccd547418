// The ops as torch sees them on the CPU: checks, strides, threads, and the choice of instruction set.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <vector>

#include "../gram/ball.h"
#include "../gram/convert.h"
#include "../gram/halfspace.h"
#include "../gram/hyperboloid.h"
#include "job.h"

namespace hypgeo {

#define TABLES                                                                                    \
  extern const Kernels ball_kernels[], hyperboloid_kernels[], halfspace_kernels[], convert_kernels[];
namespace base {
TABLES
}
#if defined(__x86_64__)
namespace avx2 {
TABLES
}
namespace avx512 {
TABLES
}
#endif
#undef TABLES
extern const SlowKernels ball_slow[], hyperboloid_slow[], halfspace_slow[], convert_slow[];

namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kWork = 1 << 14;  // coordinates per task: enough to pay for waking a thread

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

struct Entry {
  Shape shape;
  const Kernels* kernels;
  const SlowKernels* slow;
};

const Kernels* pick(const Kernels* base, const Kernels* avx2, const Kernels* avx512) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2;
#endif
  return base;
}

#if defined(__x86_64__)
#define PICK(table) pick(base::table, avx2::table, avx512::table)
#else
#define PICK(table) pick(base::table, nullptr, nullptr)
#endif

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

  Call(const Entry& e, const std::vector<Tensor>& tensors, const std::optional<Tensor>& number, const Tensor& c) {
    const Shape& s = e.shape;
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
    job.slow = e.slow->forward[which];
  }

  Operand add(const Tensor& t, const Tensor& x, int64_t axes) {
    STD_TORCH_CHECK(t.scalar_type() == ScalarType::Double && (t.numel() == 1 || (t.dim() == axes && leads_alike(t, x, axes))),
                    "hypgeo: numbers must be float64, one in all or one a row");
    numbers.emplace_back(t, t.dim());
    Operand o = numbers.back().operand;
    if (t.numel() == 1) o.row = 0;
    return o;
  }

  template <class F>
  void each(const F& f) const {
    const int64_t grain = std::max<int64_t>(1, kWork / std::max<int64_t>(1, job.k));
    torch::stable::parallel_for(0, job.n, grain, [&](int64_t begin, int64_t end) { f(job, begin, end); });
  }
};

Tensor forward(const Entry& e, const std::vector<Tensor>& rows, const std::optional<Tensor>& number, const Tensor& c) {
  Call call(e, rows, number, c);
  std::vector<int64_t> size = call.batch;
  if (e.shape.out != Layout::kNumber) size.push_back(columns(e.shape.out, call.job.k));
  Tensor out = torch::stable::new_empty(rows[0], size);
  call.job.out = out.mutable_data_ptr();
  call.each(e.kernels->forward[call.which]);
  return out;
}

// needs: a bit for each row, then the number, then c.  Returns what is asked for, in that order.
std::vector<Tensor> backward(const Entry& e, const Tensor& grad, const std::vector<Tensor>& rows,
                             const std::optional<Tensor>& number, const Tensor& c, int64_t needs) {
  Call call(e, rows, number, c);
  Job& job = call.job;
  job.slow = e.slow->backward[call.which];
  const int64_t axes = int64_t(call.batch.size());
  const bool row_out = e.shape.out != Layout::kNumber;
  STD_TORCH_CHECK(grad.dim() == axes + row_out && leads_alike(grad, rows[0], axes) &&
                      grad.scalar_type() == rows[0].scalar_type() &&
                      (!row_out || grad.size(axes) == columns(e.shape.out, job.k)),
                  "hypgeo: the upstream gradient must have the shape and dtype of the result");
  const Table upstream(grad, axes);
  job.grad = upstream.operand;
  std::vector<Tensor> out;
  for (int j = 0; j < e.shape.rows; ++j) {
    if (!(needs >> j & 1)) continue;
    out.push_back(torch::stable::new_empty(rows[size_t(j)], rows[size_t(j)].sizes()));
    job.grad_in[j] = out.back().mutable_data_ptr();
  }
  const bool wants_number = e.shape.number && (needs >> e.shape.rows & 1);
  const bool wants_c = needs >> (e.shape.rows + 1) & 1;
  const auto number_grad = [&] {
    out.push_back(torch::stable::new_empty(rows[0], call.batch, ScalarType::Double));
    return static_cast<double*>(out.back().mutable_data_ptr());
  };
  if (wants_number) job.grad_number = number_grad();
  if (wants_c) job.grad_c = number_grad();
  call.each(e.kernels->backward[call.which]);
  return out;
}

// One op as torch sees it.  Its place in its model's list is its place in the tables of kernels.
template <class Op, int index, const Kernels* const& kernels, const SlowKernels* slow>
struct Bound {
  static const Entry& entry() {
    static const Entry e{shape_of<Op>(), kernels + index, slow + index};
    return e;
  }
  static Tensor value(std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c) {
    return forward(entry(), rows, number, c);
  }
  static std::vector<Tensor> pullback(Tensor grad, std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c,
                                      int64_t needs) {
    return backward(entry(), grad, rows, number, c, needs);
  }
};

const Kernels* const ball_chosen = PICK(ball_kernels);
const Kernels* const hyperboloid_chosen = PICK(hyperboloid_kernels);
const Kernels* const halfspace_chosen = PICK(halfspace_kernels);
const Kernels* const convert_chosen = PICK(convert_kernels);

namespace ball_index {
enum {
#define OP(name, Op) name,
#include "../gram/ball.def"
#undef OP
};
}
namespace hyperboloid_index {
enum {
#define OP(name, Op) name,
#include "../gram/hyperboloid.def"
#undef OP
};
}
namespace halfspace_index {
enum {
#define OP(name, Op) name,
#include "../gram/halfspace.def"
#undef OP
};
}
namespace convert_index {
enum {
#define OP(name, Op) name,
#include "../gram/convert.def"
#undef OP
};
}

}  // namespace

STABLE_TORCH_LIBRARY(hypgeo, m) {
#define OP(name, Op)                                                  \
  m.def(#name "(Tensor[] rows, Tensor? number, Tensor c) -> Tensor"); \
  m.def(#name "_backward(Tensor grad, Tensor[] rows, Tensor? number, Tensor c, int needs) -> Tensor[]");
#include "../gram/ball.def"
#include "../gram/hyperboloid.def"
#include "../gram/halfspace.def"
#include "../gram/convert.def"
#undef OP
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, ball_index::name, ball_chosen, ball_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, ball_index::name, ball_chosen, ball_slow>::pullback)));
#include "../gram/ball.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, hyperboloid_index::name, hyperboloid_chosen, hyperboloid_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, hyperboloid_index::name, hyperboloid_chosen, hyperboloid_slow>::pullback)));
#include "../gram/hyperboloid.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, halfspace_index::name, halfspace_chosen, halfspace_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, halfspace_index::name, halfspace_chosen, halfspace_slow>::pullback)));
#include "../gram/halfspace.def"
#undef OP
#define OP(name, Op)                                                                              \
  m.impl(#name, TORCH_BOX((&Bound<Op, convert_index::name, convert_chosen, convert_slow>::value))); \
  m.impl(#name "_backward", TORCH_BOX((&Bound<Op, convert_index::name, convert_chosen, convert_slow>::pullback)));
#include "../gram/convert.def"
#undef OP
}

}  // namespace hypgeo
