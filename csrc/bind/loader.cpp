#include "core/loader.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "bind/arrays.hpp"
#include "bind/register.hpp"
#include "core/random.hpp"

namespace dnafast::bind {

namespace py = pybind11;

namespace {

// How long a wait lasts before Ctrl-C is looked for.
constexpr int wait_milliseconds = 50;

ReverseComplement reverse_complement_from(const std::string& name) {
  if (name == "never") return ReverseComplement::never;
  if (name == "random") return ReverseComplement::random;
  if (name == "always") return ReverseComplement::always;
  throw py::value_error("reverse_complement='" + name + "' must be 'never', 'random' or 'always'");
}

// A Prefetcher that keeps the arrays alive which its threads read and write.
class PyPrefetcher {
 public:
  PyPrefetcher(std::shared_ptr<Genome> genome, const py::array& contig, const py::array& start, const py::array& strand,
               std::int64_t length, const std::optional<Encoding>& encoding, const std::optional<py::array>& labels,
               const std::optional<py::tuple>& sparse_labels, bool shuffle, std::uint64_t seed, std::uint64_t epoch,
               std::int64_t jitter, const std::string& reverse_complement, int threads)
      : inputs_(py::make_tuple(contig, start, strand, labels, sparse_labels)) {
    plan_.genome = std::move(genome);
    plan_.windows = view_windows(contig, start, strand);
    check_windows(*plan_.genome, plan_.windows);
    plan_.length = length;
    plan_.encoding = encoding;
    if (labels) {
      require(*labels, "labels", labels->dtype());
      const auto rows = static_cast<std::size_t>(plan_.windows.contig.size());
      if (labels->ndim() < 1 || static_cast<std::size_t>(labels->shape(0)) != rows) {
        throw py::value_error("labels must have a row for each window");
      }
      plan_.labels = static_cast<const std::byte*>(labels->data());
      plan_.label_bytes = rows > 0 ? static_cast<std::size_t>(labels->nbytes()) / rows : 0;
    } else if (sparse_labels) {
      plan_.sparse_labels = view_sparse_rows(*sparse_labels);
      if (plan_.sparse_labels->indptr.size() != plan_.windows.contig.size() + 1) {
        throw py::value_error("labels must have a row for each window");
      }
      plan_.label_bytes = plan_.sparse_labels->tasks;
    }
    plan_.shuffle = shuffle;
    plan_.seed = seed;
    plan_.epoch = epoch;
    plan_.jitter = jitter;
    plan_.reverse_complement = reverse_complement_from(reverse_complement);
    prefetcher_ = std::make_unique<Prefetcher>(plan_, threads);
  }

  void submit(std::uint64_t first, std::size_t rows, py::array x, std::optional<py::array> y, py::array index,
              py::array strand) {
    if (first + rows > plan_.windows.contig.size() || first + rows < first) {
      throw py::value_error("the batch reaches past the last window");
    }
    if (y.has_value() != (plan_.labels != nullptr || plan_.sparse_labels)) throw py::value_error("y goes with labels");
    BatchTarget target;
    target.first = first;
    target.rows = rows;
    target.x = static_cast<std::byte*>(writable_bytes(x, "x", rows * x_row_bytes(plan_)));
    if (y) target.y = static_cast<std::byte*>(writable_bytes(*y, "y", rows * plan_.label_bytes));
    target.index = static_cast<std::int64_t*>(writable_bytes(index, "index", rows * sizeof(std::int64_t)));
    target.strand = static_cast<std::int8_t*>(writable_bytes(strand, "strand", rows));
    outputs_.push_back(py::make_tuple(x, y, index, strand));
    prefetcher_->submit(target);
  }

