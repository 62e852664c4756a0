#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <span>
#include <string>

#include "core/genome.hpp"
#include "core/labelling.hpp"

namespace dnafast::bind {

// Views of numpy arrays for the core, checked: the type and contiguity are asked for, never made by a hidden copy.

// Raises TypeError naming the argument.
void require(const pybind11::array& array, const char* name, const pybind11::dtype& dtype);

template <class T>
std::span<const T> view(const pybind11::array& array, const char* name) {
  require(array, name, pybind11::dtype::of<T>());
  return {static_cast<const T*>(array.data()), static_cast<std::size_t>(array.size())};
}

// The columns of a window table, of equal length.
WindowColumns view_windows(const pybind11::array& contig, const pybind11::array& start, const pybind11::array& strand);

// Labels that are not 0: a tuple of indptr, indices, data and the number of tasks, which live as long as the tuple.
SparseRows view_sparse_rows(const pybind11::tuple& columns);

// The memory of an output of exactly this many bytes. Raises ValueError where it is not writable, not C-contiguous, not
// aligned or of another size; its type and shape are the caller's to check.
void* writable_bytes(pybind11::array& array, const char* name, std::size_t size);

// Raises ValueError where an output of this size lies in memory that is read under this name.
void require_apart(const void* out, std::size_t size, std::span<const std::byte> read, const char* name);

template <class T>
void require_apart(const void* out, std::size_t size, std::span<const T> read, const char* name) {
  require_apart(out, size, std::as_bytes(read), name);
}

}  // namespace dnafast::bind
