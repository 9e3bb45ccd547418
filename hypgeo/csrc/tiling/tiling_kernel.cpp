#include "job.h"
#include "plane.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace tiling {

using tilings::Job;

struct Half {
  int d;
  int64_t limbs;
  explicit Half(const Job& job) : d(job.dim), limbs(half::limbs_of(d, job.width)) {}
  int dim() const { return d; }
  int64_t width(int64_t room) const { return half::width(d, room); }
  void view(const double* x, const double* y, bool directions, View& v) const {
    half::view(x, y, d, limbs, directions, v);
  }
  template <class Float>
  int64_t step(const double* x, const double* u, double* out, int64_t room, View& v) const {
    return half::step<Float>(x, u, d, limbs, out, room, v);
  }
};

struct Plane {
  int64_t limbs;
  mutable plane::Scratch scratch;
  explicit Plane(const Job& job) : limbs(plane::limbs_of(job.width)) {}
  int dim() const { return 2; }
  int64_t width(int64_t room) const { return plane::width(room); }
  void view(const double* x, const double* y, bool directions, View& v) const {
    plane::view(x, y, limbs, directions, scratch, v);
  }
  template <class Float>
  int64_t step(const double* x, const double* u, double* out, int64_t room, View&) const {
    return plane::step<Float>(x, u, limbs, out, room);
  }
};

template <class Space>
void view_rows(const Job& job, int64_t begin, int64_t end) {
  const Space space(job);
  const int d = space.dim();
  View v(d);
  for (int64_t i = begin; i < end; ++i) {
    space.view(job.x + i * job.width, job.y + i * job.width, job.nx || job.ny, v);
    job.dist[i] = v.certain ? v.dist : -v.dist;
    if (job.nx) std::copy(v.nx.begin(), v.nx.end(), job.nx + i * d);
    if (job.ny) std::copy(v.ny.begin(), v.ny.end(), job.ny + i * d);
    if (job.side) std::copy(v.side.begin(), v.side.end(), job.side + i * (d - 1));
  }
}

template <class Space>
void pair_rows(const Job& job, int64_t begin, int64_t end) {
  const Space space(job);
  View v(space.dim());
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < job.m; ++j) {
      space.view(job.x + i * job.width, job.y + j * job.width, false, v);
      job.dist[i * job.m + j] = v.certain ? v.dist : -v.dist;
    }
  }
}

template <class Space, bool of_x>
void pull_rows(const Job& job, int64_t begin, int64_t end) {
  const Space space(job);
  const int d = space.dim();
  View v(d);
  for (int64_t i = begin; i < end; ++i) {
    double* sum = (of_x ? job.nx : job.ny) + i * d;
    std::fill(sum, sum + d, 0.0);
    for (int64_t j = 0; j < (of_x ? job.m : job.n); ++j) {
      const int64_t a = of_x ? i : j, b = of_x ? j : i;
      const double g = job.grad[a * job.m + b];
      if (g == 0.0) continue;
      space.view(job.x + a * job.width, job.y + b * job.width, true, v);
      if (!v.certain) continue;
      for (int k = 0; k < d; ++k) sum[k] += g * (of_x ? v.nx : v.ny)[k];
    }
  }
}

template <class Space>
void step_rows(const Job& job, int64_t begin, int64_t end) {
  const Space space(job);
  View v(space.dim());
  const int64_t wide = space.width(job.room);
  for (int64_t i = begin; i < end; ++i) {
    const double *x = job.x + i * job.width, *u = job.u ? job.u + i * job.width : nullptr;
    job.needed[i] = job.single ? space.template step<float>(x, u, job.out + i * wide, job.room, v)
                               : space.template step<double>(x, u, job.out + i * wide, job.room, v);
  }
}

void fault_rows(const Job& job, int64_t begin, int64_t end) {
  const Plane space(job);
  for (int64_t i = begin; i < end; ++i) {
    job.needed[i] = plane::fault(job.x + i * job.width, space.limbs, space.scratch);
  }
}

template <class Space>
constexpr tilings::Kernels kernels_of = {&view_rows<Space>, &pair_rows<Space>, &pull_rows<Space, true>,
                                         &pull_rows<Space, false>, &step_rows<Space>, &fault_rows};

extern const tilings::Kernels kernels[];
const tilings::Kernels kernels[] = {kernels_of<Half>, kernels_of<Plane>};

}  // namespace tiling
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
