#include "core/labelling.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "core/parallel.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

// Rows of labels that are worth waking a thread for.
constexpr std::size_t expand_grain = 4096;

PeakColumns view_peaks(const py::tuple& columns) {
  if (columns.size() != 4) throw py::value_error("peaks must be contig, start, end and windows_contig");
  const PeakColumns peaks{view<std::int32_t>(columns[0].cast<py::array>(), "peaks.contig"),
                          view<std::int64_t>(columns[1].cast<py::array>(), "peaks.start"),
                          view<std::int64_t>(columns[2].cast<py::array>(), "peaks.end"),
                          view<std::int32_t>(columns[3].cast<py::array>(), "peaks.windows_contig")};
  if (peaks.start.size() != peaks.contig.size() || peaks.end.size() != peaks.contig.size()) {
    throw py::value_error("peaks must have columns of one length");
  }
  return peaks;
}

// What both forms of the labels are made from. The views hold no Python object: the arguments keep the arrays alive.
struct Request {
  Request(const py::array& contig, const py::array& start, std::int64_t length, std::size_t contigs,
          const std::vector<py::tuple>& tables, double positive, double negative, int threads)
      : contig(view<std::int32_t>(contig, "windows.contig")),
        start(view<std::int64_t>(start, "windows.start")),
        length(length),
        contigs(contigs),
        thresholds{positive, negative},
        threads(threads) {
    if (this->start.size() != this->contig.size()) throw py::value_error("windows must have columns of one length");
    for (const py::tuple& columns : tables) {
      peaks.push_back(view_peaks(columns));
      for (const std::int32_t number : peaks.back().windows_contig) {
        if (number >= static_cast<std::int64_t>(contigs)) throw py::value_error("peaks.windows_contig is out of range");
      }
    }
  }

  std::span<const std::int32_t> contig;
  std::span<const std::int64_t> start;
  std::int64_t length;
  std::size_t contigs;
  std::vector<PeakColumns> peaks;
  Thresholds thresholds;
  int threads;
};

void label_dense(const py::array& contig, const py::array& start, std::int64_t length, std::size_t contigs,
                 const std::vector<py::tuple>& tables, double positive, double negative, py::array out, int threads) {
  const Request request(contig, start, length, contigs, tables, positive, negative, threads);
  const std::size_t size = request.contig.size() * tables.size();
  const std::span labels(static_cast<std::int8_t*>(writable_bytes(out, "out", size)), size);
  const py::gil_scoped_release unlocked;
  const WindowOrder windows(request.contig, request.start, contigs, threads);
  const OverlapLabels overlaps(windows, length, request.peaks, request.thresholds, threads);
  overlaps.write_dense(labels, threads);
}

py::tuple label_sparse(const py::array& contig, const py::array& start, std::int64_t length, std::size_t contigs,
                       const std::vector<py::tuple>& tables, double positive, double negative, int threads) {
  const Request request(contig, start, length, contigs, tables, positive, negative, threads);
  py::array_t<std::int64_t> indptr(static_cast<py::ssize_t>(request.contig.size() + 1));
  const std::span rows(indptr.mutable_data(), request.contig.size() + 1);
  std::optional<WindowOrder> windows;
  std::optional<OverlapLabels> overlaps;
  {
    const py::gil_scoped_release unlocked;
    windows.emplace(request.contig, request.start, contigs, threads);
    overlaps.emplace(*windows, length, request.peaks, request.thresholds, threads);
    overlaps->count(rows, threads);
  }
  const auto cells = static_cast<std::size_t>(rows.back());
  py::array_t<std::int32_t> indices(static_cast<py::ssize_t>(cells));
  py::array_t<std::int8_t> data(static_cast<py::ssize_t>(cells));
  const std::span tasks(indices.mutable_data(), cells);
  const std::span labels(data.mutable_data(), cells);
  {
    const py::gil_scoped_release unlocked;
    overlaps->write_sparse(rows, tasks, labels, threads);
  }
  return py::make_tuple(indptr, indices, data);
}

void expand_labels(const py::tuple& labels, const py::array& rows, py::array out, int threads) {
  const SparseRows sparse = view_sparse_rows(labels);
  const auto wanted = view<std::int64_t>(rows, "rows");
  auto* target = static_cast<std::int8_t*>(writable_bytes(out, "out", wanted.size() * sparse.tasks));
  const std::size_t n = sparse.indptr.size() - 1;
  const py::gil_scoped_release unlocked;
  parallel_for(wanted.size(), expand_grain, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = static_cast<std::uint64_t>(wanted[i]);
      if (row >= n) throw std::out_of_range("labels have " + std::to_string(n) + " rows, none of which is the asked");
      expand_row(sparse, row, target + i * sparse.tasks);
    }
  });
}

}  // namespace

void register_labelling(py::module_& m) {
  m.def("label_dense", &label_dense, py::arg("contig"), py::arg("start"), py::arg("length"), py::arg("contigs"),
        py::arg("tables"), py::arg("positive"), py::arg("negative"), py::arg("out"), py::arg("threads"),
        "Write the labels that are not 0 into out, int8 (N, T), which holds zeros.");
  m.def("label_sparse", &label_sparse, py::arg("contig"), py::arg("start"), py::arg("length"), py::arg("contigs"),
        py::arg("tables"), py::arg("positive"), py::arg("negative"), py::arg("threads"),
        "The labels that are not 0, as compressed sparse rows: indptr, indices, data.");
  m.def("expand_labels", &expand_labels, py::arg("labels"), py::arg("rows"), py::arg("out"), py::arg("threads"),
        "Write rows of sparse labels into out, int8 (len(rows), T).");
}

}  // namespace dnafast::bind
