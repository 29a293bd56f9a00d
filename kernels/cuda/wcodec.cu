// Every kernel, in one translation unit: one module to load.

#include "chunk.cu"
#include "packed.cu"
#include "tools.cu"
