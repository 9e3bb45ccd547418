// exp_0(m log_0(x)) as torch sees it on the CPU.
#include "../isa.h"
#include "../rows.h"
#include "job.h"

namespace hypgeo {

#define TABLE extern const Kernels matvec_kernels[];
namespace base {
TABLE
}
#if defined(__x86_64__)
namespace avx2 {
TABLE
}
namespace avx512 {
TABLE
}
#endif
#undef TABLE
extern const SlowKernels matvec_slow[];

namespace {

enum Model { kBall, kHyperboloid, kHalfSpace };
constexpr int64_t kTask = 1 << 14;  // products per task: enough to pay for waking a thread

struct Product {
  Model model;
  int64_t axes, skip;  // skip: 1 for the hyperboloid's time
  Table x;
  Tensor m, c;
  std::vector<int64_t> batch;
  Matvec job;
  int which;

  // m: (k, d) or a matrix a row; c: one number or one a row.
  Product(Model of, const Tensor& matrix, const Tensor& rows, const Tensor& curvature)
      : model(of), axes(rows.dim() - 1), skip(of == kHyperboloid), x(rows, axes), m(matrix), c(curvature) {
    STD_TORCH_CHECK(axes >= 0 && (rows.scalar_type() == ScalarType::Float || rows.scalar_type() == ScalarType::Double) &&
                        m.scalar_type() == rows.scalar_type(),
                    "hypgeo: points and matrix must be float32 or float64 tensors of one dtype");
    const bool shared = m.dim() == 2;
    STD_TORCH_CHECK((shared || (m.dim() == axes + 2 && leads_alike(m, rows, axes))) &&
                        m.size(m.dim() - 1) == rows.size(axes) - skip,
                    "hypgeo: a matrix must have a column for each coordinate, and leading axes as the points or none");
    STD_TORCH_CHECK(c.scalar_type() == ScalarType::Double &&
                        (c.numel() == 1 || (c.dim() == axes && leads_alike(c, rows, axes))),
                    "hypgeo: c must be float64, one number in all or one a row");
    if (!shared && !row_stride(m, axes)) m = torch::stable::contiguous(m);
    if (!row_stride(c, c.dim())) c = torch::stable::contiguous(c);
    job.n = 1;
    for (int64_t i = 0; i < axes; ++i) {
      batch.push_back(rows.size(i));
      job.n *= rows.size(i);
    }
    job.d = rows.size(axes) - skip;
    job.k = m.size(m.dim() - 2);
    job.in[0] = x.operand;
    job.m = m.const_data_ptr();
    job.m_batch = shared ? 0 : *row_stride(m, axes);
    job.m_row = m.stride(m.dim() - 2);
    job.m_col = m.stride(m.dim() - 1);
    job.c = {c.const_data_ptr(), c.numel() == 1 ? 0 : *row_stride(c, c.dim()), 0};
    which = rows.scalar_type() == ScalarType::Double;
  }
  std::vector<int64_t> size(int64_t width) const {
    std::vector<int64_t> s = batch;
    s.push_back(width);
    return s;
  }
  void run(bool backward) {
    const Kernels& kernels = HYPGEO_CHOOSE(matvec_kernels)[model];
    const SlowKernels& slow = matvec_slow[model];
    job.slow = (backward ? slow.backward : slow.forward)[which];
    const Kernel kernel = (backward ? kernels.backward : kernels.forward)[which];
    const int64_t grain = std::max<int64_t>(8, kTask / std::max<int64_t>(1, job.k * job.d) / 8 * 8);
    torch::stable::parallel_for(0, job.n, grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  }
};

template <Model model>
Tensor value(Tensor m, Tensor x, Tensor c) {
  Product p(model, m, x, c);
  STD_TORCH_CHECK(p.job.k > 0 || model != kHalfSpace, "hypgeo: a matrix without rows leads to no half-space");
  Tensor out = torch::stable::new_empty(x, p.size(p.job.k + p.skip));
  p.job.out = out.mutable_data_ptr();
  p.run(false);
  return out;
}

// needs: bits for m, x, c.  Returns what is asked for, in that order; for m the two factors of the gradient.
template <Model model>
std::vector<Tensor> pullback(Tensor grad, Tensor m, Tensor x, Tensor c, int64_t needs) {
  Product p(model, m, x, c);
  STD_TORCH_CHECK(grad.dim() == p.axes + 1 && leads_alike(grad, x, p.axes) && grad.scalar_type() == x.scalar_type() &&
                      grad.size(p.axes) == p.job.k + p.skip,
                  "hypgeo: the upstream gradient must have the shape and dtype of the result");
  const Table upstream(grad, p.axes);
  p.job.grad = upstream.operand;
  std::vector<Tensor> out;
  const auto doubles = [&](const std::vector<int64_t>& size) {
    out.push_back(torch::stable::new_empty(x, size, ScalarType::Double));
    return static_cast<double*>(out.back().mutable_data_ptr());
  };
  if (needs & 1) {
    p.job.grad_product = doubles(p.size(p.job.k));
    p.job.tangent = doubles(p.size(p.job.d));
  }
  if (needs & 2) {
    out.push_back(torch::stable::new_empty(x, x.sizes()));
    p.job.grad_in[0] = out.back().mutable_data_ptr();
  }
  if (needs & 4) p.job.grad_c = doubles(p.batch);
  p.run(true);
  return out;
}

}  // namespace
}  // namespace hypgeo

#define MODELS(with)                     \
  with(poincare_matvec, hypgeo::kBall)   \
  with(lorentz_matvec, hypgeo::kHyperboloid) \
  with(half_matvec, hypgeo::kHalfSpace)

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
#define DEFINE(name, model)                            \
  m.def(#name "(Tensor m, Tensor x, Tensor c) -> Tensor"); \
  m.def(#name "_backward(Tensor grad, Tensor m, Tensor x, Tensor c, int needs) -> Tensor[]");
  MODELS(DEFINE)
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) {
#define IMPLEMENT(name, model)                       \
  m.impl(#name, TORCH_BOX(&hypgeo::value<model>)); \
  m.impl(#name "_backward", TORCH_BOX(&hypgeo::pullback<model>));
  MODELS(IMPLEMENT)
}
