// The GPU's kernels on the host, for Python's ctypes: dtype and components as job.h has them.
#include "gpu_on_host.h"

#include "multifloat/gpu.h"

using namespace hypgeo;
using namespace hypgeo::multifloat;

namespace {

template <class T, int N>
void elementwise_format(const Elementwise& job, int64_t count) {
  run_elementwise_on<T, N>(OnHost(), job, count);
}
template <class T, int N>
void split_format(const Split& job, int64_t count) {
  run_split_on<T, N>(OnHost(), job, count);
}
template <class T, int N>
void lines_format(const Lines& job, int64_t lines, int64_t kind) {
  std::vector<double> memory;
  const auto room = [&](int64_t bytes) {
    memory.resize(size_t(bytes) / sizeof(double) + 1);
    return static_cast<void*>(memory.data());
  };
  run_lines_on<T, N>(OnHost(), room, job, lines, kind);
}
template <class T, int N>
void product_format(const Product& job, int64_t batch, int64_t rows) {
  run_product_on<T, N>(OnHost(), job, batch, rows);
}
void (*const elementwise_formats[3][8])(const Elementwise&, int64_t) = HYPGEO_FORMATS(elementwise_format);
void (*const split_formats[3][8])(const Split&, int64_t) = HYPGEO_FORMATS(split_format);
void (*const lines_formats[3][8])(const Lines&, int64_t, int64_t) = HYPGEO_FORMATS(lines_format);
void (*const product_formats[3][8])(const Product&, int64_t, int64_t) = HYPGEO_FORMATS(product_format);

}  // namespace

extern "C" {

// sizes, and for x and y strides, of `axes` axes
void elementwise(int dtype, int n, int op, int64_t power, int axes, const int64_t* sizes, const void* x,
                 const int64_t* x_strides, const void* y, const int64_t* y_strides, void* out) {
  Elementwise job;
  job.op = Op(op);
  job.power = power;
  job.axes = axes;
  job.x.data = x;
  job.y.data = y;
  job.out = out;
  int64_t count = 1;
  for (int d = 0; d < axes; ++d) {
    count *= job.size[d] = sizes[d];
    job.x.stride[d] = x_strides[d];
    job.y.stride[d] = y_strides[d];
  }
  elementwise_formats[dtype][n - 1](job, count);
}
void split(int dtype, int n, int64_t count, const double* x, void* out) {
  split_formats[dtype][n - 1]({x, out}, count);
}
void lines(int dtype, int n, int kind, int64_t outer, int64_t count, int64_t inner, const void* x, void* out) {
  Lines job;
  job.count = count;
  job.inner = inner;
  job.x = x;
  job.out = out;
  lines_formats[dtype][n - 1](job, outer * inner, kind);
}
void product(int dtype, int n, int64_t batch, int64_t rows, int64_t k, int64_t columns, const void* a, const void* b,
             void* c) {
  Product job;
  job.k = k;
  job.n = columns;
  job.a = a;
  job.b = b;
  job.c = c;
  product_formats[dtype][n - 1](job, batch, rows);
}

}
