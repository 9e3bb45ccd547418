// Multi-component floats as torch sees them on the CPU: components in the last axis of plain tensors.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "../isa.h"
#include "../pages.h"
#include "job.h"

namespace hypgeo {

#define HYPGEO_TABLES                                                       \
  namespace multifloat {                                                    \
  extern const ElementwiseKernel elementwise[3][8];                         \
  extern const LinesKernel sum_lines[3][8], cumsum_lines[3][8], prod_lines[3][8]; \
  extern const ProductKernel product_rows[3][8];                            \
  }
namespace base {
using namespace hypgeo::multifloat;
HYPGEO_TABLES
}  // namespace base
#if defined(__x86_64__)
namespace avx2 {
using namespace hypgeo::multifloat;
HYPGEO_TABLES
}  // namespace avx2
namespace avx512 {
using namespace hypgeo::multifloat;
HYPGEO_TABLES
}  // namespace avx512
#endif

namespace multifloat {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kWork = 1 << 13;  // components per task: enough to pay for waking a thread

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

Tensor elementwise(Tensor x, std::optional<Tensor> y, int64_t op, int64_t power) {
  const int64_t n = components(x);
  STD_TORCH_CHECK(op >= 0 && op <= int64_t(Op::kRound) && (op <= int64_t(Op::kPow)) == y.has_value() &&
                      (!y || (components(*y) == n && y->scalar_type() == x.scalar_type())),
                  "hypgeo: an op of numbers takes one dtype and number of components");
  const int64_t axes = std::max(x.dim(), y ? y->dim() : 0) - 1;
  STD_TORCH_CHECK(axes <= kAxes, "hypgeo: numbers may have at most ", kAxes, " axes");
  std::vector<int64_t> size(size_t(axes), 1);
  for (const Tensor* t : {&x, y ? &*y : &x}) {
    for (int64_t d = 0; d + 1 < t->dim(); ++d) {
      int64_t& s = size[size_t(d + axes - (t->dim() - 1))];
      if (s == 1) s = t->size(d);
    }
  }
  Elementwise job;
  job.op = Op(op);
  job.power = power;
  job.axes = int(axes);
  int64_t count = 1;
  for (int64_t d = 0; d < axes; ++d) count *= job.size[d] = size[size_t(d)];
  const Given gx(x, size, n), gy(y ? *y : x, size, n);
  job.x = gx.operand;
  job.y = gy.operand;
  size.push_back(n);
  Tensor out = torch::stable::new_empty(x, size);
  if (count == 0) return out;
  job.out = out.mutable_data_ptr();
  large_pages(job.out, size_t(count * n * bytes_of(x)));
  const ElementwiseKernel kernel = HYPGEO_CHOOSE(multifloat::elementwise)[dtype_of(x)][n - 1];
  const bool quick = op < int64_t(Op::kPow) && n <= 2;
  const int64_t grain = std::max<int64_t>(8, (quick ? kWork : kWork / 64) / n / 8 * 8);
  torch::stable::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  return out;
}

// kind: 0 the sum, 1 the running sum, 2 the product along the middle axis of (outer, count, inner, N).
Tensor lines(Tensor x, int64_t kind) {
  const int64_t n = components(x);
  STD_TORCH_CHECK(x.dim() == 4 && x.is_contiguous() && kind >= 0 && kind < 3,
                  "hypgeo: lines of numbers must be a contiguous tensor (outer, count, inner, components)");
  Lines job;
  job.count = x.size(1);
  job.inner = x.size(2);
  job.x = x.const_data_ptr();
  Tensor out = kind == 1 ? torch::stable::new_empty(x, {x.size(0), x.size(1), x.size(2), n})
                         : torch::stable::new_empty(x, {x.size(0), x.size(2), n});
  const int64_t total = x.size(0) * x.size(2);
  if (total == 0) return out;
  job.out = out.mutable_data_ptr();
  const auto* table = kind == 0   ? HYPGEO_CHOOSE(multifloat::sum_lines)
                      : kind == 1 ? HYPGEO_CHOOSE(multifloat::cumsum_lines)
                                  : HYPGEO_CHOOSE(multifloat::prod_lines);
  const LinesKernel kernel = table[dtype_of(x)][n - 1];
  const int64_t grain = std::max<int64_t>(8, kWork / 8 / std::max<int64_t>(n * job.count, 1) / 8 * 8);
  torch::stable::parallel_for(0, total, grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  return out;
}

// Whether products of these numbers with such as lie within 2^+-400 neither overflow nor lose bits, and nothing is nan.
template <class T>
bool is_calm(const Tensor& t, int64_t n) {
  const T* x = static_cast<const T*>(t.const_data_ptr());
  const int64_t count = t.numel();
  bool calm = true;
  for (int64_t i = 0; i < count; i += n) {
    const T size = std::fabs(x[i]);
    calm &= size == 0 || (size > T(0x1p-300) && size < T(0x1p300));
  }
  return calm;
}
template <>
bool is_calm<float>(const Tensor& t, int64_t n) {
  const float* x = static_cast<const float*>(t.const_data_ptr());
  const int64_t count = t.numel();
  bool calm = true;
  for (int64_t i = 0; i < count; i += n) calm &= x[i] - x[i] == 0.0f;
  return calm;
}
template <>
bool is_calm<uint16_t>(const Tensor& t, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(t.const_data_ptr());
  const int64_t count = t.numel();
  bool calm = true;
  for (int64_t i = 0; i < count; i += n) calm &= (x[i] & 0x7c00) != 0x7c00;
  return calm;
}
bool is_calm(const Tensor& t, int64_t n) {
  const int d = dtype_of(t);
  return d == 0 ? is_calm<uint16_t>(t, n) : d == 1 ? is_calm<float>(t, n) : is_calm<double>(t, n);
}

// (batch, m, k, N) (batch, k, n, N) -> (batch, m, n, N), and whether the numbers were calm: only then are
// infinities beyond doubt.
std::tuple<Tensor, bool> matmul(Tensor a, Tensor b) {
  const int64_t n = components(a);
  STD_TORCH_CHECK(a.dim() == 4 && b.dim() == 4 && components(b) == n && a.scalar_type() == b.scalar_type() &&
                      a.size(0) == b.size(0) && a.size(2) == b.size(1) && a.is_contiguous() && b.is_contiguous(),
                  "hypgeo: matrices of numbers must be contiguous, of one dtype, (batch, m, k, N) and (batch, k, n, N)");
  Product job;
  const int64_t m = a.size(1);
  job.k = a.size(2);
  job.n = b.size(2);
  job.calm = is_calm(a, n) && is_calm(b, n);
  Tensor out = torch::stable::new_empty(a, {a.size(0), m, job.n, n});
  if (out.numel() == 0) return {out, true};
  const int d = dtype_of(a);
  const int64_t bytes = bytes_of(a) * n;
  const ProductKernel kernel = HYPGEO_CHOOSE(multifloat::product_rows)[d][n - 1];
  const char *pa = static_cast<const char*>(a.const_data_ptr()), *pb = static_cast<const char*>(b.const_data_ptr());
  char* pc = static_cast<char*>(out.mutable_data_ptr());
  const int64_t grain = std::max<int64_t>(4, kWork / std::max<int64_t>(1, job.k * job.n) / 4 * 4);
  torch::stable::parallel_for(0, a.size(0) * m, grain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t batch = begin / m, stop = std::min(end, (batch + 1) * m);
      Product part = job;
      part.a = pa + batch * m * job.k * bytes;
      part.b = pb + batch * job.k * job.n * bytes;
      part.c = pc + batch * m * job.n * bytes;
      kernel(part, begin - batch * m, stop - batch * m);
      begin = stop;
    }
  });
  return {out, job.calm};
}

}  // namespace
}  // namespace multifloat
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def("multifloat(Tensor x, Tensor? y, int op, int power) -> Tensor");
  m.def("multifloat_lines(Tensor x, int kind) -> Tensor");
  m.def("multifloat_matmul(Tensor a, Tensor b) -> (Tensor, bool)");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("multifloat", TORCH_BOX(&hypgeo::multifloat::elementwise));
  m.impl("multifloat_lines", TORCH_BOX(&hypgeo::multifloat::lines));
  m.impl("multifloat_matmul", TORCH_BOX(&hypgeo::multifloat::matmul));
}