  double wait() {
    const auto begin = std::chrono::steady_clock::now();
    for (;;) {
      bool ready = false;
      {
        const py::gil_scoped_release unlocked;
        ready = prefetcher_->wait_front(wait_milliseconds);
      }
      if (ready) break;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    outputs_.pop_front();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  void stop() {
    const py::gil_scoped_release unlocked;
    prefetcher_->stop();
  }

  double cpu_seconds() const { return prefetcher_->cpu_seconds(); }

 private:
  // In this order: the threads have ended before the arrays go.
  py::tuple inputs_;
  std::deque<py::tuple> outputs_;
  LoadPlan plan_;
  std::unique_ptr<Prefetcher> prefetcher_;
};

// A block of the pool as an array; it goes back when neither the array nor a view or tensor over it is left.
py::array_t<std::uint8_t> take_block(const std::shared_ptr<BlockPool>& pool, std::size_t bytes) {
  if (bytes > pool->bytes()) throw py::value_error("the pool's blocks are smaller than that");
  struct Loan {
    std::shared_ptr<BlockPool> pool;
    std::byte* block;
  };
  auto loan = std::make_unique<Loan>(Loan{pool, pool->take()});
  const Loan* raw = loan.get();
  const py::capsule owner(loan.release(), [](void* memory) {
    const std::unique_ptr<Loan> returned(static_cast<Loan*>(memory));
    returned->pool->give_back(returned->block);
  });
  return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(bytes), reinterpret_cast<const std::uint8_t*>(raw->block),
                                   owner);
}

py::array_t<std::int64_t> permutation(std::uint64_t size, std::uint64_t seed, std::uint64_t epoch,
                                      std::uint32_t purpose) {
  py::array_t<std::int64_t> result(static_cast<py::ssize_t>(size));
  const Permutation order(size, seed, epoch, static_cast<Purpose>(purpose));
  std::int64_t* values = result.mutable_data();
  for (std::uint64_t i = 0; i < size; ++i) values[i] = static_cast<std::int64_t>(order(i));
  return result;
}

}  // namespace

void register_loader(py::module_& m) {
  m.def("philox4x32", &philox4x32, py::arg("counter"), py::arg("key"), "Four words of Philox4x32-10.");
  m.def(
      "keyed",
      [](std::uint64_t seed, std::uint64_t epoch, std::uint64_t index, std::uint32_t purpose) {
        return keyed(seed, epoch, index, static_cast<Purpose>(purpose));
      },
      py::arg("seed"), py::arg("epoch"), py::arg("index"), py::arg("purpose"), "64 random bits.");
  m.def("permutation", &permutation, py::arg("size"), py::arg("seed"), py::arg("epoch"), py::arg("purpose"),
        "The order in which a stream of this size comes.");
  py::class_<BlockPool, std::shared_ptr<BlockPool>>(m, "BlockPool", "Memory for batches, used again.")
      .def(py::init<std::size_t, std::size_t>(), py::arg("bytes"), py::arg("kept"))
      .def("take", &take_block, py::arg("bytes"));
  py::class_<PyPrefetcher>(
      m, "Prefetcher",
      "Fills the batches of one epoch on its own threads; without an encoding, x is int64 (rows, 2): contig and start.")
      .def(py::init<std::shared_ptr<Genome>, const py::array&, const py::array&, const py::array&, std::int64_t,
                    const std::optional<Encoding>&, const std::optional<py::array>&, const std::optional<py::tuple>&,
                    bool, std::uint64_t, std::uint64_t, std::int64_t, const std::string&, int>(),
           py::arg("genome"), py::arg("contig"), py::arg("start"), py::arg("strand"), py::arg("length"),
           py::arg("encoding"), py::arg("labels"), py::arg("sparse_labels"), py::arg("shuffle"), py::arg("seed"),
           py::arg("epoch"), py::arg("jitter"), py::arg("reverse_complement"), py::arg("threads"))
      .def("submit", &PyPrefetcher::submit, py::arg("first"), py::arg("rows"), py::arg("x"), py::arg("y"),
           py::arg("index"), py::arg("strand"), "Queue rows [first, first + rows) of the stream.")
      .def("wait", &PyPrefetcher::wait, "Wait for the oldest batch; the seconds it took.")
      .def("stop", &PyPrefetcher::stop, "End the threads.")
      .def_property_readonly("cpu_seconds", &PyPrefetcher::cpu_seconds, "Processor time spent on filling.");
}

}  // namespace dnafast::bind
