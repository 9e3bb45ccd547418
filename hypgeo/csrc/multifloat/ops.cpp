// Multi-component floats on the CPU.
#include <cmath>
#include <tuple>

#include "../isa.h"
#include "../pages.h"
#include "call.h"

namespace hypgeo {

#define HYPGEO_TABLES                                                       \
  namespace multifloat {                                                    \
  extern const ElementwiseKernel elementwise[3][8];                         \
  extern const LinesKernel sum_lines[3][8], cumsum_lines[3][8], prod_lines[3][8]; \
  extern const ProductKernel product_rows[3][8];                            \
  extern const DistanceKernel distances[2][8];                              \
  extern const SplitKernel splits[3][8];                                    \
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

constexpr int64_t kWork = 1 << 13;  // components per task: enough to pay for waking a thread

Tensor elementwise(Tensor x, std::optional<Tensor> y, int64_t op, int64_t power) {
  const ElementwiseCall call(x, y, op, power);
  if (call.count == 0) return call.out;
  large_pages(call.job.out, size_t(call.count * call.n * bytes_of(x)));
  const ElementwiseKernel kernel = HYPGEO_CHOOSE(multifloat::elementwise)[call.dtype][call.n - 1];
  const bool quick = op < int64_t(Op::kPow) && call.n <= 2;
  const int64_t grain = std::max<int64_t>(8, (quick ? kWork : kWork / 64) / call.n / 8 * 8);
  torch::stable::parallel_for(0, call.count, grain, [&](int64_t begin, int64_t end) { kernel(call.job, begin, end); });
  return call.out;
}

Tensor split(Tensor x, int64_t dtype, int64_t n) {
  const SplitCall call(x, dtype, n);
  if (call.count == 0) return call.out;
  const SplitKernel kernel = HYPGEO_CHOOSE(multifloat::splits)[dtype][n - 1];
  const int64_t grain = std::max<int64_t>(8, kWork / n / 8 * 8);
  torch::stable::parallel_for(0, call.count, grain, [&](int64_t begin, int64_t end) { kernel(call.job, begin, end); });
  return call.out;
}

Tensor lines(Tensor x, int64_t kind) {
  const LinesCall call(x, kind);
  if (call.count == 0) return call.out;
  const auto* table = kind == 0   ? HYPGEO_CHOOSE(multifloat::sum_lines)
                      : kind == 1 ? HYPGEO_CHOOSE(multifloat::cumsum_lines)
                                  : HYPGEO_CHOOSE(multifloat::prod_lines);
  const LinesKernel kernel = table[call.dtype][call.n - 1];
  const int64_t grain = std::max<int64_t>(8, kWork / 8 / std::max<int64_t>(call.n * call.job.count, 1) / 8 * 8);
  torch::stable::parallel_for(0, call.count, grain, [&](int64_t begin, int64_t end) { kernel(call.job, begin, end); });
  return call.out;
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

// The product, and whether the numbers were calm: only then are infinities beyond doubt.
std::tuple<Tensor, bool> matmul(Tensor a, Tensor b) {
  ProductCall call(a, b);
  const int64_t m = call.rows, k = call.job.k, n = call.job.n, bytes = bytes_of(a) * call.n;
  if (call.out.numel() == 0) return {call.out, true};
  call.job.calm = is_calm(a, call.n) && is_calm(b, call.n);
  const ProductKernel kernel = HYPGEO_CHOOSE(multifloat::product_rows)[call.dtype][call.n - 1];
  const int64_t grain = std::max<int64_t>(4, kWork / std::max<int64_t>(1, k * n) / 4 * 4);
  torch::stable::parallel_for(0, call.batch * m, grain, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t batch = begin / m, stop = std::min(end, (batch + 1) * m);
      Product part = call.job;
      part.a = static_cast<const char*>(part.a) + batch * m * k * bytes;
      part.b = static_cast<const char*>(part.b) + batch * k * n * bytes;
      part.c = static_cast<char*>(part.c) + batch * m * n * bytes;
      kernel(part, begin - batch * m, stop - batch * m);
      begin = stop;
    }
  });
  return {call.out, call.job.calm};
}

// x, y: points (..., d N) of one dtype and shape, broadcast views or not.
struct DistanceCall {
  Distances job;
  int64_t count = 1, grain = 0;
  std::vector<int64_t> size;
  std::optional<Given> x, y;
  DistanceKernel kernel = nullptr;

