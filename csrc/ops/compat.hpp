// Thin shims over torch's stable ABI: what every operator needs and the headers do not offer in this form.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <mutex>

namespace dnafast {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Bytes of the memory behind a tensor, from the beginning of its storage on.
inline std::int64_t storage_bytes(const Tensor& tensor) {
  std::int64_t bytes = 0;
  TORCH_ERROR_CODE_CHECK(aoti_torch_get_storage_size(tensor.get(), &bytes));
  return bytes;
}

// bfloat16 in float32, as it is computed with; other types as they are.
inline Tensor widened(const Tensor& tensor) {
  return tensor.scalar_type() == ScalarType::BFloat16 ? torch::stable::to(tensor, ScalarType::Float) : tensor;
}

inline Tensor rounded_as(const Tensor& like, const Tensor& tensor) {
  return tensor.scalar_type() == like.scalar_type() ? tensor : torch::stable::to(tensor, like.scalar_type());
}

// Cuts [0, count) into as many even slices as torch has threads, at least `grain` long, and calls body(slice, begin,
// end) for each, in parallel. The cut depends on count, grain and the number of threads alone, so sums per slice repeat
// bit for bit. Exceptions are carried over by hand: torch's C interface would print them.
inline std::int64_t slice_count(std::int64_t count, std::int64_t grain) {
  const auto threads = static_cast<std::int64_t>(torch::stable::get_num_threads());
  return std::clamp<std::int64_t>(count / std::max<std::int64_t>(grain, 1), 1, threads);
}

template <class Body>
void parallel_slices(std::int64_t count, std::int64_t slices, const Body& body) {
  if (slices <= 1) {
    body(std::int64_t{0}, std::int64_t{0}, count);
    return;
  }
  std::exception_ptr failure;
  std::mutex guard;
  torch::stable::parallel_for(0, slices, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t slice = first; slice < last; ++slice) {
      try {
        body(slice, slice * count / slices, (slice + 1) * count / slices);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(guard);
        if (!failure) failure = std::current_exception();
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace dnafast
