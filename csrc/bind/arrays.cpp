#include "bind/arrays.hpp"

#include <functional>

namespace dnafast::bind {

namespace py = pybind11;

namespace {

bool is_contiguous(const py::array& array) { return (array.flags() & py::array::c_style) != 0; }

bool is_aligned(const py::array& array) { return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0; }

}  // namespace

void require(const py::array& array, const char* name, const py::dtype& dtype) {
  if (array.dtype().is(dtype) || array.dtype().equal(dtype)) {
    if (is_contiguous(array) && is_aligned(array)) return;
    throw py::type_error(std::string(name) + " must be a C-contiguous, aligned array");
  }
  throw py::type_error(std::string(name) + " must be an array of " + std::string(py::str(py::handle(dtype))) +
                       ", not " + std::string(py::str(py::handle(array.dtype()))));
}

WindowColumns view_windows(const py::array& contig, const py::array& start, const py::array& strand) {
  const WindowColumns windows{view<std::int32_t>(contig, "windows.contig"), view<std::int64_t>(start, "windows.start"),
                              view<std::int8_t>(strand, "windows.strand")};
  if (windows.start.size() != windows.contig.size() || windows.strand.size() != windows.contig.size()) {
    throw py::value_error("windows.contig, windows.start and windows.strand must be of one length");
  }
  return windows;
}

SparseRows view_sparse_rows(const py::tuple& columns) {
  if (columns.size() != 4) throw py::value_error("labels must be indptr, indices, data and the number of tasks");
  SparseRows labels;
  labels.indptr = view<std::int64_t>(columns[0].cast<py::array>(), "labels.indptr");
  labels.indices = view<std::int32_t>(columns[1].cast<py::array>(), "labels.indices");
  labels.data = view<std::int8_t>(columns[2].cast<py::array>(), "labels.data");
  labels.tasks = columns[3].cast<std::size_t>();
  if (labels.indptr.empty() || labels.indices.size() != labels.data.size()) {
    throw py::value_error("labels.indptr must not be empty, and labels.indices and labels.data be of one length");
  }
  return labels;
}

void* writable_bytes(py::array& array, const char* name, std::size_t size) {
  if (!array.writeable()) throw py::value_error(std::string(name) + " must be writable");
  if (!is_contiguous(array)) throw py::value_error(std::string(name) + " must be C-contiguous");
  if (!is_aligned(array)) throw py::value_error(std::string(name) + " must be aligned to the size of its elements");
  if (static_cast<std::size_t>(array.nbytes()) != size) {
    throw py::value_error(std::string(name) + " has " + std::to_string(array.nbytes()) + " bytes, " +
                          std::to_string(size) + " are needed");
  }
  return array.mutable_data();
}

void require_apart(const void* out, std::size_t size, std::span<const std::byte> read, const char* name) {
  const auto* begin = static_cast<const std::byte*>(out);
  if (std::less<>{}(begin, read.data() + read.size()) && std::less<>{}(read.data(), begin + size)) {
    throw py::value_error("out shares memory with " + std::string(name) + ", which is read");
  }
}

}  // namespace dnafast::bind
