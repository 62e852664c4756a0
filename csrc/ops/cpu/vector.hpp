// Vectors of the instruction set at hand. Part of the kernels (conv1d_kernel.hpp, recurrent_kernel.hpp), which say how
// they are compiled.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dnafast {
namespace {

constexpr std::int64_t vector_bytes = DNAFAST_VECTOR_BYTES;

template <class T>
struct VectorOf {
  static constexpr std::int64_t lanes = vector_bytes / static_cast<std::int64_t>(sizeof(T));
  typedef T Type __attribute__((vector_size(DNAFAST_VECTOR_BYTES)));
};

template <class T>
using Vector = typename VectorOf<T>::Type;

template <class T>
using Mask = decltype(Vector<T>{} > Vector<T>{});

// One value in all lanes. (Adding it to zeros would be an addition, as -0 + 0 is 0.)
template <class T>
inline Vector<T> broadcast(T value) {
  return value - Vector<T>{};
}

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

template <class T>
const Vector<T>& row_at(const T* table, std::size_t byte_offset) {
  return *reinterpret_cast<const Vector<T>*>(reinterpret_cast<const char*>(table) + byte_offset);
}

template <class T>
Vector<T>& row_at(T* table, std::size_t byte_offset) {
  return *reinterpret_cast<Vector<T>*>(reinterpret_cast<char*>(table) + byte_offset);
}

}  // namespace
}  // namespace dnafast
