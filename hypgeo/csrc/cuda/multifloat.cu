// Multi-component floats on the GPU.
#include "../multifloat/gpu.h"
#include "../multifloat/call.h"

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

#include <mutex>
#include <tuple>

// These live in torch's CUDA library.  Weak, so that this library also loads beside a torch without CUDA.
#pragma weak aoti_torch_get_current_cuda_stream
#pragma weak torch_c10_cuda_check_msg
#pragma weak torch_c10_cuda_free_error_msg

namespace hypgeo {
namespace multifloat {
namespace {

struct Launch {
  cudaStream_t stream = nullptr;
  explicit Launch(const Tensor& x) {
    void* current = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &current));
    stream = static_cast<cudaStream_t>(current);
  }
  template <class... P, class... A>
  void operator()(void (*kernel)(P...), int64_t blocks, int threads, const A&... with) const {
    STD_TORCH_CHECK(blocks < int64_t(1) << 31, "hypgeo: so many numbers exceed a GPU's grid");
    kernel<<<unsigned(blocks), unsigned(threads), 0, stream>>>(with...);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
};
// Memory until the kernels are in the stream's queue; torch hands it to nobody else before they have run.
struct Room {
  const Tensor& like;
  mutable std::optional<Tensor> kept;
  void* operator()(int64_t bytes) const {
    kept = torch::stable::new_empty(like, {bytes}, ScalarType::Byte);
    return kept->mutable_data_ptr();
  }
};

void bring_tables(int device) {
  constexpr int kMost = 64;
  static std::once_flag brought[kMost];
  STD_TORCH_CHECK(device >= 0 && device < kMost, "hypgeo: GPU ", device, " is beyond the ", kMost, " that are served");
  std::call_once(brought[device], [] {
    STD_CUDA_CHECK(cudaMemcpyToSymbol(tables_of_gpu, &tables(), sizeof(Tables)));
  });
}

using ElementwiseLaunch = void (*)(const Launch&, const Elementwise&, int64_t);
using SplitLaunch = void (*)(const Launch&, const Split&, int64_t);
using LinesLaunch = void (*)(const Launch&, const Room&, const Lines&, int64_t, int64_t);
using ProductLaunch = void (*)(const Launch&, const Product&, int64_t, int64_t);
template <class T, int N>
void launch_elementwise(const Launch& launch, const Elementwise& job, int64_t count) {
  run_elementwise_on<T, N>(launch, job, count);
}
template <class T, int N>
void launch_split(const Launch& launch, const Split& job, int64_t count) {
  run_split_on<T, N>(launch, job, count);
}
template <class T, int N>
void launch_lines(const Launch& launch, const Room& room, const Lines& job, int64_t lines, int64_t kind) {
  run_lines_on<T, N>(launch, room, job, lines, kind);
}
template <class T, int N>
void launch_product(const Launch& launch, const Product& job, int64_t batch, int64_t rows) {
  run_product_on<T, N>(launch, job, batch, rows);
}
const ElementwiseLaunch elementwise_launches[3][8] = HYPGEO_FORMATS(launch_elementwise);
const SplitLaunch split_launches[3][8] = HYPGEO_FORMATS(launch_split);
const LinesLaunch lines_launches[3][8] = HYPGEO_FORMATS(launch_lines);
const ProductLaunch product_launches[3][8] = HYPGEO_FORMATS(launch_product);

Tensor elementwise(Tensor x, std::optional<Tensor> y, int64_t op, int64_t power) {
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const ElementwiseCall call(x, y, op, power);
  if (call.count == 0) return call.out;
  bring_tables(x.get_device_index());
  elementwise_launches[call.dtype][call.n - 1](Launch(x), call.job, call.count);
  return call.out;
}

Tensor split(Tensor x, int64_t dtype, int64_t n) {
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const SplitCall call(x, dtype, n);
  if (call.count > 0) split_launches[dtype][n - 1](Launch(x), call.job, call.count);
  return call.out;
}

Tensor lines(Tensor x, int64_t kind) {
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const LinesCall call(x, kind);
  if (call.count > 0) lines_launches[call.dtype][call.n - 1](Launch(x), Room{x, {}}, call.job, call.count, kind);
  return call.out;
}

// The kernel sees to what is infinite or nan, so that the answer is final.
std::tuple<Tensor, bool> matmul(Tensor a, Tensor b) {
  const torch::stable::accelerator::DeviceGuard guard(a.get_device_index());
  const ProductCall call(a, b);
  if (call.out.numel() > 0) product_launches[call.dtype][call.n - 1](Launch(a), call.job, call.batch, call.rows);
  return {call.out, true};
}

}  // namespace
}  // namespace multifloat
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CUDA, m) {
  m.impl("multifloat", TORCH_BOX(&hypgeo::multifloat::elementwise));
  m.impl("multifloat_split", TORCH_BOX(&hypgeo::multifloat::split));
  m.impl("multifloat_lines", TORCH_BOX(&hypgeo::multifloat::lines));
  m.impl("multifloat_matmul", TORCH_BOX(&hypgeo::multifloat::matmul));
}
