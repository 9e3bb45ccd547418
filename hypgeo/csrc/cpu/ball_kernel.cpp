#include "../gram/ball.h"
#define HYPGEO_OPS "../gram/ball.def"
#define HYPGEO_TABLE ball_kernels
#include "table.h"
