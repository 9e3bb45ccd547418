#include "distance.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

extern const DistanceKernel distances[2][8];
const DistanceKernel distances[2][8] = {
    HYPGEO_COMPONENTS(run_distance, float),
    HYPGEO_COMPONENTS(run_distance, double),
};

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