  DistanceCall(const Tensor& a, const Tensor& b, int64_t n) {
    const int64_t axes = a.dim() - 1, columns = axes < 0 ? 0 : a.size(axes);
    STD_TORCH_CHECK(axes >= 0 && axes <= kAxes && dtype_of(a) > 0 && a.scalar_type() == b.scalar_type() &&
                        b.dim() == a.dim() && n >= 1 && n <= 8 && columns > 0 && columns % n == 0 && columns < 1 << 20,
                    "hypgeo: points must be float32 or float64 rows of coordinates of 1 to 8 components");
    job.dim = int(columns / n);
    job.pairs.axes = int(axes);
    for (int64_t d = 0; d < axes; ++d) {
      size.push_back(a.size(d));
      count *= job.pairs.size[d] = a.size(d);
    }
    STD_TORCH_CHECK(b.size(axes) == columns, "hypgeo: points must have as many columns");
    x.emplace(a, size, columns);
    y.emplace(b, size, columns);
    job.pairs.x = x->operand;
    job.pairs.y = y->operand;
    kernel = HYPGEO_CHOOSE(multifloat::distances)[dtype_of(a) - 1][n - 1];
    grain = std::max<int64_t>(8, kWork / 16 / columns / 8 * 8);
  }
  void run() const {
    torch::stable::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  }
};

Tensor distance(Tensor x, Tensor y, int64_t n) {
  DistanceCall call(x, y, n);
  Tensor out = torch::stable::new_empty(x, call.size);
  call.job.pairs.out = out.mutable_data_ptr();
  if (call.count > 0) call.run();
  return out;
}

std::vector<Tensor> distance_backward(Tensor grad, Tensor x, Tensor y, int64_t n, bool by_x, bool by_y) {
  DistanceCall call(x, y, n);
  STD_TORCH_CHECK(grad.numel() == call.count && grad.is_contiguous() && grad.scalar_type() == x.scalar_type(),
                  "hypgeo: a gradient for each distance");
  call.job.grad = grad.const_data_ptr();
  call.size.push_back(x.size(x.dim() - 1));
  std::vector<Tensor> out;
  for (const bool wanted : {by_x, by_y}) {
    if (!wanted) continue;
    out.push_back(torch::stable::new_empty(x, call.size));
    (out.size() == 1 && by_x ? call.job.to_x : call.job.to_y) = out.back().mutable_data_ptr();
  }
  if (call.count > 0) call.run();
  return out;
}

}  // namespace
}  // namespace multifloat
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def("multifloat(Tensor x, Tensor? y, int op, int power) -> Tensor");
  m.def("multifloat_split(Tensor x, int dtype, int n) -> Tensor");
  m.def("multifloat_lines(Tensor x, int kind) -> Tensor");
  m.def("multifloat_matmul(Tensor a, Tensor b) -> (Tensor, bool)");
  m.def("multifloat_distance(Tensor x, Tensor y, int n) -> Tensor");
  m.def("multifloat_distance_backward(Tensor grad, Tensor x, Tensor y, int n, bool by_x, bool by_y) -> Tensor[]");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
  m.impl("multifloat", TORCH_BOX(&hypgeo::multifloat::elementwise));
  m.impl("multifloat_split", TORCH_BOX(&hypgeo::multifloat::split));
  m.impl("multifloat_lines", TORCH_BOX(&hypgeo::multifloat::lines));
  m.impl("multifloat_matmul", TORCH_BOX(&hypgeo::multifloat::matmul));
  m.impl("multifloat_distance", TORCH_BOX(&hypgeo::multifloat::distance));
  m.impl("multifloat_distance_backward", TORCH_BOX(&hypgeo::multifloat::distance_backward));
}
