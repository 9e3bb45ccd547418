// Every CUDA loop over rows: one thread to a row.
//
// Rows whose error bound does not suffice are redone one level up, as on the CPU; those that the twofold level cannot
// vouch for keep its value, since arbitrary precision lives on the host.
#pragma once

#include "../gram/levels.h"
#include "../rows.h"

#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

// These live in torch's CUDA library.  Weak, so that this library also loads beside a torch without CUDA.
#pragma weak aoti_torch_get_current_cuda_stream
#pragma weak torch_c10_cuda_check_msg
#pragma weak torch_c10_cuda_free_error_msg

namespace hypgeo {
namespace {

constexpr int kThreads = 128;
// Blocks that a multiprocessor must hold.  Unless told, ptxas spills a few bytes where that makes room for one more; told
// that one is enough, it gives a thread up to 255 registers, and no kernel spills.
constexpr int kBlocks = 1;

// One row where it lies in memory.
template <class Op, class T>
struct RowSource {
  const T* row[3];
  int64_t step[3];
  const T* grad;
  int64_t grad_step;
  __device__ double raw(int j, int64_t i) const { return double(row[j][i * step[j]]); }
  __device__ double u(int64_t i) const { return double(grad[i * grad_step]); }
};

__device__ double number(const Operand& o, int64_t r) { return static_cast<const double*>(o.data)[r * o.row]; }

template <class Op, class T>
__device__ Block block_of(const Job& job, int64_t r, RowSource<Op, T>& source) {
  Block block{job.k};
  for (int j = 0; j < Op::rows; ++j) {
    const T* p = static_cast<const T*>(job.in[j].data) + r * job.in[j].row;
    source.row[j] = p + first_column(layout_in<Op>(j)) * job.in[j].col;
    source.step[j] = job.in[j].col;
    if (reads_odd(layout_in<Op>(j))) block.odd[j] = double(p[odd_column(layout_in<Op>(j), job.k) * job.in[j].col]);
  }
  if constexpr (Op::number) block.number = number(job.number, r);
  block.c = number(job.c, r);
  return block;
}

// Moves a row that is not inside the rim there; the row is rounded already, and is rounded once more.
template <class T>
__device__ void keep_inside(T* row, int64_t columns, double c) {
  dd sum(0.0);
  for (int64_t i = 0; i < columns; ++i) sum = sum + dd(two_prod<double>(double(row[i]), double(row[i])));
  const dd size = sum * c;
  if ((dd(1.0) - size).hi > 0.0 || size.hi != size.hi) return;
  const double pull = (1.0 - 1.5 * (sizeof(T) == 4 ? 0x1p-23 : 0x1p-52)) / std::sqrt(size.hi);
  for (int64_t i = 0; i < columns; ++i) row[i] = T(double(row[i]) * pull);
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads, kBlocks) forward_kernel(Job job) {
  constexpr Trust trust = kTrust<T>;
  const int64_t width = columns(Op::out, job.k), stride = int64_t(gridDim.x) * kThreads;
  for (int64_t r = int64_t(blockIdx.x) * kThreads + threadIdx.x; r < job.n; r += stride) {
    RowSource<Op, T> source;
    const Block block = block_of<Op, T>(job, r, source);
    T* to = static_cast<T*>(job.out) + r * width;
    const auto put = [=](int64_t column, double v) { to[column] = T(v); };
    unsigned sure = 0;
    if constexpr (sizeof(T) == 4) {
      using First = FirstLevel<Op, Lanes>;
      sure = forward_level<Op, First>(block, source, trust, 1u, put);
    }
    if (!sure) forward_level<Op, Bounded<Twofold>>(block, source, trust, 1u, put);
    if constexpr (in_ball(Op::out)) keep_inside(to, width, block.c);
  }
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads, kBlocks) backward_kernel(Job job) {
  constexpr Trust trust = kTrust<T>;
  const int64_t stride = int64_t(gridDim.x) * kThreads;
  for (int64_t r = int64_t(blockIdx.x) * kThreads + threadIdx.x; r < job.n; r += stride) {
    RowSource<Op, T> source;
    Block block = block_of<Op, T>(job, r, source);
    const T* u = static_cast<const T*>(job.grad.data) + r * job.grad.row;
    source.grad = u + first_column(Op::out) * job.grad.col;
    source.grad_step = job.grad.col;
    block.odd_grad = double(u[odd_column(Op::out, job.k) * job.grad.col]);
    block.time_grad = double(u[0]);
    Gradients to;
    T* row[3];
    for (int j = 0; j < Op::rows; ++j) {
      to.row[j] = job.grad_in[j];
      row[j] = static_cast<T*>(job.grad_in[j]) + r * columns(layout_in<Op>(j), job.k);
    }
    to.wants_number = job.grad_number;
    to.wants_c = job.grad_c;
    const auto put = [&](int j, int64_t column, double v) { row[j][column] = T(v); };
    unsigned sure = 0;
    if constexpr (sizeof(T) == 4) {
      using First = FirstLevel<Op, Lanes>;
      Tape<First> tape;
      First adjoint[Tape<First>::kMost];
      sure = backward_level<Op, First>(block, source, trust, 1u, to, tape, adjoint, put);
    }
    if (!sure) {
      Tape<Bounded<Twofold>> tape;
      Bounded<Twofold> adjoint[Tape<Bounded<Twofold>>::kMost];
      backward_level<Op, Bounded<Twofold>>(block, source, trust, 1u, to, tape, adjoint, put);
    }
    if (to.wants_number) job.grad_number[r] = to.number;
    if (to.wants_c) job.grad_c[r] = to.c;
  }
}

unsigned blocks(int64_t rows) { return unsigned(std::min<int64_t>((rows + kThreads - 1) / kThreads, 1 << 16)); }

template <class Op>
struct Cuda {
  template <void (*single)(Job), void (*twice)(Job)>
  static void launch(const Call& call) {
    if (call.job.n == 0) return;
    const Tensor& x = call.rows[0].t;
    const torch::stable::accelerator::DeviceGuard guard(x.get_device_index());
    void* stream = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &stream));
    (call.which ? twice : single)<<<blocks(call.job.n), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(call.job);
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  }
  static Tensor value(std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c) {
    return forward(shape_of<Op>(), rows, number, c, launch<forward_kernel<Op, float>, forward_kernel<Op, double>>);
  }
  static std::vector<Tensor> pullback(Tensor grad, std::vector<Tensor> rows, std::optional<Tensor> number, Tensor c,
                                      int64_t needs) {
    return backward(shape_of<Op>(), grad, rows, number, c, needs,
                    launch<backward_kernel<Op, float>, backward_kernel<Op, double>>);
  }
};

}  // namespace

}  // namespace hypgeo
