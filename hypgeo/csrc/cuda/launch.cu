// Every CUDA loop over rows, and the registration of the ops in ops.def: one warp to a pair of rows.
#include "../launch.h"

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

// These live in torch's CUDA library.  Weak, so that this library also loads beside a torch without CUDA.
#pragma weak aoti_torch_get_current_cuda_stream
#pragma weak torch_c10_cuda_check_msg
#pragma weak torch_c10_cuda_free_error_msg

namespace hypgeo {
namespace {

constexpr int kWarp = 32, kWarps = 4;  // 4 warps to a block

// All lanes end with the total: a butterfly over a struct that holds nothing but doubles.
template <class G>
__device__ void join(G& gram) {
#pragma unroll
  for (int offset = kWarp / 2; offset; offset /= 2) {
    G theirs;
    const double* mine = reinterpret_cast<const double*>(&gram);
#pragma unroll
    for (int s = 0; s < int(sizeof(G) / sizeof(double)); ++s) {
      reinterpret_cast<double*>(&theirs)[s] = __shfl_xor_sync(0xffffffffu, mine[s], offset);
    }
    gram.merge(theirs);
  }
}

template <class Op, class T>
__device__ Coef coef_of(const T* x, const T* y, int64_t d, const Curvature& k, int lane) {
  typename Op::template Gram<T> gram;
  for (int64_t i = Op::first + lane; i < d; i += kWarp) gram.add(x[i], y[i]);
  join(gram);
  return Op::coef(gram, x + Op::first, y + Op::first, long(d - Op::first), k);
}

template <class Op, class T>
__global__ void pair_forward(const T* x, const T* y, const double* c, T* out, int64_t rows, int64_t d) {
  const Curvature k(*c);
  const int lane = threadIdx.x % kWarp;
  for (int64_t r = int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarp; r < rows; r += int64_t(gridDim.x) * kWarps) {
    const Coef coef = coef_of<Op>(x + r * d, y + r * d, d, k, lane);
    if (lane == 0) out[r] = T(coef.value);
  }
}

struct Residue {
  Sum x, y;
  __device__ void merge(const Residue& o) {
    x.add(o.x.value());
    y.add(o.y.value());
  }
};

template <class Op, class T>
__global__ void pair_backward(const T* grad, const T* x, const T* y, const double* c, T* gx, T* gy, double* gc,
                              int64_t rows, int64_t d) {
  const Curvature k(*c);
  const int lane = threadIdx.x % kWarp;
  for (int64_t r = int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarp; r < rows; r += int64_t(gridDim.x) * kWarps) {
    const T *xr = x + r * d, *yr = y + r * d;
    T *gxr = gx + r * d, *gyr = gy + r * d;
    Pull<Op, T> pull(coef_of<Op>(xr, yr, d, k, lane), grad[r]);
    for (int64_t i = Op::first + lane; i < d; i += kWarp) {
      pull.at(xr[i], yr[i], gxr + i, gyr + i);
      if constexpr (Op::first > 0) pull.count(xr[i], yr[i], gxr[i], gyr[i]);
    }
    if constexpr (Op::first > 0) {
      Residue residue{pull.x_grad, pull.y_grad};
      join(residue);
      pull.x_grad = residue.x;
      pull.y_grad = residue.y;
      if (lane == 0) pull.derived(gxr, gyr);
    }
    if (lane == 0) gc[r] = grad[r] * pull.r.dc;
  }
}

cudaStream_t stream_of(const Tensor& x) {
  void* stream = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &stream));
  return static_cast<cudaStream_t>(stream);
}

unsigned blocks(int64_t rows) { return unsigned(std::min<int64_t>((rows + kWarps - 1) / kWarps, 1 << 20)); }

template <class Op, class T>
void forward_rows(const Tensor& x, const Tensor& y, const Tensor& c, Tensor& out) {
  pair_forward<Op, T><<<blocks(x.size(0)), kWarp * kWarps, 0, stream_of(x)>>>(
      x.const_data_ptr<T>(), y.const_data_ptr<T>(), c.const_data_ptr<double>(), out.mutable_data_ptr<T>(), x.size(0),
      x.size(1));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

template <class Op, class T>
void backward_rows(const Tensor& grad, const Tensor& x, const Tensor& y, const Tensor& c, Tensor& gx, Tensor& gy,
                   Tensor& gc) {
  pair_backward<Op, T><<<blocks(x.size(0)), kWarp * kWarps, 0, stream_of(x)>>>(
      grad.const_data_ptr<T>(), x.const_data_ptr<T>(), y.const_data_ptr<T>(), c.const_data_ptr<double>(),
      gx.mutable_data_ptr<T>(), gy.mutable_data_ptr<T>(), gc.mutable_data_ptr<double>(), x.size(0), x.size(1));
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

template <class Op>
Tensor pair_op(const Tensor& x, const Tensor& y, const Tensor& c) {
  check_pair(x, y, c);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  Tensor out = numbers(x, x.scalar_type());
  if (x.size(0) == 0) return out;
  if (x.scalar_type() == ScalarType::Float) {
    forward_rows<Op, float>(x, y, c, out);
  } else {
    forward_rows<Op, double>(x, y, c, out);
  }
  return out;
}

template <class Op>
std::tuple<Tensor, Tensor, Tensor> pair_op_backward(const Tensor& grad, const Tensor& x, const Tensor& y,
                                                    const Tensor& c) {
  check_pair(x, y, c);
  const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
  Tensor gx = torch::stable::empty_like(x), gy = torch::stable::empty_like(y), gc = numbers(x, ScalarType::Double);
  if (x.size(0) == 0) return {gx, gy, gc};
  if (x.scalar_type() == ScalarType::Float) {
    backward_rows<Op, float>(grad, x, y, c, gx, gy, gc);
  } else {
    backward_rows<Op, double>(grad, x, y, c, gx, gy, gc);
  }
  return {gx, gy, gc};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(hypgeo, CUDA, m) {
#define PAIR(name, Op)                  \
  m.impl(#name, TORCH_BOX(&pair_op<Op>)); \
  m.impl(#name "_backward", TORCH_BOX(&pair_op_backward<Op>));
#include "../ops.def"
#undef PAIR
}

}  // namespace hypgeo
