#pragma once

namespace qk::kernels {

/// Calls each of ATen's vector math functions that the decoder uses once, on the calling thread.
/// MKL chooses a function's implementation at its first call; when two threads make that call at
/// once, one of them can get results that are off by up to 1e-4 (seen with torch 2.11 in 1 of 40
/// runs, in the upper half of a rotary table). Call it before any parallel work; further calls cost
/// nothing worth saving.
void warm_up();

}  // namespace qk::kernels
