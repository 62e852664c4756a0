#include "core/negatives.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "core/encoding.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

template <class T>
py::array_t<T> to_array(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

IntervalTable view_table(const Genome& genome, const py::tuple& columns, const char* name) {
  const auto column = [name](const char* what) { return std::string(name) + "." + what; };
  const IntervalTable table{view<std::int32_t>(columns[0].cast<py::array>(), column("contig").c_str()),
                            view<std::int64_t>(columns[1].cast<py::array>(), column("start").c_str()),
                            view<std::int64_t>(columns[2].cast<py::array>(), column("end").c_str())};
  if (table.start.size() != table.contig.size() || table.end.size() != table.contig.size()) {
    throw py::value_error(std::string(name) + " must have columns of one length");
  }
  for (const std::int32_t contig : table.contig) {
    if (contig < 0 || static_cast<std::size_t>(contig) >= genome.contigs().size()) {
      throw py::value_error(column("contig") + " holds " + std::to_string(contig) + ", no contig of the genome");
    }
  }
  return table;
}

py::dict to_dict(const NegativeSample& sample) {
  std::vector<std::int32_t> contig;
  std::vector<std::int32_t> bin;
  std::vector<std::int64_t> wanted;
  std::vector<std::int64_t> found;
  for (const Shortfall& row : sample.shortfall) {
    contig.push_back(row.contig);
    bin.push_back(row.bin);
    wanted.push_back(static_cast<std::int64_t>(row.wanted));
    found.push_back(static_cast<std::int64_t>(row.found));
  }
  py::dict result;
  result["contig"] = to_array(sample.contig);
  result["start"] = to_array(sample.start);
  result["strand"] = to_array(sample.strand);
  result["wanted"] = sample.wanted;
  result["from_other_contigs"] = sample.from_other_contigs;
  result["shortfall_contig"] = to_array(contig);
  result["shortfall_bin"] = to_array(bin);
  result["shortfall_wanted"] = to_array(wanted);
  result["shortfall_found"] = to_array(found);
  return result;
}

py::dict sample(const Genome& genome, const py::array& contig, const py::array& start, const py::array& strand,
                std::int64_t length, const py::tuple& excluded, const std::optional<py::tuple>& within, bool match_gc,
                double ratio, std::int64_t max_unknown, std::uint64_t seed, int threads) {
  const WindowColumns positives = view_windows(contig, start, strand);
  check_windows(genome, positives);
  NegativeRequest request;
  request.length = length;
  request.positive_contig = positives.contig;
  request.positive_start = positives.start;
  request.positive_strand = positives.strand;
  request.excluded = view_table(genome, excluded, "exclude");
  if (within) request.within = view_table(genome, *within, "within");
  request.match_gc = match_gc;
  request.ratio = ratio;
  request.max_unknown = max_unknown;
  request.seed = seed;
  request.threads = threads;
  NegativeSample result;
  {
    // The views hold no Python object, and the arguments keep their arrays alive until the call returns.
    const py::gil_scoped_release unlocked;
    result = sample_negatives(genome, request);
  }
  return to_dict(result);
}

}  // namespace

void register_negatives(py::module_& m) {
  m.def("sample_negatives", &sample, py::arg("genome"), py::arg("contig"), py::arg("start"), py::arg("strand"),
        py::arg("length"), py::arg("excluded"), py::arg("within"), py::arg("match_gc"), py::arg("ratio"),
        py::arg("max_unknown"), py::arg("seed"), py::arg("threads"),
        "Windows that touch neither the given ones nor what is excluded, as columns, with what is missing.");
}

}  // namespace dnafast::bind
