#include "core/shuffling.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

void shuffle(const std::vector<ShuffledSequence>& sequences, Symbols symbols, int k, std::uint64_t seed, int threads) {
  // Sources are held by the caller's frame, and nobody else has the targets yet; the core touches no Python object.
  const py::gil_scoped_release unlocked;
  shuffle_sequences(sequences, symbols, k, seed, threads);
}

void shuffle_array(const py::array& sequences, bool codes, py::array out, int k, std::uint64_t seed, int threads) {
  if (sequences.ndim() != 2) throw py::value_error("sequences must have two dimensions");
  const auto bytes = view<std::uint8_t>(sequences, "sequences");
  auto* target = static_cast<std::uint8_t*>(writable_bytes(out, "out", bytes.size()));
  const auto length = static_cast<std::size_t>(sequences.shape(1));
  std::vector<ShuffledSequence> rows(static_cast<std::size_t>(sequences.shape(0)));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {bytes.data() + i * length, target + i * length, length};
  shuffle(rows, codes ? Symbols::codes : Symbols::letters, k, seed, threads);
}

// A new text for the shuffled form of another one: str of str, bytes of bytes.
py::object new_text(const py::handle& text, std::size_t index, ShuffledSequence& sequence) {
  char* source = nullptr;
  Py_ssize_t size = 0;
  PyObject* result = nullptr;
  if (PyBytes_Check(text.ptr())) {
    PyBytes_AsStringAndSize(text.ptr(), &source, &size);
    result = PyBytes_FromStringAndSize(nullptr, size);
  } else if (PyUnicode_Check(text.ptr())) {
    // What is not ASCII comes as bytes above 127, which are no letters.
    source = const_cast<char*>(PyUnicode_AsUTF8AndSize(text.ptr(), &size));
    if (source != nullptr) result = PyUnicode_New(size, 127);
  } else {
    throw py::type_error("sequences[" + std::to_string(index) + "] must be str or bytes, not " +
                         std::string(py::str(py::type::of(text).attr("__name__"))));
  }
  if (result == nullptr) throw py::error_already_set();
  void* target = PyBytes_Check(result) ? static_cast<void*>(PyBytes_AS_STRING(result)) : PyUnicode_DATA(result);
  sequence = {reinterpret_cast<const std::uint8_t*>(source), static_cast<std::uint8_t*>(target),
              static_cast<std::size_t>(size)};
  return py::reinterpret_steal<py::object>(result);
}

py::list shuffle_list(const py::list& sequences, int k, std::uint64_t seed, int threads) {
  std::vector<ShuffledSequence> rows(sequences.size());
  py::list result(sequences.size());
  for (std::size_t i = 0; i < rows.size(); ++i) result[i] = new_text(sequences[i], i, rows[i]);
  shuffle(rows, Symbols::letters, k, seed, threads);
  return result;
}

}  // namespace

void register_shuffling(py::module_& m) {
  m.def("shuffle_array", &shuffle_array, py::arg("sequences"), py::arg("codes"), py::arg("out"), py::arg("k"),
        py::arg("seed"), py::arg("threads"),
        "Shuffle the rows of an array of letters or base codes into out, keeping the counts of all words of k.");
  m.def("shuffle_list", &shuffle_list, py::arg("sequences"), py::arg("k"), py::arg("seed"), py::arg("threads"),
        "The same for str and bytes.");
}

}  // namespace dnafast::bind
