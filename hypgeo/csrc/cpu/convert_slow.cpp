#include "../gram/convert.h"
#define HYPGEO_OPS "../gram/convert.def"
#define HYPGEO_TABLE convert_slow
#include "slow_table.h"
