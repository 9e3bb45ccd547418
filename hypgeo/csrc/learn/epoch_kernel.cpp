#include "epoch.h"

namespace hypgeo {
inline namespace HYPGEO_ISA {
namespace learn {

extern const learning::Kernels kernels[];
const learning::Kernels kernels[] = {
    {&epoch<Ball>, &epoch<Hyperboloid>, {&epoch<Half<1>>, &epoch<Half<2>>, &epoch<Half<3>>, &epoch<Half<4>>},
     &epoch<HalfTile>, &epoch<HyperboloidTile>},
};

}  // namespace learn
}  // namespace HYPGEO_ISA
}  // namespace hypgeo
