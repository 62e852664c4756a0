#pragma once

#include <cstddef>
#include <functional>

namespace dnafast {

// Calls body(begin, end) over disjoint pieces of [0, n) on up to `threads` threads, the caller's among them, and
// returns when all are done. Serial where there is one thread or n does not exceed grain, the fewest items worth
// waking a thread for. The first exception is rethrown here after the running pieces have ended; pieces not yet
// begun are left out. May be called from several threads at once and from within a body.
//
// The threads are kept between calls, made on first use in the process that uses them (a forked child makes its own).
// DNAFAST_FORCE_PARALLEL=1, read once, splits even the smallest range, so that small tests reach the parallel path.
void parallel_for(std::size_t n, std::size_t grain, int threads,
                  const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace dnafast
