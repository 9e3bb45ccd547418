#include "step.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace optim {

extern const steps::Kernels kernels[];
const steps::Kernels kernels[] = {
    {{&step_rows<Ball, float>, &step_rows<Ball, double>}},
    {{&step_rows<Hyperboloid, float>, &step_rows<Hyperboloid, double>}},
    {{&step_rows<Half, float>, &step_rows<Half, double>}},
};

}  // namespace optim
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
