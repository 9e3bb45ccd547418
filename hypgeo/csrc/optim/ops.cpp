// The fused optimiser step as torch sees it on the CPU.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <vector>

#include "../isa.h"
#include "job.h"

namespace hypgeo {

namespace base::optim {
extern const steps::Kernels kernels[];
}
#if defined(__x86_64__)
namespace avx2::optim {
extern const steps::Kernels kernels[];
}
namespace avx512::optim {
extern const steps::Kernels kernels[];
}
#endif

namespace optim {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kWork = 1 << 13;  // coordinates per task: enough to pay for waking a thread

struct Open {
  std::vector<int64_t> rows;
  std::mutex lock;
  static void entry(void* self, int64_t row) {
    Open& o = *static_cast<Open*>(self);
    const std::lock_guard<std::mutex> held(o.lock);
    o.rows.push_back(row);
  }
};

// Moves point and state in place and returns the rows it left as they were.
Tensor step(Tensor point, Tensor grad, std::optional<Tensor> mean, std::optional<Tensor> square,
            std::optional<Tensor> greatest, int64_t model, double c, double rate, double decay, double keep,
            double gain, double keep_square, double gain_square, double correction, double correction_square,
            double eps) {
  STD_TORCH_CHECK(point.dim() == 2 && model >= 0 && model < 3 && point.size(1) > (model == 1) &&
                      (point.scalar_type() == ScalarType::Float || point.scalar_type() == ScalarType::Double),
                  "hypgeo: points must be a table of float32 or float64 rows");
  const auto fits = [&](const Tensor& t) {
    return t.dim() == 2 && t.size(0) == point.size(0) && t.size(1) == point.size(1) && t.is_contiguous() &&
           t.scalar_type() == point.scalar_type();
  };
  STD_TORCH_CHECK(fits(point) && fits(grad) && (!mean || fits(*mean)) && (!square || fits(*square)) &&
                      (!greatest || fits(*greatest)),
                  "hypgeo: points, gradient and state must be contiguous and of one shape and dtype");
  steps::Job job;
  job.columns = point.size(1);
  job.point = point.mutable_data_ptr();
  job.grad = grad.const_data_ptr();
  job.mean = mean ? mean->mutable_data_ptr() : nullptr;
  job.square = square ? square->mutable_data_ptr() : nullptr;
  job.greatest = greatest ? greatest->mutable_data_ptr() : nullptr;
  job.c = c;
  job.rate = rate;
  job.decay = decay;
  job.keep = keep;
  job.gain = gain;
  job.keep_square = keep_square;
  job.gain_square = gain_square;
  job.correction = correction;
  job.correction_square = correction_square;
  job.eps = eps;
  Open open;
  job.open = &Open::entry;
  job.list = &open;
  const steps::Kernel kernel = HYPGEO_CHOOSE(optim::kernels)[model].step[point.scalar_type() == ScalarType::Double];
  const int64_t grain = std::max<int64_t>(8, kWork / job.columns / 8 * 8);
  torch::stable::parallel_for(0, point.size(0), grain, [&](int64_t begin, int64_t end) { kernel(job, begin, end); });
  std::sort(open.rows.begin(), open.rows.end());
  Tensor left = torch::stable::new_empty(point, {int64_t(open.rows.size())}, ScalarType::Long);
  std::copy(open.rows.begin(), open.rows.end(), left.mutable_data_ptr<int64_t>());
  return left;
}

}  // namespace
}  // namespace optim
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def(
      "optim_step(Tensor(a!) point, Tensor grad, Tensor(b!)? mean, Tensor(c!)? square, Tensor(d!)? greatest, "
      "int model, float c, float rate, float decay, float keep, float gain, float keep_square, float gain_square, "
      "float correction, float correction_square, float eps) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CPU, m) { m.impl("optim_step", TORCH_BOX(&hypgeo::optim::step)); }
