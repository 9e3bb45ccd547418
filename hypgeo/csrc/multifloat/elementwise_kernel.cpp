#include "elementwise.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace multifloat {

extern const ElementwiseKernel elementwise[3][8];
const ElementwiseKernel elementwise[3][8] = HYPGEO_FORMATS(run_elementwise);
extern const SplitKernel splits[3][8];
const SplitKernel splits[3][8] = HYPGEO_FORMATS(run_split);

}  // namespace multifloat
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
