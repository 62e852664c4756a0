#include "core/genome.hpp"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "core/encoding.hpp"
#include "core/fasta.hpp"
#include "core/twobit.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

// Names may be in any encoding: what is not UTF-8 survives the way to Python and back.
py::str name_to_python(const std::string& name) {
  PyObject* text = PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "surrogateescape");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

// Contigs are named above this; a number out of range is a slip of ours, told rather than followed.
std::size_t checked(const Genome& genome, std::size_t contig) {
  if (contig >= genome.contigs().size()) throw py::index_error("contig " + std::to_string(contig) + " is none");
  return contig;
}

py::list contig_list(const Genome& genome) {
  py::list result;
  for (const Contig& contig : genome.contigs()) {
    result.append(py::make_tuple(name_to_python(contig.name), contig.length));
  }
  return result;
}

// A view of text that stays alive and unchanged: bytes, or the UTF-8 form that a str keeps.
std::string_view text_view(const py::handle& text, std::size_t index) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_Check(text.ptr())) {
    PyBytes_AsStringAndSize(text.ptr(), &data, &size);
    return {data, static_cast<std::size_t>(size)};
  }
  if (!PyUnicode_Check(text.ptr())) {
    throw py::type_error("sequences[" + std::to_string(index) + "] must be str or bytes, not " +
                         std::string(py::str(py::type::of(text).attr("__name__"))));
  }
  const char* utf8 = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (utf8 == nullptr) throw py::error_already_set();
  return {utf8, static_cast<std::size_t>(size)};
}

std::pair<std::shared_ptr<Genome>, std::uint64_t> pack(std::vector<std::string> names,
                                                       const std::vector<std::string_view>& sequences, int threads) {
  const py::gil_scoped_release unlocked;
  PackedGenome packed = pack_sequences(std::move(names), sequences, threads);
  return {std::move(packed.genome), packed.iupac};
}

auto pack_list(const py::list& sequences, std::vector<std::string> names, int threads) {
  std::vector<std::string_view> views;
  views.reserve(sequences.size());
  for (std::size_t i = 0; i < sequences.size(); ++i) views.push_back(text_view(sequences[i], i));
  return pack(std::move(names), views, threads);
}

auto pack_letters(const py::array& letters, std::vector<std::string> names, int threads) {
  const auto all = view<std::uint8_t>(letters, "sequences");
  const auto length = static_cast<std::size_t>(letters.shape(1));
  std::vector<std::string_view> views;
  views.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    views.emplace_back(reinterpret_cast<const char*>(all.data()) + i * length, length);
  }
  return pack(std::move(names), views, threads);
}

py::array_t<std::int64_t> interval_array(std::span<const Interval> intervals) {
  py::array_t<std::int64_t> result({static_cast<py::ssize_t>(intervals.size()), py::ssize_t{2}});
  auto rows = result.mutable_unchecked<2>();
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    rows(static_cast<py::ssize_t>(i), 0) = intervals[i].start;
    rows(static_cast<py::ssize_t>(i), 1) = intervals[i].end;
  }
  return result;
}

py::array_t<std::uint32_t> composition(const Genome& genome, const py::array& contig, const py::array& start,
                                       const py::array& strand, std::int64_t length, int threads) {
  const WindowColumns windows = view_windows(contig, start, strand);
  py::array_t<std::uint32_t> result({static_cast<py::ssize_t>(windows.contig.size()), py::ssize_t{3}});
  static_assert(sizeof(Composition) == 3 * sizeof(std::uint32_t), "a row of the array is one Composition");
  const std::span rows(reinterpret_cast<Composition*>(result.mutable_data()), windows.contig.size());
  {
    const py::gil_scoped_release unlocked;
    check_windows(genome, windows);
    compose_windows(genome, windows, length, rows, threads);
  }
  return result;
}

}  // namespace

void register_genome(py::module_& m) {
  py::class_<Genome, std::shared_ptr<Genome>>(m, "Genome", "The contigs of a genome, in memory or mapped from a file.")
      .def_static(
          "open_twobit", [](const std::filesystem::path& path) { return open_twobit(path.string()); }, py::arg("path"),
          py::call_guard<py::gil_scoped_release>())
      .def("contigs", &contig_list, "Names and lengths, in order.")
      .def(
          "unknown_blocks",
          [](const Genome& self, std::size_t contig) {
            return interval_array(self.contigs()[checked(self, contig)].unknown);
          },
          py::arg("contig"))
      .def(
          "masked_blocks",
          [](const Genome& self, std::size_t contig) { return interval_array(self.masked(checked(self, contig))); },
          py::arg("contig"))
      .def(
          "copy_packed",
          [](const Genome& self, std::uint64_t first, py::array out) {
            const auto size = static_cast<std::size_t>(out.nbytes());
            const std::span bytes(static_cast<std::uint8_t*>(writable_bytes(out, "out", size)), size);
            const py::gil_scoped_release unlocked;
            copy_packed(self, first, bytes);
          },
          py::arg("first"), py::arg("out"),
          "Fill out with packed bases from byte `first` on, as .2bit stores them; each contig begins a byte.")
      .def(
          "fetch",
          [](const Genome& self, std::size_t contig, std::int64_t start, std::int64_t length) {
            if (length < 0) throw py::value_error("length must not be negative");
            return fetch(self, checked(self, contig), start, length);
          },
          py::arg("contig"), py::arg("start"), py::arg("length"));
  m.def("composition", &composition, py::arg("genome"), py::arg("contig"), py::arg("start"), py::arg("strand"),
        py::arg("length"), py::arg("threads"), "G and C, unknown and masked bases of each window.");
  py::class_<FastaConverter>(m, "FastaConverter", "Turns FASTA text into a .2bit file.")
      .def(py::init([](const std::filesystem::path& source, const std::filesystem::path& target, int threads,
                       std::uint64_t offset_limit) {
             return std::make_unique<FastaConverter>(source.string(), target.string(), threads, offset_limit);
           }),
           py::arg("source"), py::arg("target"), py::arg("threads"),
           py::arg("offset_limit") = std::uint64_t{UINT32_MAX})
      .def(
          "feed",
          [](FastaConverter& self, const py::buffer& text) {
            const py::buffer_info info = text.request();
            if (info.itemsize != 1 || info.ndim != 1 || (info.size > 1 && info.strides[0] != 1)) {
              throw py::type_error("text must be contiguous bytes");
            }
            const std::string_view letters(static_cast<const char*>(info.ptr), static_cast<std::size_t>(info.size));
            const py::gil_scoped_release unlocked;
            self.feed(letters);
          },
          py::arg("text"), "Take the next stretch of text, cut anywhere.")
      .def("finish", &FastaConverter::finish, py::call_guard<py::gil_scoped_release>(),
           "Write what is left; the number of IUPAC letters taken as N.");
  m.def(
      "pack_sequences",
      [](const py::list& sequences, std::vector<std::string> names, int threads) {
        return pack_list(sequences, std::move(names), threads);
      },
      py::arg("sequences"), py::arg("names"), py::arg("threads"));
  m.def(
      "pack_letters",
      [](const py::array& letters, std::vector<std::string> names, int threads) {
        return pack_letters(letters, std::move(names), threads);
      },
      py::arg("letters"), py::arg("names"), py::arg("threads"));
}

}  // namespace dnafast::bind
