#include "../gram/halfspace.h"
#define HYPGEO_OPS "../gram/halfspace.def"
#define HYPGEO_TABLE halfspace_kernels
#include "table.h"
