// Numbers of two float64 components on the GPU: arithmetic, one thread to a number, and products of matrices.
#include "../multifloat/pair.h"

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <optional>

// These live in torch's CUDA library.  Weak, so that this library also loads beside a torch without CUDA.
#pragma weak aoti_torch_get_current_cuda_stream
#pragma weak torch_c10_cuda_check_msg
#pragma weak torch_c10_cuda_free_error_msg

namespace hypgeo {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int kThreads = 256;
constexpr int kTile = 16;  // of a matrix: a block computes kTile x kTile numbers from panels in shared memory

__global__ void arithmetic_kernel(const double2* x, const double2* y, double2* out, int64_t n, pair::Op op) {
  const int64_t stride = int64_t(gridDim.x) * kThreads;
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const double2 a = x[i], b = y[i];
    const dd r = pair::evaluate(op, dd(a.x, a.y), dd(b.x, b.y));
    out[i] = make_double2(r.hi, r.lo);
  }
}

__global__ void product_kernel(const double2* a, const double2* b, double2* c, int64_t m, int64_t k, int64_t n) {
  __shared__ double2 left[kTile][kTile], right[kTile][kTile + 1];
  const int64_t row = int64_t(blockIdx.y) * kTile + threadIdx.y, column = int64_t(blockIdx.x) * kTile + threadIdx.x;
  a += int64_t(blockIdx.z) * m * k;
  b += int64_t(blockIdx.z) * k * n;
  c += int64_t(blockIdx.z) * m * n;
  const double2 none = make_double2(0.0, 0.0);
  dd total(0.0);
  for (int64_t first = 0; first < k; first += kTile) {
    const int64_t i = first + threadIdx.x, j = first + threadIdx.y;
    left[threadIdx.y][threadIdx.x] = row < m && i < k ? a[row * k + i] : none;
    right[threadIdx.y][threadIdx.x] = column < n && j < k ? b[j * n + column] : none;
    __syncthreads();
    for (int t = 0; t < kTile; ++t) {
      const double2 p = left[threadIdx.y][t], q = right[t][threadIdx.x];
      total = pair::sum(total, pair::product(dd(p.x, p.y), dd(q.x, q.y)));
    }
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = make_double2(total.hi, total.lo);
}

cudaStream_t stream_of(const Tensor& t) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(t.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}
const double2* numbers(const Tensor& t) { return static_cast<const double2*>(t.const_data_ptr()); }
bool fits(const Tensor& t) {
  return t.dim() >= 1 && t.size(t.dim() - 1) == 2 && t.is_contiguous() && t.scalar_type() == ScalarType::Double;
}

// x, y: contiguous (..., 2) of one shape; op as in multifloat/job.h.
Tensor arithmetic(Tensor x, Tensor y, int64_t op) {
  STD_TORCH_CHECK(fits(x) && fits(y) && x.numel() == y.numel(),
                  "hypgeo: numbers must be contiguous float64 tensors of two components, of one shape");
  Tensor out = torch::stable::empty_like(x);
  const int64_t n = x.numel() / 2;
  if (n == 0) return out;
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  const unsigned blocks = unsigned(std::min<int64_t>((n + kThreads - 1) / kThreads, 1 << 16));
  arithmetic_kernel<<<blocks, kThreads, 0, stream_of(x)>>>(
      numbers(x), numbers(y), static_cast<double2*>(out.mutable_data_ptr()), n, pair::Op(op));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

// (batch, m, k, 2) (batch, k, n, 2) -> (batch, m, n, 2)
Tensor product(Tensor a, Tensor b) {
  STD_TORCH_CHECK(fits(a) && fits(b) && a.dim() == 4 && b.dim() == 4 && a.size(0) == b.size(0) && a.size(2) == b.size(1),
                  "hypgeo: matrices of numbers must be contiguous (batch, m, k, 2) and (batch, k, n, 2) of float64");
  const int64_t batch = a.size(0), m = a.size(1), k = a.size(2), n = b.size(2);
  Tensor out = torch::stable::new_empty(a, {batch, m, n, 2});
  if (out.numel() == 0) return out;
  STD_TORCH_CHECK(batch < 1 << 16 && m < kTile * ((1 << 16) - 1), "hypgeo: so many rows or matrices exceed a GPU's grid");
  const torch::stable::accelerator::DeviceGuard guard(a.get_device_index());
  const dim3 blocks(unsigned((n + kTile - 1) / kTile), unsigned((m + kTile - 1) / kTile), unsigned(batch));
  product_kernel<<<blocks, dim3(kTile, kTile), 0, stream_of(a)>>>(
      numbers(a), numbers(b), static_cast<double2*>(out.mutable_data_ptr()), m, k, n);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
  return out;
}

}  // namespace
}  // namespace hypgeo

STABLE_TORCH_LIBRARY_FRAGMENT(hypgeo, m) {
  m.def("multifloat_pairs(Tensor x, Tensor y, int op) -> Tensor");
  m.def("multifloat_pairs_matmul(Tensor a, Tensor b) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CUDA, m) {
  m.impl("multifloat_pairs", TORCH_BOX(&hypgeo::arithmetic));
  m.impl("multifloat_pairs_matmul", TORCH_BOX(&hypgeo::product));
}
