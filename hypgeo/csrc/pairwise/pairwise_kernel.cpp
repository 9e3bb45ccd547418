#include "panel.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace pairwise {

// In the order of Kind.
using panels::Kernels;
extern const Kernels kernels[];
const Kernels kernels[] = {
    {&forward<float, float, false>, &backward<float, float, false>},
    {&forward<double, float, false>, &backward<double, float, false>},
    {&forward<double, double, false>, &backward<double, double, false>},
    {&forward<double, double, true>, &backward<double, double, true>},
};

}  // namespace pairwise
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
