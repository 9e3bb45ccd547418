#include "elementwise.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

extern const ElementwiseKernel elementwise[3][8];
const ElementwiseKernel elementwise[3][8] = HYPGEO_FORMATS(run_elementwise);

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
