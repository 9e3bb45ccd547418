#include "levels.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {

template <class Model>
constexpr Kernels of{{&chain::forward_rows<Model, float>, &chain::forward_rows<Model, double>},
                     {&chain::backward_rows<Model, float>, &chain::backward_rows<Model, double>}};

extern const Kernels matvec_kernels[];
const Kernels matvec_kernels[] = {of<chain::Ball>, of<chain::Hyperboloid>, of<chain::HalfSpace>};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo
