// The means, compiled once for each instruction set.
#include "pull.h"

namespace hypgeo::mean {
inline namespace HYPGEO_ISA {

extern const Kernels kernels[];
const Kernels kernels[] = {{L, &solve, &pull, &pull_again}};

}  // namespace HYPGEO_ISA
}  // namespace hypgeo::mean
