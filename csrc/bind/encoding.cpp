#include "core/encoding.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <map>
#include <string>

#include "bind/arrays.hpp"
#include "bind/register.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

Element element_of(const std::string& name) {
  static const std::map<std::string, Element> elements{
      {"uint8", Element::uint8}, {"float32", Element::float32}, {"bfloat16", Element::bfloat16},
      {"int32", Element::int32}, {"int64", Element::int64},
  };
  const auto found = elements.find(name);
  if (found == elements.end()) throw py::value_error("dtype='" + name + "' is not known");
  return found->second;
}

void encode(const Genome& genome, const py::array& contig, const py::array& start, const py::array& strand,
            std::int64_t length, const Encoding& encoding, py::array out, int threads) {
  const WindowColumns windows = view_windows(contig, start, strand);
  const std::size_t size = windows.contig.size() * row_bytes(encoding, length);
  void* rows = writable_bytes(out, "out", size);
  // Written over, a column checked before would send the threads anywhere.
  require_apart(rows, size, windows.contig, "windows.contig");
  require_apart(rows, size, windows.start, "windows.start");
  require_apart(rows, size, windows.strand, "windows.strand");
  // The arrays are held by the caller's frame; the core touches no Python object.
  const py::gil_scoped_release unlocked;
  check_windows(genome, windows);
  encode_windows(genome, windows, length, encoding, rows, threads);
}

void encode_text(const py::array& letters, const Encoding& encoding, py::array out, int threads) {
  if (letters.ndim() != 2) throw py::value_error("letters must have two dimensions");
  const auto view_of_letters = view<std::uint8_t>(letters, "letters");
  const auto count = static_cast<std::size_t>(letters.shape(0));
  const auto length = static_cast<std::int64_t>(letters.shape(1));
  const std::size_t size = count * row_bytes(encoding, length);
  void* rows = writable_bytes(out, "out", size);
  require_apart(rows, size, view_of_letters, "sequences");
  const py::gil_scoped_release unlocked;
  encode_letters(view_of_letters.data(), count, length, encoding, rows, threads);
}

}  // namespace

void register_encoding(py::module_& m) {
  py::class_<Encoding>(m, "Encoding", "How base codes become a row of numbers.")
      .def_static("base_codes", &base_codes)
      .def_static(
          "one_hot",
          [](bool channels_last, const std::string& dtype, int order, float unknown) {
            return one_hot(channels_last, element_of(dtype), order, unknown);
          },
          py::arg("channels_last"), py::arg("dtype"), py::arg("order"), py::arg("unknown"))
      .def_static(
          "kmers",
          [](int k, int stride, bool canonical, const std::string& dtype) {
            return kmers(k, stride, canonical, element_of(dtype));
          },
          py::arg("k"), py::arg("stride"), py::arg("canonical"), py::arg("dtype"))
      .def_static("kmer_counts", &kmer_counts, py::arg("k"), py::arg("canonical"))
      .def(
          "shape",
          [](const Encoding& self, std::int64_t length) { return py::tuple(py::cast(row_shape(self, length))); },
          py::arg("length"), "Shape of one encoded window.");
  m.def("encode_windows", &encode, py::arg("genome"), py::arg("contig"), py::arg("start"), py::arg("strand"),
        py::arg("length"), py::arg("encoding"), py::arg("out"), py::arg("threads"),
        "Encode windows into the rows of out.");
  m.def("encode_letters", &encode_text, py::arg("letters"), py::arg("encoding"), py::arg("out"), py::arg("threads"),
        "Encode letters, uint8 (N, L), into the rows of out.");
}

}  // namespace dnafast::bind
